"""Distributions of the scores in fixed memory: one pass for the ranges, one that counts into fine bins.

A value that lies more than some hundred times farther out than all others coarsens medians and bins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.assess.registry import INDICATORS
from vlit.run.folder import RunFolder

#: Bins of a histogram as drawn, and the fine ones that medians and quantiles are read from.
BINS = 48
FINE = 24_000

#: An indicator with at most so many different values is drawn value by value.
STEPS = 8


@dataclass(frozen=True)
class Bounds:
    """What a gate of the recipe asks of an indicator; a quantile is already the value it stands for."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Distribution:
    """Scores of one indicator over all samples.

    ``counts`` are the samples in ``BINS`` equal bins from ``start`` to ``end``; what lies outside is counted in
    the first and the last bin. ``median`` is exact to one ``FINE``-th of the range.
    """

    indicator: str
    meaning: str = ""  #: what it measures, in a sentence
    principle: str = ""
    direction: str = ""  #: "higher is better", "lower is better" or ""
    scored: int = 0
    missing: int = 0  #: samples that it does not apply to
    low: float = 0.0
    high: float = 0.0
    median: float = 0.0
    start: float = 0.0
    end: float = 0.0
    counts: tuple[int, ...] = ()
    bounds: Bounds = Bounds()
    steps: tuple[tuple[float, int], ...] = ()  #: value and samples, where there are at most ``STEPS`` values


@dataclass(frozen=True)
class SetRow:
    """A set-level score; ``detail`` are its parameters and by-products."""

    indicator: str
    value: float | None
    n: int
    meaning: str = ""
    principle: str = ""
    direction: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Range:
    scored: int = 0
    missing: int = 0
    low: float = np.inf
    high: float = -np.inf
    steps: Counter[float] = field(default_factory=Counter)  #: of the first ``STEPS`` + 1 values

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Take in the scores of a batch; NaN where the indicator does not apply."""
        self.missing += int(np.isnan(values).sum())
        values = values[~np.isnan(values)]
        if not values.size:
            return
        self.scored += values.size
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        if len(self.steps) <= STEPS:
            found, counts = np.unique(values, return_counts=True)
            self.steps.update(dict(zip(found[: STEPS + 1].tolist(), counts[: STEPS + 1].tolist(), strict=True)))


def distributions(run: RunFolder, gates: Mapping[str, Any]) -> list[Distribution]:
    """One distribution for each indicator that has a score, by name.

    Args:
        run: The run.
        gates: Gates of the recipe by indicator, with ``min``, ``max``, ``min_quantile`` and ``max_quantile``.
    """
    ranges: dict[str, _Range] = {}
    for name, values in _values(run):
        ranges.setdefault(name, _Range()).add(values)
    fine = {n: np.zeros(FINE, np.int64) for n, r in ranges.items() if r.scored}
    for name, values in _values(run):
        if name in fine:
            low, high = ranges[name].low, ranges[name].high
            fine[name] += np.bincount(_places(values[~np.isnan(values)], low, high), minlength=FINE)
    # An indicator of the whole set may leave a row for each sample that only tells its group.
    return [_distribution(n, ranges[n], fine[n], gates.get(n)) for n in sorted(fine)]


def set_rows(run: RunFolder) -> list[SetRow]:
    """All set-level scores, by name."""
    rows = []
    for score in sorted(run.set_scores, key=lambda s: s.indicator):
        detail = orjson.loads(score.detail or "{}")
        shown = detail if isinstance(detail, dict) else {"detail": detail}
        rows.append(SetRow(score.indicator, score.value, score.n, *described(score.indicator), shown))
    return rows


def described(indicator: str) -> tuple[str, str, str]:
    """Meaning, principle and direction of an indicator; empty for one that is not installed here."""
    if indicator not in INDICATORS.targets():
        return "", "", ""
    kind = INDICATORS.load(indicator)
    meaning = (kind.__doc__ or "").strip().partition("\n")[0]
    return meaning, kind.principle, "" if kind.direction == "none" else kind.direction


def _values(run: RunFolder) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """Values by indicator and batch; NaN where the indicator does not apply."""
    for path in run.scores.parts():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(65_536, columns=["indicator", "value"]):
                names = batch["indicator"]
                values = pc.fill_null(batch["value"], np.nan).to_numpy(zero_copy_only=False)
                for name in sorted(pc.unique(names).to_pylist()):
                    found = values[pc.equal(names, pa.scalar(name)).to_numpy(zero_copy_only=False)]
                    yield name, np.where(np.isfinite(found), found, np.nan)


def _places(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.int64]:
    if high <= low:
        return np.full(values.size, FINE // 2)
    return np.minimum((values - low) / (high - low) * FINE, FINE - 1).astype(np.int64)


def _distribution(name: str, span: _Range, fine: npt.NDArray[np.int64], gate: Any) -> Distribution:
    low, high = float(span.low), float(span.high)
    edges = np.linspace(low, high, FINE + 1) if high > low else np.full(FINE + 1, low)
    reached = np.cumsum(fine)

    def ranked(rank: int) -> float:
        if rank == span.scored - 1:
            return high
        return float(edges[int(np.searchsorted(reached, rank, side="right"))])

    def quantile(share: float) -> float:
        # Between two ranks as numpy does it, so that a gate by quantile is drawn where selection put it.
        place = share * (span.scored - 1)
        below = ranked(int(place))
        return below + (place - int(place)) * (ranked(min(int(place) + 1, span.scored - 1)) - below)

    bounds = Bounds(_bound(gate, "min", quantile), _bound(gate, "max", quantile))
    start, end = _view(low, high, quantile, bounds)
    centres = (edges[:-1] + edges[1:]) / 2
    width = (end - start) or 1.0
    bins = np.clip((centres - start) / width * BINS, 0, BINS - 1).astype(np.int64)
    meaning, principle, direction = described(name)
    return Distribution(
        indicator=name,
        meaning=meaning,
        principle=principle,
        direction=direction,
        scored=span.scored,
        missing=span.missing,
        low=low,
        high=high,
        median=quantile(0.5),
        start=start,
        end=end,
        counts=tuple(int(n) for n in np.bincount(bins, weights=fine, minlength=BINS)),
        bounds=bounds,
        steps=tuple(sorted(span.steps.items())) if len(span.steps) <= STEPS else (),
    )


def _bound(gate: Any, side: str, quantile: Any) -> float | None:
    value, share = getattr(gate, side, None), getattr(gate, f"{side}_quantile", None)
    return quantile(share) if value is None and share is not None else value


def _view(low: float, high: float, quantile: Any, bounds: Bounds) -> tuple[float, float]:
    """The range that is drawn: all of it, unless a few far values would squeeze the rest into one bin."""
    near = quantile(0.005), quantile(0.995)
    start, end = near if high - low > 3 * (near[1] - near[0]) > 0 else (low, high)
    # A gate near by is drawn where it is; one far away is named at the edge.
    room = (end - start) / 2
    gates = [b for b in (bounds.low, bounds.high) if b is not None and start - room <= b <= end + room]
    return min([start, *gates]), max([end, *gates])
