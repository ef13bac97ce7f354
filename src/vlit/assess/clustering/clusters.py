"""Clusters as they grow from a stream of neighbours, and what they are in the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.filters import Filter
from vlit.assess.clustering.rows import F64, I32, Array, Distinct

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


class Scanner:
    """Finds the neighbours in blocks of products, with a thread for each processor."""

    def __init__(self, growth: Growth, vectors: Array, rows: Array, eps: float, threads: int) -> None:
        self.growth, self.vectors, self.rows, self.threads = growth, vectors, rows, threads
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.found: list[I32] = []
        square = eps * eps
        slack = (vectors.shape[1] + 8) * 2.0**-21
        # float32 decides what is clear; beyond its range, and for float64 rows, nothing is
        clear = vectors.dtype != np.float64 and 1e-25 < square < 1e30
        self.reach = np.array([square, *((square * (1 - slack), square * (1 + slack)) if clear else (-1, np.inf))])

    def compare(self, sieve: Filter, left: slice, right: slice, rows: I32, columns: I32, shift: int) -> None:
        """Feed the growth with the neighbours among two stretches of the filter's points.

        Args:
            sieve: The filter.
            left: Places of its points.
            right: Places of its points.
            rows: The points on the left.
            columns: The points on the right.
            shift: Row r is compared with the columns from r + shift on.
        """
        from vlit.assess.clustering import scans

        if sieve.apart(left, right) or scans.all_joined(self.growth.core, self.growth.parent, rows, columns):
            return
        bounds, engine = sieve.bounds(left, right), sieve.engine
        a, b = sieve.store[left], sieve.store[right]
        if engine.here:
            self.scan(engine.products(a, b), engine.limits(bounds), shift, rows, columns)
        else:
            places = engine.passing(a, b, bounds, shift)
            self.verify(np.stack([rows[places[:, 0]], columns[places[:, 1]]], axis=1))

    def scan(self, products: Array, limits: Array, shift: int, left: I32, right: I32) -> None:
        """Feed the growth with the neighbours of a block; see ``scans.scanned``."""
        from vlit.assess.clustering import scans

        edges = np.linspace(0, len(left), 2 * self.threads + 1).astype(int)
        todo = [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True) if a < b]
        room = max(1 << 17, products.shape[1])
        while len(self.found) < len(todo) or (self.found and len(self.found[0]) < room):
            self.found = [np.empty((room, 2), np.int32) for _ in todo]

        def work(piece: tuple[int, tuple[int, int]]) -> tuple[int, int]:
            number, (start, stop) = piece
            count, row = scans.scanned(
                products, limits, start, stop, shift, left, right, self.vectors, self.rows, self.reach,
                self.growth.core, self.growth.parent, self.found[number],
            )  # fmt: skip
            return count, row

        while todo:
            done = list((self.pool.map if self.pool else map)(work, enumerate(todo)))
            for number, (count, _) in enumerate(done):
                self.growth.absorb(self.found[number][:count])
            todo = [(row, stop) for (_, row), (_, stop) in zip(done, todo, strict=True) if row < stop]

    def verify(self, pairs: I32) -> None:
        """Feed the growth with those of the pairs that are neighbours."""
        from vlit.assess.clustering import scans

        found = np.empty_like(pairs)
        growth = self.growth
        count = scans.verified(pairs, self.vectors, self.rows, self.reach, growth.core, growth.parent, found)
        growth.absorb(found[:count])

    def __enter__(self) -> Scanner:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown()
