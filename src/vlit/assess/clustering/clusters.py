"""Clusters as they grow from a stream of neighbours, and what they are in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.engines import in_order
from vlit.assess.clustering.filters import Filter
from vlit.assess.clustering.rows import F64, I32, I64, Array, Distinct, Places

ROOM = 1 << 17  # pairs that a thread collects before they are copied: 1 MB
WAITING = 1 << 22  # pairs that may wait before they are looked through: 32 MB


@dataclass(frozen=True)
class Clustering:
    """Clusters of DBSCAN. They mean nothing without ``eps``, ``min_points`` and ``n``: report all of them."""

    labels: I32  #: shape (n,): 0 to n_clusters - 1 in the order of their first core points, -1 for noise
    core: npt.NDArray[np.bool_]  #: shape (n,)
    n_clusters: int
    eps: float  #: Euclidean distance
    min_points: int
    n: int
    method: str  #: ``exact``, or how it was approximated

    @property
    def noise(self) -> int:
        """Rows that belong to no cluster."""
        return int(np.sum(self.labels < 0))

    def parameters(self) -> dict[str, float | int | str]:
        """What has to be told beside every number of clusters."""
        return {"eps": self.eps, "min_points": self.min_points, "n": self.n, "method": self.method}


class Growth:
    """Core points and their sets, fed with pairs of neighbours; each pair may come once.

    Holds 30 bytes for each point, and 8 for each pair that waits: fewer than ``min_points`` for each point.
    """

    def __init__(self, points: Distinct, weights: F64 | None, min_points: int) -> None:
        from vlit.assess.clustering import unions

        n = len(points)
        self.points, self.min_points = points, min_points
        self.mass, self.spill = np.zeros(n), np.zeros(n)
        given = np.ones(len(points.point)) if weights is None else weights
        unions.sums(points.point, given, self.mass, self.spill)
        self.weight = self.mass + self.spill
        self.core = self.weight >= min_points
        self.parent = np.arange(n, dtype=np.int32)
        self.anchor = np.full(n, -1, np.int32)
        self.counting = True
        # a weight below 1 would let many pairs wait, a negative one makes a core point plain again
        self.only_counting = bool(n and self.weight.min() < 1)
        self._pending: list[I32] = []
        self._waiting = 0

    def passes(self) -> Iterator[int]:
        """Feed all pairs once in each."""
        if self.only_counting:
            self.core[:] = False  # so that no pair is left out of the count
            yield 1
            self.core = self.mass + self.spill >= self.min_points
            self.only_counting = self.counting = False
        yield 2

    def absorb(self, pairs: I32) -> None:
        """Take pairs of neighbouring points, shape (k, 2)."""
        from vlit.assess.clustering import unions

        if not len(pairs):
            return
        if self.only_counting:
            unions.counted(pairs, self.weight, self.mass, self.spill)
            return
        pending = np.empty_like(pairs)
        count = unions.absorbed(
            pairs, self.weight, self.mass, self.spill, self.core, self.parent, self.anchor, self.min_points,
            self.counting, pending,
        )  # fmt: skip
        if count:
            self._pending.append(pending[:count].copy())
            self._waiting += count
        if self._waiting > WAITING and self._waiting > 2 * self._kept():
            self._settle()

    def finish(self, eps: float, method: str) -> Clustering:
        """Settle what waits, and label the rows."""
        from vlit.assess.clustering import unions

        self._settle()
        n = len(self.points)
        border = np.full(n, n, np.int32)
        for pending in self._pending:
            unions.bordered(pending, self.core, self.parent, border)
        labels, clusters = unions.numbered(self.core, self.parent, border)
        rows = self.points.point
        return Clustering(labels[rows], self.core[rows], int(clusters), eps, self.min_points, len(rows), method)

    def _kept(self) -> int:
        return len(self._pending[0]) if self._pending else 0

    def _settle(self) -> None:
        """Unite what became core while it waited; what is left becomes the first block."""
        from vlit.assess.clustering import unions

        kept = []
        for pending in self._pending:
            count = unions.settled(pending, self.core, self.parent)
            kept.append(pending[:count].copy())
        self._pending = [np.concatenate(kept)] if kept else []
        self._waiting = self._kept()


class Stretch(NamedTuple):
    """Two stretches of a filter's points that are to be compared."""

    left: slice | Places
    right: slice | Places
    rows: I32  #: the points on the left
    columns: I32  #: the points on the right
    shift: int  #: row r is compared with the columns from r + shift on


class Scanner:
    """Compares stretches of points with a thread for each processor, and feeds a growth with the neighbours.

    Threads read what is core and united while that grows. They may see it late, and then report a pair that
    says nothing new; so threads change no result.
    """

    def __init__(self, growth: Growth, sieve: Filter, vectors: Array, rows: I64, eps: float) -> None:
        self.keep: Callable[[I32, Stretch], I32] = lambda pairs, stretch: pairs
        self.growth, self.sieve, self.vectors, self.rows = growth, sieve, vectors, rows
        square = eps * eps
        slack = (vectors.shape[1] + 8) * 2.0**-21
        # float32 decides what is clear; beyond its range, and for float64 rows, nothing is
        clear = vectors.dtype != np.float64 and 1e-25 < square < 1e30
        self.reach = np.array(
            [square, *((square * (1 - slack), square * (1 + slack)) if clear else (-1, np.inf))]
        )
        self._own = threading.local()

    def run(self, stretches: Iterable[Stretch]) -> None:
        """Compare all of them."""
        for found in in_order(self.sieve.engine, self.neighbours, stretches):
            for pairs in found:
                self.growth.absorb(pairs)

    def neighbours(self, stretch: Stretch) -> list[I32]:
        """Pairs of neighbours; those that say nothing new may be missing."""
        from vlit.assess.clustering import scans

        sieve, engine, growth = self.sieve, self.sieve.engine, self.growth
        left, right, rows, columns, shift = stretch
        if sieve.apart(left, right) or scans.all_joined(growth.core, growth.parent, rows, columns):
            return []
        bounds, pairs = sieve.bounds(left, right), list[I32]()
        a, b = sieve.operands(left, len(rows)), sieve.operands(right, len(columns))
        if not engine.here:
            places = engine.passing(a, b, bounds, len(columns), shift)
            passed = np.stack([rows[places[:, 0]], columns[places[:, 1]]], axis=1)
            found = np.empty_like(passed)
            count = scans.verified(
                passed, self.vectors, self.rows, self.reach, growth.core, growth.parent, found
            )
            return [self.keep(found[:count], stretch)]
        products, limits, row = engine.products(a, b), engine.limits(bounds), 0
        found = self._room(len(columns))
        while row < len(rows):
            count, row = scans.scanned(
                products, limits, row, shift, rows, columns, self.vectors, self.rows, self.reach, growth.core,
                growth.parent, found,
            )  # fmt: skip
            if count:
                pairs.append(self.keep(found[:count], stretch).copy())
        return pairs

    def _room(self, columns: int) -> I32:
        """A buffer of this thread."""
        found: I32 | None = getattr(self._own, "found", None)
        if found is None or len(found) < columns:
            found = self._own.found = np.empty((max(ROOM, columns), 2), np.int32)
        return found
