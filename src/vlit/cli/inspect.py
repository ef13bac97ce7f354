"""``vlit tune --inspect``: what the model is trained on, token by token."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from rich.text import Text

from vlit.cli.common import console
from vlit.data.errors import VlitError
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.tune.chat.inspect import coloured
from vlit.tune.encoding import encoder_of, samples_of
from vlit.tune.example import Refused
from vlit.tune.stage import TuneStage


def show_masks(recipe: Recipe, folder: Path, n: int) -> None:
    """Print the first samples of each stage of tuning, trained tokens in colour.

    Raises:
        VlitError: When there are no samples yet, or the model or its template cannot be had.
    """
    stage = next(stage for stage in recipe.stages if isinstance(stage, TuneStage))
    stage.check()
    for own in stage.config.stages:
        encoder = encoder_of(stage.config, own, stage.setting.base)
        console.rule(f"[bold]{own.name}[/]", align="left")
        for remark in encoder.remarks:
            console.print(Text(remark, style="yellow"))
        shown = 0
        for sample in islice(samples_of(stage.config, own, stage.setting, RunFolder(folder)), n):
            shown += 1
            try:
                for example in encoder.examples(sample):
                    console.print(coloured(encoder.model.tokenizer, example))
            except Refused as reason:
                found = f" (found {reason.found})" if reason.found else ""
                console.print(Text(f"{sample.id} is left out: {reason}{found}", style="red"))
        if not shown:
            raise VlitError(
                "there are no samples yet",
                where=str(folder),
                todo="make them first: vlit run RECIPE, or name a training-data file",
            )
