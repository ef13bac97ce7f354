"""``vlit collect``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from vlit.cli.common import run_recipe, runs_option, set_option, workers_option
from vlit.run.folder import RunFolder
from vlit.run.recipe import kept_recipe, parse_recipe
from vlit.run.recipe_text import dump


@click.command(epilog="Example: vlit collect ~/photos --name mine && vlit generate runs/mine")
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", help="Name of the run; by default the folder's, with - for odd characters.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="All randomness is drawn from it.",
)
@set_option
@runs_option
@workers_option
def command(
    data: Path, name: str | None, seed: int, overrides: tuple[str, ...], runs: Path, workers: int | None
) -> None:
    """Start a run: read the photos and annotations in DATA, whatever of the known kinds lies there.

    In a run that is there already, the recipe's later stages stay for their own commands.
    """
    name = name or re.sub(r"[^\w.-]+", "-", data.resolve().name).strip("-.") or "photos"
    folder = RunFolder(runs / name)
    values, base = kept_recipe(folder) if folder.recipe.exists() else ({}, Path.cwd())
    source = {"kind": "auto", "path": str(data.resolve())}
    values |= {"name": name, "seed": seed, "collect": {"sources": [source]}}
    recipe = parse_recipe(dump(values), base=base, overrides=overrides)
    run_recipe(recipe, runs / recipe.name, workers, until="collect")
