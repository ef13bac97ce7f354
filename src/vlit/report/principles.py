"""The ten principles at a glance: which indicator judged each of them, in which form, and what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import get_args

import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.assess.indicator import Principle
from vlit.assess.registry import INDICATORS
from vlit.data.score import commonest_of
from vlit.report.distributions import SetRow, set_rows
from vlit.run.folder import RunFolder


@dataclass(frozen=True)
class Judged:
    """One indicator of a principle and its number for the set."""

    principle: str
    indicator: str
    form: str
    row: SetRow
    why: str = ""  #: why there is no number


@dataclass(frozen=True)
class PrincipleRow:
    """A principle with what judged it, or why nothing did."""

    name: str
    judged: tuple[Judged, ...]

    @property
    def numbers(self) -> tuple[Judged, ...]:
        """Those that have a number."""
        return tuple(j for j in self.judged if j.row.value is not None)

    @property
    def why(self) -> str:
        """Why there is no number at all."""
        if self.numbers:
            return ""
        named_so = sorted(self.judged, key=lambda j: j.indicator != self.name.replace(" ", "_"))
        return next((j.why for j in named_so if j.why), "no indicator of it was run")


def principles(run: RunFolder) -> list[PrincipleRow]:
    """Every principle of the review in its order; hygiene comes last. Empty where nothing was assessed."""
    found = list(_judged(run))
    if not found:
        return []
    return [PrincipleRow(name, tuple(j for j in found if j.principle == name)) for name in get_args(Principle)]


def _judged(run: RunFolder) -> Iterator[Judged]:
    for row in set_rows(run):
        if row.indicator in INDICATORS.targets():
            form = str(row.detail.get("form", ""))
            row = replace(row, detail={k: v for k, v in row.detail.items() if k != "form"})
            why = str(row.detail.get("why") or _why(run, row.indicator)) if row.value is None else ""
            yield Judged(row.principle, row.indicator, form, row, why)


def _why(run: RunFolder, indicator: str) -> str:
    """The most frequent reason of its samples."""
    counts: Counter[str] = Counter()
    for path in run.scores.parts():
        table = pq.read_table(path, columns=["reason"], filters=[("indicator", "==", indicator)])
        for item in pc.value_counts(table["reason"]).to_pylist():
            counts[item["values"] or ""] += item["counts"]
    return commonest_of(counts)
