"""Hygiene: text that speaks of what it was written from: "as mentioned in the caption", "the description".

A model that wrote from captions and boxes should answer as if it saw the image. The review asks for it in its
generation prompt, and its own examples break it. What the instruction itself speaks of is no leak: who asks for
a bounding box gets one. See ``telltale`` for how phrases are found and for limits.
"""

from __future__ import annotations

from typing import ClassVar

from vlit.assess.hygiene.telltale import Telltale
from vlit.data.sample import Sample, strip_image_tokens
from vlit.language.phrases import Searched
from vlit.run.stage import Config


class LeakPhraseConfig(Config):
    """Which turns are searched."""

    #: Instructions as well. Those that people wrote may give captions or scene text on purpose.
    instructions: bool = False


class LeakPhrase(Telltale[LeakPhraseConfig]):
    """Share of the turns that name captions, boxes, annotations or other input, 0 to 1."""

    name: ClassVar[str] = "leak_phrase"
    section: ClassVar[Searched] = "leak"
    Config = LeakPhraseConfig

    def texts(self, sample: Sample) -> list[str]:
        """The responses, or all turns but the system's."""
        if not self.config.instructions:
            return super().texts(sample)
        return [text for t in sample.turns if t.role != "system" and (text := strip_image_tokens(t.text))]

    def asked(self, sample: Sample) -> str:
        """The instructions, unless they are searched themselves."""
        return "" if self.config.instructions else sample.text_of("user")
