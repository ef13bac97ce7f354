"""Hygiene: what the indicators share that look for telltale phrases turn by turn.

The phrases are regular expressions in ``vlit/language/phrases.yaml``; the value is the share of the sample's
turns that hold one. What stands in double quotes does not count: a sign may say anything. Limits: English only,
and only what the patterns foresee; a caption that really is in the photo ("the caption on the sign") is let
pass where the words around it show so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from vlit.assess.indicator import C, Indicator
from vlit.assess.seen import Part
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.score import Score
from vlit.language.phrases import Searched, likely, search


class Telltale(Indicator[C]):
    """Share of the turns that hold a phrase of a section, 0 to 1; none without such turns."""

    principle = "hygiene"
    direction = "lower is better"
    section: ClassVar[Searched]

    def texts(self, sample: Sample) -> list[str]:
        """The turns that are searched: the responses."""
        return responses(sample)

    def asked(self, sample: Sample) -> str:
        """Text whose own phrases are no flaw in the responses."""
        return ""

    def score(self, part: Part, state: None) -> Iterator[Score]:
        """Search each turn; the reason quotes the first phrase."""
        for sample in part.samples:
            texts = self.texts(sample)
            if not texts:
                yield self.of(sample, None, "there is no response")
                continue
            found = told(self.section, texts, self.asked(sample))
            said = f'says "{found[0]}"' if found else None
            yield self.of(sample, len(found) / len(texts), said)


def told(section: Searched, texts: list[str], asked: str = "") -> list[str]:
    """The first phrase of each text that holds one by a rule that ``asked`` does not match."""
    few = likely(section, texts[0] if len(texts) == 1 else "\n".join(texts))
    if few and asked:
        known = likely(section, asked)
        few = tuple(rule for rule in few if rule not in known)
    return [said for text in texts if (said := search(few, text))] if few else []


def responses(sample: Sample) -> list[str]:
    """The assistant's turns that have text, without image tokens."""
    return [text for t in sample.turns if t.role == "assistant" and (text := strip_image_tokens(t.text))]
