"""Hygiene: the language of the responses, or, without a detector, their script.

``language`` (embedded) tells scripts apart, and no more: the value is the share of the letters of the responses
that are of an expected script, the group is the commonest script. English and German are the same to it.

``language_recommended`` asks py3langid (BSD-3-Clause, 142 languages, 4.6 MB with its model, no download; naive
Bayes over byte n-grams, Lui and Baldwin 2012): the value is the probability that the responses are in an
expected language, the group is the likeliest one. Its probabilities are calibrated by length, but a few words
are too few for it: texts under ``min_letters`` have no value. Names and quoted signs of other languages within
a text lower the value.
"""

from __future__ import annotations

import functools
import importlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, ClassVar

import pydantic
import yaml

from vlit.assess.hygiene.telltale import responses
from vlit.assess.indicator import C, Form, Indicator
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.score import Score, SetScore
from vlit.run.stage import Config

_ASCII = re.compile(r"[\x00-\x7f]+")
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())


class ScriptConfig(Config):
    """Which scripts are expected."""

    allow: tuple[str, ...] = ("latin",)  #: names in scripts.yaml, or "other"
    min_letters: int = pydantic.Field(default=1, ge=1)  #: of all responses together

    @pydantic.field_validator("allow")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if strange := sorted(set(names) - {*_ranges()[1], "other"}):
            known = ", ".join(sorted({*_ranges()[1], "other"}))
            raise ValueError(f"{', '.join(strange)}: no such script; known: {known}")
        return names


class LanguageConfig(Config):
    """Which languages are expected."""

    allow: tuple[str, ...] = ("en",)  #: ISO 639 codes
    min_letters: int = pydantic.Field(default=40, ge=1)  #: of all responses together


class _Grouped(Indicator[C]):
    """What both forms share: the group is the language or script, counted in the detail of the set."""

    principle = "hygiene"
    direction = "higher is better"

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The mean, and how many samples each language or script has."""
        groups: Counter[str] = Counter()
        values: list[float] = []
        for score in scores:
            if score.value is not None:
                values.append(score.value)
                groups[score.group or ""] += 1
        value = sum(values) / len(values) if values else None
        found = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
        return self.of_set(value, len(values), found=dict(found))


class Language(_Grouped[ScriptConfig]):
    """Share of the letters that are of an expected script, 0 to 1."""

    name: ClassVar[str] = "language"
    Config = ScriptConfig

    def score(self, part: Part, state: None) -> Iterator[Score]:
        """Count the letters of each script."""
        for sample in part.samples:
            counts = scripts("\n".join(responses(sample)))
            letters = counts.total()
            if letters < self.config.min_letters:
                yield self.of(sample, None, f"the responses have {letters} letters")
                continue
            main = min(counts, key=lambda name: (-counts[name], name))
            value = sum(counts[name] for name in set(self.config.allow)) / letters
            yield self.of(sample, value, None if value == 1 else f"mostly {main}", group=main)


class LanguageRecommended(_Grouped[LanguageConfig]):
    """Probability that the responses are in an expected language, 0 to 1."""

    name: ClassVar[str] = "language_recommended"
    form: ClassVar[Form] = "recommended"
    extra: ClassVar[str | None] = "language"
    Config = LanguageConfig

    def score(self, part: Part, state: None) -> Iterator[Score]:
        """Ask the detector about all responses of a sample together."""
        for sample in part.samples:
            text = "\n".join(responses(sample))
            letters = scripts(text).total()
            if letters < self.config.min_letters:
                yield self.of(sample, None, f"the responses have {letters} letters")
                continue
            ranked = dict(_detector().rank(text))
            top, likely = next(iter(ranked.items()))
            value = min(1.0, sum(ranked.get(code, 0.0) for code in set(self.config.allow)))
            said = None if top in self.config.allow else f"{top} with probability {likely:.2f}"
            yield self.of(sample, value, said, group=top)


def scripts(text: str) -> Counter[str]:
    """Letters of a text by script; "other" for those of scripts that are not listed."""
    plain = len(text.encode("ascii", "ignore").translate(None, _NO_LETTERS))
    found = Counter({"latin": plain} if plain else {})
    if not text.isascii():
        for letter in _ASCII.sub("", text):
            if letter.isalpha():
                found[script_of(letter)] += 1
    return found


@functools.lru_cache(maxsize=8192)
def script_of(letter: str) -> str:
    """Script of a letter."""
    starts, names, ends = _ranges()
    at = bisect_right(starts, ord(letter)) - 1
    return names[at] if at >= 0 and ord(letter) <= ends[at] else "other"


@functools.cache
def _ranges() -> tuple[list[int], list[str], list[int]]:
    """First code points in order, with the script and the last code point of each."""
    text = resources.files("vlit.assess.hygiene").joinpath("scripts.yaml").read_text(encoding="utf-8")
    raw: dict[str, list[list[int]]] = yaml.safe_load(text)
    rows = sorted((first, name, last) for name, ranges in raw.items() for first, last in ranges)
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


@functools.cache
def _detector() -> Any:
    try:
        package = importlib.import_module("py3langid.langid")
        return package.LanguageIdentifier.from_model_file(package.MODEL_FILE, norm_probs=True)
    except (ImportError, AttributeError) as error:
        raise VlitError(
            f"the language detector is not there: {error}",
            where="assess.indicators.language_recommended",
            todo="pip install 'py3langid>=0.4', or take the indicator language, which tells scripts apart",
        ) from error
