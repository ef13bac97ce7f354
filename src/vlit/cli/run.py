"""``vlit run``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vlit.cli.common import run_recipe, runs_option, set_option, show_plan, workers_option
from vlit.run.recipe import load_recipe


@click.command(epilog="Example: vlit run recipes/folder.yaml --data ~/photos --dry-run")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    help="Use this folder of photos and annotations instead.",
)
@click.option("--dry-run", is_flag=True, help="Print stages, counts and what would be skipped; do nothing.")
@click.option(
    "--preview",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print N requests to the teacher of each instruction recipe, and what all would cost; send nothing.",
)
@set_option
@runs_option
@workers_option
def command(
    recipe: Path,
    data: str | None,
    dry_run: bool,
    preview: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    workers: int | None,
) -> None:
    """Run RECIPE. What is done already is skipped; a run that was stopped goes on where it was."""
    if data is not None:
        source = f"collect.sources=[{{kind: auto, path: {json.dumps(str(Path(data).resolve()))}}}]"
        overrides = (source, *overrides)
    checked = load_recipe(recipe, overrides)
    if dry_run:
        show_plan(checked, runs)
    elif preview is not None:
        from vlit.cli.preview import show_preview

        show_preview(checked, runs / checked.name, preview, workers)
    else:
        run_recipe(checked, runs / checked.name, workers)
