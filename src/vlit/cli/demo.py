"""``vlit demo``."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import click

from vlit.cli.common import console, run_recipe, runs_option, set_option, workers_option
from vlit.run.recipe import load_recipe


@click.command(epilog="Example: vlit demo --runs /tmp/runs")
@set_option
@runs_option
@workers_option
def command(overrides: tuple[str, ...], runs: Path, workers: int | None) -> None:
    """Make, measure and select an instruction set from 44 real photos. No key, no GPU, no download."""
    with as_file(files("vlit") / "demo") as folder:
        console.print("44 photos with COCO, VQA and A-OKVQA annotations, shipped with vlit")
        run = run_recipe(load_recipe(folder / "recipe.yaml", overrides), runs, workers)
    sample = next(iter(run.selected), None)
    console.print(f"one sample whole:       vlit show {sample.id if sample else 'ID'}")
    console.print("your own photos:        vlit run recipes/folder.yaml --data FOLDER")
