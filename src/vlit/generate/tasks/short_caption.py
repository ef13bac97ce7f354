"""Short caption: one sentence about the image, as people wrote it and others agreed."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import Line, View
from vlit.language import captions


class ShortCaptionConfig(TaskConfig):
    """Short caption."""

    per_scene: int = 4


class ShortCaption(Task[ShortCaptionConfig]):
    """The captions that the others agree with most; a noun phrase is made a sentence where one is asked for."""

    name = "short_caption"
    Config = ShortCaptionConfig
    groups: ClassVar = dict.fromkeys(
        ("ask", "ask_sentence", "ask_next", "say", "say_phrase"), ("caption", "phrase")
    )

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """One fact a usable caption; loosely worded ones only where there is nothing better."""
        lines = [line for line in view.lines if not line.loose] or view.lines[:1]
        for line in lines:
            whole = captions.is_sentence(line.text) or captions.is_phrase(line.text)
            yield self.fact(line, "ask_sentence" if whole and rng.random() < 0.4 else "ask")

    def fact(self, line: Line, ask: str) -> Fact:
        """The caption as the answer to an instruction of the group ``ask``."""
        group, slots = said(line, as_it_is=ask == "ask")
        return Fact(task=self.name, ask=ask, say=(Part(group),), slots=slots, evidence=(line.id,))


def said(line: Line, *, as_it_is: bool = False) -> tuple[str, dict[str, str]]:
    """The group of replies that fits a caption, and its slots."""
    phrase = not as_it_is and captions.is_phrase(line.text)
    words = line.text[0].lower() + line.text[1:].rstrip(".")
    return "say_phrase" if phrase else "say", {"caption": line.text, "phrase": words}
