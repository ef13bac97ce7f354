"""Scores, verdicts and the quarantine: what is said of samples and of rows that cannot be used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from vlit.data.scene import Row

#: In a reason: where a file was looked for.
_PLACE = re.compile(r" \(looked for [^)]*\)")


class Score(Row, frozen=True, kw_only=True):
    """Sample x indicator -> number. ``value`` is None where the indicator does not apply; ``reason`` tells."""

    sample: str
    indicator: str
    value: float | None
    reason: str | None = None
    group: str | None = None  #: the cluster, tag or community that a set-level indicator put the sample in


class SetScore(Row, frozen=True, kw_only=True):
    """One number for a whole set, with the parameters that it depends on."""

    indicator: str
    value: float | None
    n: int  #: samples that it was computed from
    detail: str  #: parameters and by-products, as JSON


class Verdict(Row, frozen=True, kw_only=True):
    """Keep or drop, and why."""

    sample: str
    keep: bool
    rule: str  #: what decided: a gate's indicator, "cap", "keep", "kept"; of scenes "unfit", "choose", "kept"
    reason: str


class Quarantined(Row, frozen=True, kw_only=True):
    """A row, or a part of one, that could not be used as it was.

    ``dropped`` rows are left out; ``repaired`` ones were put right in the way that ``reason`` tells.
    """

    stage: str
    file: str
    record: str  #: line or record id
    field: str
    value: str  #: as found, shortened
    reason: str
    action: Literal["dropped", "repaired"] = "dropped"


def commonest(rows: Iterable[Quarantined], limit: int = 3) -> str:
    """The most frequent reasons, each with how often it occurs and an example, as one line.

    Reasons that differ in the place alone that was looked at are one; that of the first is told.
    """
    examples: dict[str, Quarantined] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        why = _PLACE.sub("", row.reason)
        counts[why] += 1
        examples.setdefault(why, row)
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    first = ((n, examples[why]) for why, n in top)
    return "; ".join(f"{n:,} x {row.reason} (e.g. {row.value or row.file})" for n, row in first)


def commonest_reason(scores: Iterable[Score]) -> str:
    """The most frequent reason of the scores that have no value, as it is said of the whole set."""
    return commonest_of(Counter(s.reason or "" for s in scores if s.value is None))


def commonest_of(reasons: Mapping[str, int]) -> str:
    """The most frequent of reasons that are told with their numbers, as it is said of the whole set."""
    counts: Counter[str] = Counter()
    for reason, n in reasons.items():
        counts[_of_any_photo(reason)] += n
    return min(counts, key=lambda reason: (-counts[reason], reason)) if counts else ""


def _of_any_photo(reason: str) -> str:
    """The reason without the photo that it names, ``/photos/1.jpg: the file is missing``."""
    file, _, problem = reason.partition(": ")
    return f"no photo can be used: {problem}" if problem and ("/" in file or Path(file).suffix) else reason


def shown(value: object, limit: int = 120) -> str:
    """A value as one short line, for quarantine rows and error messages."""
    text = value if isinstance(value, str) else repr(value)
    text = legible(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def legible(text: str) -> str:
    r"""The text as a table can hold it: what is no Unicode in a file's name is written as ``\udce9``."""
    return text.encode("utf-8", "backslashreplace").decode()
