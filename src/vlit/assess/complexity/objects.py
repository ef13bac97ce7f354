"""Complexity of objects and granularity: how many semantic elements an instruction holds.

The review counts them with a semantic parser: "What is the color of the car?" has color and car. Here a
sample's value is the mean over its user turns, and the set's the mean over its samples. Two indicators:

* ``object_complexity`` (embedded) counts noun chunks and content verbs with the rules of ``elements``;
* ``object_complexity_parsed`` (recommended) counts content verbs and their arguments in dependency trees of
  spaCy, stanza, or a function of the user's own (``frames``), in any language that the parser knows.

Limits: both count "image" in "in the image"; neither sees how far elements depend on each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import pydantic

from vlit.assess.complexity import frames
from vlit.assess.complexity.elements import Elements, elements
from vlit.assess.complexity.parsers import fingerprint, parser
from vlit.assess.indicator import Form, Indicator, NoConfig
from vlit.assess.seen import Part
from vlit.assess.texts import instructions_of
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.run.stage import Config

NO_INSTRUCTION = "the sample has no instruction"
NOT_ENGLISH = "the rules read English only, and most words are in another script"

#: Characters of an instruction that a parser is given: a parse takes memory for each.
_LONGEST = 10_000


class ObjectComplexity(Indicator[NoConfig]):
    """Mean number of noun chunks and content verbs in the instructions."""

    name: ClassVar[str] = "object_complexity"
    principle = "instruction complexity"
    direction = "higher is better"

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Count by rule."""
        for sample in part.samples:
            counted, why = counts(sample)
            if why:
                yield self.of(sample, None, why)
                continue
            nouns, verbs = (sum(getattr(c, k) for c in counted) for k in ("nouns", "verbs"))
            value = sum(c.total for c in counted) / len(counted)
            yield self.of(sample, value, f"{nouns} noun chunks, {verbs} verbs; instructions: {len(counted)}")


class ParsedConfig(Config):
    """Who parses."""

    parser: str = "spacy"  #: spacy, stanza, or module:function of your own
    model: str | None = None  #: spaCy: name or folder of a pipeline (en_core_web_sm); stanza: a language (en)

    @pydantic.field_validator("parser")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ("spacy", "stanza") and not re.fullmatch(r"[\w.]+:\w+", value):
            raise ValueError(f"no parser {value!r}: spacy, stanza, or module:function of your own")
        return value


class ObjectComplexityParsed(Indicator[ParsedConfig]):
    """Mean number of content verbs and of their arguments in the instructions."""

    name: ClassVar[str] = "object_complexity_parsed"
    principle = "instruction complexity"
    form: ClassVar[Form] = "recommended"
    direction = "higher is better"
    by_default: ClassVar[bool] = False
    Config = ParsedConfig

    def outside(self) -> Iterator[str]:
        """The version of the parser; without it nothing starts."""
        yield fingerprint(self.config.parser)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Parse all instructions of the part at once; texts that come again are parsed once."""
        texts = [[t[:_LONGEST] for t in instructions_of(sample)] for sample in part.samples]
        distinct = list(dict.fromkeys(text for group in texts for text in group))
        trees = parser(self.config.parser, self.config.model)(distinct) if distinct else ()
        found = dict(zip(distinct, map(_told, trees), strict=True))
        for sample, group in zip(part.samples, texts, strict=True):
            if not group:
                yield self.of(sample, None, NO_INSTRUCTION)
                continue
            value = sum(found[text][0] for text in group) / len(group)
            yield self.of(sample, value, found[group[0]][1] or None)


def _told(tree: list[frames.Word]) -> tuple[int, str]:
    """How many elements a tree has, and its frames as text: "describe(obj image)"."""
    said = [
        f"{tree[f.predicate].text}({', '.join(f'{role} {tree[i].text}' for role, i in f.arguments)})"
        for f in frames.frames(tree)
    ]
    return len(frames.elements(tree)), ", ".join(said)[:200]


def counts(sample: Sample) -> tuple[list[Elements], str | None]:
    """What is counted in each instruction that has words, or why nothing is."""
    counted = [c for c in map(elements, instructions_of(sample)) if c.words]
    if not counted:
        return [], NO_INSTRUCTION
    if 2 * sum(c.english for c in counted) < sum(c.words for c in counted):
        return [], NOT_ENGLISH
    return counted, None
