"""Short caption: one sentence about the image, as people wrote it and others agreed."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import View


class ShortCaption(Task[TaskConfig]):
    """The captions that the others agree with most, used as sentences of their own."""

    name = "short_caption"
    groups: ClassVar = {"ask": (), "ask_next": (), "say": ("caption",)}

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """One fact a usable caption; loosely worded ones only where there is nothing better."""
        lines = [line for line in view.lines if not line.loose] or view.lines[:1]
        for line in lines:
            yield Fact(
                task=self.name,
                ask="ask",
                say=(Part("say"),),
                slots={"caption": line.text},
                evidence=(line.id,),
            )
