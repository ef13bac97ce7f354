"""Metrics: official numbers as functions of sums over units, so that how sure they are can be told at once.

A unit is what is drawn again in the bootstrap: a question, or questions that stand or fall together, such as
those of an image in MME. Nearly every official number is a function of sums over units: an accuracy of (right,
asked), F1 of (true positives, false positives, false negatives), BLEU of matches and lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlit.evaluate.question import Scored

F64 = NDArray[np.float64]

#: (..., k) sums to (...) values; NaN where there is nothing to compute a value of.
Of = Callable[[F64], F64]


@dataclass(frozen=True)
class Tally:
    """What a metric is computed of: sums (units, k), and the function of their total."""

    sums: F64
    of: Of

    def value(self) -> float | None:
        """The metric itself; ``None`` where there is nothing to compute it of."""
        found = float(self.of(self.sums.sum(axis=0)))
        return None if np.isnan(found) else found


@dataclass(frozen=True)
class Metric:
    """One number of a benchmark, as the official script would give it."""

    name: str  #: e.g. "accuracy", "acc+", "CIDEr"
    value: float | None  #: in the official unit; ``None`` where there is nothing to compute it of
    n: int  #: questions that it is over
    group: str = ""  #: which ones, e.g. "dimension: Scene Understanding"; empty for all
    scale: float = 100.0  #: what perfect answers would give
    failures: int = 0  #: answers among them that could not be parsed
    unasked: int = 0  #: questions among them that were not asked
    interval: tuple[float, float] | None = None  #: 95 %, see ``statistics.with_intervals``
    tally: Tally | None = field(default=None, compare=False, repr=False)


def ratio(sums: F64) -> F64:
    """(..., 2) of (what counts, how many) to the percentage."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100.0 * sums[..., 0] / sums[..., 1]


def metric(
    name: str,
    rows: Sequence[Scored],
    parts: Iterable[Sequence[float]],
    of: Of,
    *,
    group: str = "",
    scale: float = 100.0,
) -> Metric:
    """A metric of rows.

    Args:
        name: Of the metric.
        rows: That it is over.
        parts: For each row its k numbers; those of a unit are added up.
        of: Function of their total over all units.
        group: Which rows these are.
        scale: What perfect answers would give.
    """
    tally = Tally(_by_unit(rows, parts), of)
    return Metric(
        name=name,
        value=tally.value() if rows else None,
        n=len(rows),
        group=group,
        scale=scale,
        failures=sum(row.parsed.failed and not row.answered.problem for row in rows),
        unasked=sum(bool(row.answered.problem) for row in rows),
        tally=tally if rows else None,
    )


def accuracy(rows: Sequence[Scored], name: str = "accuracy", group: str = "") -> Metric:
    """The mean of the rows' values, in percent.

    What was not asked is worth nothing, as official scripts have it, and told in ``unasked``. A row without a
    value (a judge that failed) is left out.
    """
    own = [row for row in rows if row.value is not None]
    return metric(name, own, ((row.value or 0.0, 1.0) for row in own), ratio, group=group)


def by_group(rows: Sequence[Scored], key: str, order: Sequence[str] = ()) -> Mapping[str, list[Scored]]:
    """Rows by their value of ``Question.groups[key]``: those of ``order`` first, then as they come."""
    found: dict[str, list[Scored]] = {name: [] for name in order}
    for row in rows:
        if (name := row.question.groups.get(key)) is not None:
            found.setdefault(name, []).append(row)
    return {name: own for name, own in found.items() if own}


def accuracies(rows: Sequence[Scored], key: str, order: Sequence[str] = ()) -> list[Metric]:
    """An accuracy for each value of a group."""
    return [accuracy(own, group=f"{key}: {name}") for name, own in by_group(rows, key, order).items()]


def _by_unit(rows: Sequence[Scored], parts: Iterable[Sequence[float]]) -> F64:
    units: dict[str, int] = {}
    at = [units.setdefault(row.question.unit or row.question.id, len(units)) for row in rows]
    numbers = np.array(list(parts), dtype=np.float64)
    if len(numbers) != len(at):
        raise ValueError(f"{len(numbers)} parts for {len(at)} rows")
    found = np.zeros((len(units), numbers.shape[1] if numbers.ndim == 2 else 0))
    if len(at):
        np.add.at(found, at, numbers)
    return found
