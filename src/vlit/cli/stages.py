"""``vlit select | export | report``: one stage in an existing run folder."""

from __future__ import annotations

from pathlib import Path

import click

from vlit.cli.common import run_stage, set_option, workers_option


def _stage_command(stage: str, help: str, example: str) -> click.Command:
    @click.command(stage, help=help, epilog=f"Example: {example}")
    @click.argument("run", type=click.Path(path_type=Path))
    @set_option
    @workers_option
    def command(run: Path, overrides: tuple[str, ...], workers: int | None) -> None:
        run_stage(stage, run, overrides, workers)

    return command


select = _stage_command(
    "select",
    "Judge the samples of the run folder RUN by gates on their scores and by caps per task.",
    "vlit select runs/mine --set select.cap_per_task=100",
)
export = _stage_command(
    "export",
    "Write the selected samples of the run folder RUN to training-data files.",
    "vlit export runs/mine",
)
report = _stage_command(
    "report",
    "Write the HTML report about the run folder RUN.",
    "vlit report runs/mine",
)
