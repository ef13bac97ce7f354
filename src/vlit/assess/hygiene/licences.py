"""Hygiene: whether a sample may be used for anything, as far as its licences tell.

Two things carry a licence: the sample itself (``provenance.licence``; joined ones are separated by " + ") and
each of the scenes that it was made from (their photo and its annotations). The value is

* 0 where one of them is known and not among the allowed ones,
* none where one of them is not named, or named in a way that is not understood (and none is forbidden),
* 1 where all are known and allowed.

Names are brought to a short form first (``licences.yaml``): "Attribution-NonCommercial License" and
".../licenses/by-nc/2.0/" are CC BY-NC. By default those are allowed that permit commercial use, changes, and
handing changes on. The group is the sample's licence, or several. Limits: it repeats what the files say, which
may be wrong (a photo can be uploaded under a licence that its uploader could not give); it is no legal advice,
and knows nothing of the terms of a teacher model.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any, ClassVar

import pydantic
import yaml

from vlit.assess.indicator import Indicator, Need
from vlit.assess.seen import Part
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Score, SetScore, shown
from vlit.run.stage import Config

UNKNOWN = "unknown"


@functools.cache
def _file() -> tuple[dict[str, tuple[re.Pattern[str], ...]], tuple[str, ...]]:
    """Patterns by short name, and the names that are allowed by default."""
    text = resources.files("vlit.assess.hygiene").joinpath("licences.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.safe_load(text)
    names = {name: tuple(map(re.compile, patterns)) for name, patterns in raw["names"].items()}
    return names, tuple(raw["commercial"])


class LicenceConfig(Config):
    """Which licences are allowed."""

    #: Short names or names as the data have them, in any case; by default those that allow commercial use.
    allow: tuple[str, ...] = pydantic.Field(default_factory=lambda: _file()[1])


class Licence(Indicator[LicenceConfig]):
    """1 where all licences are known and allowed, 0 where one is not, no value where one is unknown."""

    name: ClassVar[str] = "licence"
    principle = "hygiene"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "scenes")
    Config = LicenceConfig

    def score(self, part: Part, state: None) -> Iterator[Score]:
        """Judge the licences of the sample and of its scenes."""
        allowed = _allowed(self.config.allow)
        for sample in part.samples:
            names = names_of(sample, part.scenes)
            value, reason = judged(names, allowed)
            yield self.of(sample, value, reason, group=" + ".join(names))

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """Share of the samples with known licences whose licences are allowed, and all licences with counts."""
        counts: Counter[str] = Counter()
        values: list[float | None] = []
        for score in scores:
            counts[score.group or UNKNOWN] += 1
            values.append(score.value)
        known = [v for v in values if v is not None]
        told = {name: counts[name] for name in sorted(counts)}
        value = sum(known) / len(known) if known else None
        return self.of_set(value, len(known), licences=told, unknown=len(values) - len(known))


def names_of(sample: Sample, scenes: Mapping[str, Scene]) -> tuple[str, ...]:
    """Short names of all licences of a sample, sorted, "unknown" among them where one is not named."""
    raw: list[str | None] = []
    if sample.provenance.licence is not None:
        raw += sample.provenance.licence.split(" + ")
    raw += [scenes[name].licence for name in sample.provenance.scenes if name in scenes]
    if not raw:
        raw = [None]
    return tuple(sorted({short(text) if text else UNKNOWN for text in raw}))


def judged(names: tuple[str, ...], allowed: frozenset[str]) -> tuple[float | None, str | None]:
    """Value and reason for short names of licences."""
    forbidden = [n for n in names if n.lower() not in allowed and n in _file()[0]]
    if forbidden:
        return 0.0, f"{' and '.join(forbidden)}: not allowed"
    if UNKNOWN in names:
        return None, "a licence is not named"
    strange = [n for n in names if n.lower() not in allowed]
    if strange:
        return None, f"not known as a licence: {shown(', '.join(strange))}"
    return 1.0, None


@functools.lru_cache(maxsize=4096)
def short(text: str) -> str:
    """The short name of a licence; the text itself, with single spaces, where it is not understood."""
    plain = " ".join(text.split())
    lower = plain.lower().replace("_", "-")
    for name, patterns in _file()[0].items():
        if any(pattern.search(lower) for pattern in patterns):
            return name
    return plain or UNKNOWN


@functools.lru_cache(maxsize=16)
def _allowed(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(form.lower() for name in names for form in (" ".join(name.split()), short(name)))
