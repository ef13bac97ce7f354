"""``vlit demo``."""

from __future__ import annotations

import shlex
from importlib.resources import as_file, files
from pathlib import Path

import click

from vlit.cli.common import console, program, run_recipe, runs_option, set_option, short_path, workers_option
from vlit.run.recipe import load_recipe


@click.command(epilog="Example: vlit demo --runs /tmp/runs")
@set_option
@runs_option
@workers_option
def command(overrides: tuple[str, ...], runs: Path, workers: int | None) -> None:
    """Make, measure and select an instruction set from 44 real photos, and tune a small model on it.

    No key, no GPU, no download.
    """
    with as_file(files("vlit") / "demo") as folder:
        console.print("44 photos with COCO, VQA and A-OKVQA annotations, shipped with vlit")
        recipe = load_recipe(folder / "recipe.yaml", overrides)
        run = run_recipe(recipe, runs / recipe.name, workers)
    here = shlex.quote(short_path(run.path))
    console.print("\nnext")
    sample = next((s for s in run.selected if s.task == "conversation"), None)
    if sample is not None:
        _next("one sample with everything behind it", f"show {shlex.quote(sample.id)} --run {here}")
    _next("what the model was trained on, token by token", f"tune {here} --inspect 3")
    own = "recipes/folder.yaml" if Path("recipes/folder.yaml").exists() else f"{here}/recipe.yaml"
    _next("the same with your own photos", f"run {own} --data FOLDER --set name=mine")


def _next(what: str, arguments: str) -> None:
    console.print(f"  [dim]# {what}[/]\n  {program()} {arguments}")
