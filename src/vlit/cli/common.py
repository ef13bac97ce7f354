"""What the commands share: options, and running a recipe with progress on the terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from vlit.run.engine import StagePlan, execute, plan
from vlit.run.folder import RunFolder, outcome
from vlit.run.progress import Bars
from vlit.run.recipe import Recipe, kept_recipe, parse_recipe
from vlit.run.recipe_text import dump

F = TypeVar("F", bound=Callable[..., Any])

#: Long lines are left to the terminal: a path or a command that it wraps can still be copied whole.
console = Console(highlight=False, soft_wrap=True)

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of all runs.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes; all cores by default."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a key of the recipe, e.g. seed=7."
)


def run_recipe(
    recipe: Recipe, path: Path, workers: int | None, until: str | None = None, *, again: str | None = None
) -> RunFolder:
    """Run a recipe in a run folder with progress bars; prints what came of it and where the results are."""
    from vlit.cli.summary import show_summary

    folder = RunFolder(path)
    started = time.monotonic()
    with Bars(console) as bars:
        execute(recipe, folder, workers=workers, progress=bars, until=until, again=again)
    seconds = time.monotonic() - started
    console.print(f"[bold]{escape(str(folder.path))}[/] [dim]({seconds:.1f} s)[/]")
    show_summary([stage for stage in recipe.stages if until in (None, stage.name)], folder)
    return folder


def show_plan(recipe: Recipe, runs: Path) -> None:
    """Print what a run would do, and do nothing."""
    folder = RunFolder(runs / recipe.name)
    console.print(f"[bold]{recipe.name}[/], seed {recipe.seed}, in {escape(str(folder.path))}")
    coming: dict[str, str] = {}  # table -> the stage that would make it anew, in the order of the recipe
    for step in plan(recipe, folder):
        console.print(f"  {step.stage.name:<10} {_todo(step, folder, coming)}")
        if step.rows is None:
            if remark := step.stage.remark():
                console.print(f"  {'':<10} [dim]{escape(remark)}[/]")
            coming |= dict.fromkeys((*step.stage.writes, "quarantine"), step.stage.name)


def _todo(step: StagePlan, folder: RunFolder, coming: Mapping[str, str]) -> str:
    if step.rows is not None:
        return f"skip: complete ({outcome(step.rows)})"
    # Rows that lie there from an earlier recipe say nothing of what a stage before this one is about to make.
    before = [stage for table, stage in coming.items() if table in step.stage.reads]
    expected = f"what {before[-1]} makes" if before else step.stage.expect(folder)
    parts = f" [dim]({step.parts} parts are there)[/]" if step.parts else ""
    return "[bold]run[/]" + (f": {expected}" if expected else "") + parts


def run_stage(
    stage: str, run: Path, overrides: Iterable[str], workers: int | None, *, again: bool = False
) -> RunFolder:
    """Run one stage, and whatever before it is not done, in an existing run folder.

    Stages after it are left for a later command. With ``again`` it is run also where it is complete.
    """
    recipe = stage_recipe(stage, run, overrides)
    return run_recipe(recipe, run, workers, until=stage, again=stage if again else None)


def stage_recipe(stage: str, run: Path, overrides: Iterable[str]) -> Recipe:
    """The recipe of an existing run, with the stage added to it where it is not there."""
    values, base = kept_recipe(RunFolder(run))
    values.setdefault(stage, None)
    return parse_recipe(dump(values), base=base, where=str(run / "recipe.yaml"), overrides=overrides)


def run_before(stage: str, recipe: Recipe, path: Path, workers: int | None) -> RunFolder:
    """Run what comes before a stage."""
    names = [s.name for s in recipe.stages]
    if names.index(stage):
        run_recipe(recipe, path, workers, until=names[names.index(stage) - 1])
    return RunFolder(path)


def short_path(path: str | Path) -> str:
    """A path relative to the working folder where it lies in it, else as it is."""
    return os.path.relpath(path) if Path(path).absolute().is_relative_to(Path.cwd()) else str(path)


def program() -> str:
    """How this program was called, so that a command that is printed can be pasted."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(short_path(sys.executable))} -m vlit"
    found = shutil.which(called.name)
    on_path = found is not None and called.exists() and called.samefile(found)
    return called.name if on_path else shlex.quote(short_path(called))
