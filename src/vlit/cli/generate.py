"""``vlit generate``."""

from __future__ import annotations

from pathlib import Path

import click

from vlit.cli.common import run_stage, set_option, stage_recipe, workers_option


@click.command(epilog="Example: vlit generate runs/mine --preview 3")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--preview",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print N requests to the teacher of each instruction recipe, and what all would cost; send nothing.",
)
@click.option(
    "--retry", is_flag=True, help="Ask the teacher again what it gave no reply to; what it answered is kept."
)
@set_option
@workers_option
def command(
    run: Path, preview: int | None, retry: bool, overrides: tuple[str, ...], workers: int | None
) -> None:
    """Write instruction samples from the scenes of the run folder RUN, from annotations or by a teacher."""
    if preview is not None:
        from vlit.cli.preview import show_preview

        show_preview(stage_recipe("generate", run, overrides), run, preview, workers)
        return
    run_stage("generate", run, overrides, workers, again=retry)
