"""How sure a score is, and whether one model is better than another: bootstrap over units, McNemar's test.

Sources: Efron, Tibshirani, An Introduction to the Bootstrap (1993), percentile interval; McNemar (1947), exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlit.data.seeds import draw
from vlit.evaluate.metric import F64, Metric, Tally
from vlit.evaluate.question import Scored

#: Resamples of a bootstrap, and numbers of draws that are held at once.
RESAMPLES, _HELD = 2_000, 4_000_000
_LEVEL = (2.5, 97.5)


@dataclass(frozen=True)
class Paired:
    """Two models on the same questions."""

    n: int  #: questions that both were asked
    difference: float  #: mean value of the second less that of the first, in percent
    interval: tuple[float, float] | None  #: 95 %; ``None`` for fewer than two units
    better: int  #: questions that the second alone has right
    worse: int  #: questions that the first alone has right
    p: float | None  #: McNemar, exact, two-sided; ``None`` where values are not right or wrong


def with_intervals(metrics: Sequence[Metric], seed: int = 0) -> list[Metric]:
    """The metrics, each with its 95 % interval where it has at least two units; equal input, equal interval."""
    return [replace(own, interval=interval(own.tally, draw(seed, own.name, own.group))) if own.tally else own
            for own in metrics]  # fmt: skip


def interval(tally: Tally, seed: int) -> tuple[float, float] | None:
    """Percentile bootstrap over units; ``None`` for fewer than two units."""
    if len(tally.sums) < 2:
        return None
    found = np.concatenate([tally.of(sums) for sums in _resampled(tally.sums, seed)])
    found = found[~np.isnan(found)]
    if not len(found):
        return None
    low, high = np.percentile(found, _LEVEL)
    return float(low), float(high)


def paired(first: Sequence[Scored], second: Sequence[Scored], seed: int = 0) -> Paired:
    """Compare two models on the questions that both were asked and that both have a value for.

    Args:
        first: Scored answers of one model.
        second: Of the other, in any order.
        seed: Of the bootstrap.

    Raises:
        ValueError: When they share no question.
    """
    known = {row.question.id: row for row in first if row.value is not None}
    both = [
        (known[row.question.id], row) for row in second if row.question.id in known and row.value is not None
    ]
    if not both:
        raise ValueError("the two share no question that both have a value for")
    values = np.array([(a.value or 0.0, b.value or 0.0) for a, b in both])
    units: dict[str, int] = {}
    at = [units.setdefault(a.question.unit or a.question.id, len(units)) for a, _ in both]
    sums = np.zeros((len(units), 2))
    np.add.at(sums, at, np.column_stack([values[:, 1] - values[:, 0], np.ones(len(both))]))
    tally = Tally(sums, lambda total: 100.0 * total[..., 0] / total[..., 1])
    difference = tally.value()
    assert difference is not None
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    better, worse = int((values[:, 1] > values[:, 0]).sum()), int((values[:, 1] < values[:, 0]).sum())
    return Paired(
        n=len(both),
        difference=difference,
        interval=interval(tally, seed),
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if binary else None,
    )


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p that a fair coin would part ``better + worse`` questions as unevenly.

    It takes questions as independent, also those of a unit.
    """
    n, term, tail = better + worse, 1, 0
    for k in range(min(better, worse) + 1):
        tail += term  # n over k
        term = term * (n - k) // (k + 1)
    return float(min(1.0, 2 * tail / 2**n))


def _resampled(sums: F64, seed: int) -> Iterator[F64]:
    """Totals (b, k) of resamples, in blocks that fit into memory.

    Units with equal sums are drawn together, by their number: the same distribution in a hundredth of the time.
    """
    different, counts = np.unique(sums, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    block = max(1, min(RESAMPLES, _HELD // len(different)))
    for start in range(0, RESAMPLES, block):
        yield (
            generator.multinomial(len(sums), counts / len(sums), size=min(block, RESAMPLES - start)) @ different
        )
