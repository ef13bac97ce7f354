"""``vlit tune``: a run, a set or a recipe; or a look at what would be trained on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from vlit.cli.assess import is_run
from vlit.cli.common import (
    console,
    run_recipe,
    runs_option,
    set_option,
    show_plan,
    stage_recipe,
    workers_option,
)
from vlit.data.errors import VlitError
from vlit.run.recipe import Recipe, load_recipe, parse_recipe
from vlit.run.recipe_text import dump

_RECIPES = (".yaml", ".yml")


@click.command(epilog="Example: vlit tune runs/mine --inspect 5")
@click.argument("what", type=click.Path(path_type=Path), metavar="RUN|SET|RECIPE", required=False)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that the set's image paths are relative to.",
)
@click.option("--preset", help="Settings of a published model; --presets lists them.")
@click.option("--presets", is_flag=True, help="List the published settings, and do nothing else.")
@click.option(
    "--inspect",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print N samples of each stage, trained tokens in colour, and do nothing else.",
)
@click.option(
    "--dry-run", is_flag=True, help="Print steps, tokens and memory that tuning would take; do nothing."
)
@click.option("--name", help="Name of the run that tunes on SET; by default that of the file.")
@set_option
@runs_option
@workers_option
def command(
    what: Path | None,
    images: Path | None,
    preset: str | None,
    presets: bool,
    inspect: int | None,
    dry_run: bool,
    name: str | None,
    overrides: tuple[str, ...],
    runs: Path,
    workers: int | None,
) -> None:
    """Tune a model on the selected samples of RUN, on the training-data file SET, or as RECIPE says.

    A tuning that was stopped goes on from its last checkpoint, with the same result as if it had never stopped.
    """
    if presets:
        from vlit.tune.preset import presets_text

        console.print(presets_text())
        return
    if what is None:
        raise click.UsageError("name a run, a set or a recipe; or --presets")
    if preset is not None:
        overrides = (f"tune.preset={preset}", *overrides)
    recipe, folder = _recipe(what, images, name, overrides, runs)
    if inspect is not None:
        from vlit.cli.inspect import show_masks

        show_masks(recipe, folder, inspect)
    elif dry_run:
        from vlit.cli.outlook import show_outlook
        from vlit.run.folder import RunFolder

        show_plan(recipe, folder.parent)
        show_outlook(recipe, RunFolder(folder))
    else:
        run_recipe(recipe, folder, workers, until="tune")


def _recipe(
    what: Path, images: Path | None, name: str | None, overrides: tuple[str, ...], runs: Path
) -> tuple[Recipe, Path]:
    """The recipe, and the folder of its run."""
    if (is_run(what) or what.suffix in _RECIPES) and (images is not None or name is not None):
        raise click.UsageError(
            "--images and --name are for a SET; with a RECIPE, --set tune.data.images=... or --set name=..."
        )
    if is_run(what):
        return stage_recipe("tune", what, overrides), what
    if what.suffix in _RECIPES:
        recipe = load_recipe(what, overrides)
        if not any(stage.name == "tune" for stage in recipe.stages):
            raise VlitError("this recipe tunes nothing", where=str(what), todo="add `tune:` to it")
        return recipe, runs / recipe.name
    if not what.exists():
        raise VlitError(
            "there is no run in this folder, and no such file", where=str(what), todo="correct the path"
        )
    data: dict[str, Any] = {"path": str(what.resolve())}
    if images is not None:
        data["images"] = str(images.resolve())
    stem = re.sub(r"[^\w.-]+", "-", what.stem).lstrip("-.") or "set"  # it names a folder
    values = {"name": name or f"{stem}-tuned", "tune": {"data": data}}
    recipe = parse_recipe(dump(values), base=Path.cwd(), where=str(what), overrides=overrides)
    return recipe, runs / recipe.name
