"""What the commands share: options, and running a recipe with progress on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml
from rich.console import Console

from vlit.data.errors import VlitError
from vlit.run.engine import execute, plan
from vlit.run.folder import RunFolder
from vlit.run.progress import Bars
from vlit.run.recipe import Recipe, dump, parse_recipe
from vlit.run.record import read_record

F = TypeVar("F", bound=Callable[..., Any])

console = Console(highlight=False)

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of all runs.",
)
workers_option = click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores by default.")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a key of the recipe, e.g. seed=7."
)


def run_recipe(recipe: Recipe, runs: Path, workers: int | None, until: str | None = None) -> RunFolder:
    """Run a recipe with progress bars; prints where the results are."""
    folder = RunFolder(runs / recipe.name)
    started = time.monotonic()
    with Bars(console) as bars:
        execute(recipe, folder, workers=workers, progress=bars, until=until)
    console.print(f"[bold]{folder.path}[/] [dim]({time.monotonic() - started:.1f} s)[/]")
    report = folder.path / "report" / "index.html"
    if report.exists() and until is None:
        console.print(f"report: [bold]{report.resolve()}[/]")
    return folder


def show_plan(recipe: Recipe, runs: Path) -> None:
    """Print what a run would do, and do nothing."""
    folder = RunFolder(runs / recipe.name)
    console.print(f"[bold]{recipe.name}[/], seed {recipe.seed}, in {folder.path}")
    for step in plan(recipe, folder):
        if step.rows is not None:
            counts = ", ".join(f"{n:,} {t.replace('_', ' ')}" for t, n in step.rows.items() if n)
            note = f"skip: complete ({counts or 'files written'})"
        else:
            expected = step.stage.expect(folder)
            note = "run" + (f": {expected}" if expected else "")
            note += f" [dim]({step.parts} parts are there)[/]" if step.parts else ""
        console.print(f"  {step.stage.name:<10} {note}")


def run_stage(stage: str, run: Path, overrides: Iterable[str], workers: int | None) -> RunFolder:
    """Run one stage, and whatever before it is not done, in an existing run folder.

    The stage is added to the run's recipe where it is not there; stages after it are left for a later command.
    """
    path = run / "recipe.yaml"
    if not path.exists():
        raise VlitError(
            "there is no run in this folder",
            where=str(run),
            todo=f"make one first: vlit collect PHOTOS --name {run.name}",
        )
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values.setdefault(stage, None)
    base = Path(read_record(run / "run.json").base or run)
    recipe = parse_recipe(dump(values), base=base, where=str(path), overrides=overrides)
    return run_recipe(recipe, run.parent, workers, until=stage)
