"""``vlit tune --dry-run``: what tuning would take."""

from __future__ import annotations

from rich.text import Text

from vlit.cli.common import console
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.tune.memory import memory_table
from vlit.tune.outlook import Outlook, outlooks
from vlit.tune.stage import TuneStage


def show_outlook(recipe: Recipe, run: RunFolder) -> None:
    """Print steps, tokens and memory of each stage of tuning.

    Raises:
        VlitError: When the model, its template or a set cannot be had.
    """
    stage = next(stage for stage in recipe.stages if isinstance(stage, TuneStage))
    stage.check()
    found = list(outlooks(stage.config, stage.setting, run))
    for one in found:
        _show(one)
    if not found:
        console.print(
            "  There are no samples yet: steps, tokens and memory can be told when they are made.", style="dim"
        )


def _show(one: Outlook) -> None:
    console.rule(f"[bold]{one.stage}[/]", align="left")
    if one.lost:
        console.print(
            Text(f"{one.lost:.1%} of the samples would be left out, most: {one.reason}", style="yellow")
        )
    if one.memory is None:
        console.print(Text("No sample would be left to train on.", style="red"))
        return
    many = "" if one.looked_at == one.samples else f", by {one.looked_at:,} of them"
    console.print(
        f"{one.steps:,} steps; {one.examples:,} examples of {one.samples:,} samples{many}: "
        f"{one.tokens:,.0f} tokens and {one.images:.1f} images each, {one.trained:.0%} of the tokens trained"
    )
    console.print(memory_table(one.memory, one.free))
    if one.warning:
        console.print(Text(one.warning, style="yellow"))
