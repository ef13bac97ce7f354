"""Which eps? The curve of distances at which rows become core points, and its knee.

Ester et al. (1996) sort the distances to the k-th neighbour and take eps where the curve bends. Measured on
each set by itself, eps would hide the differences that are looked for: take it from **one reference set**,
write the number down, and cluster every set that is compared with it, at equal n.

Distances of long vectors are alike, and fall as n grows: the knee of 100,000 sentences lies at 0.70, that of
5,000 at 0.93. In a dense set the knee can lie where nearly all is one cluster already; look at the largest
cluster beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.rows import F32, F64, I64, Array, blocks, matrix, squares
from vlit.data.seeds import rng

SPARE = 8  # more neighbours than asked for are kept by float32, so that float64 can choose


@dataclass(frozen=True)
class KDistances:
    """For sampled rows, the smallest eps that makes each a core point."""

    distances: F64  #: shape (queries,), ascending
    min_points: int
    n: int  #: rows that neighbours were looked for in
    seed: int

    def quantiles(
        self, shares: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
    ) -> dict[str, float]:
        """The curve at some places, for a report."""
        return {f"{share:g}": round(float(np.quantile(self.distances, share)), 4) for share in shares}


@dataclass(frozen=True)
class Knee:
    """An eps and where it came from: what has to be told beside it."""

    eps: float
    core: float  #: share of the sampled rows that are core points at eps
    min_points: int
    n: int
    queries: int
    seed: int

    def parameters(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)


def k_distances(vectors: npt.ArrayLike, *, min_points: int, queries: int = 2000, seed: int = 0) -> KDistances:
    """Measure the curve on a sample of rows, against all rows.

    Args:
        vectors: Shape (n, d), as for ``dbscan``; read once, in order.
        min_points: As for ``dbscan``: the row itself counts, so the distance is that to the (min_points - 1)-th
            other.
        queries: Rows in the sample. Time grows with queries * n * d.
        seed: Of the sample.

    Raises:
        ValueError: Rows that hold NaN or infinity; fewer rows than ``min_points``.
    """
    given = matrix(vectors)
    n, k = len(given), min_points - 1
    if k < 0 or n < min_points:
        raise ValueError(f"min_points has to be between 1 and the number of rows, {n}, not {min_points}")
    squares(given)
    chosen = np.asarray(sorted(rng(seed, "k-distances").sample(range(n), min(queries, n))), np.int64)
    if k == 0:
        return KDistances(np.zeros(len(chosen)), min_points, n, seed)
    exact = np.sort(_exact(given, chosen, _nearest(given, chosen, min(k + SPARE, n - 1))), axis=1)
    return KDistances(np.sort(exact[:, k - 1]), min_points, n, seed)


def eps_from_knee(curve: KDistances) -> Knee:
    """The place of the curve that is farthest from the straight line between its ends (Satopää et al., 2011).

    Rows at distance 0 are left out: duplicates bend the curve as well. eps is rounded to three digits,
    since a pair of rows lies exactly at a distance of the curve, where rounding would decide.

    Raises:
        ValueError: Fewer than three rows with a distance above 0, or all at one distance: nothing bends.
    """
    rising = curve.distances[curve.distances > 0]
    if len(rising) < 3 or rising[-1] - rising[0] <= 1e-9 * rising[-1]:
        raise ValueError("the curve has no knee: too few different distances")
    x = np.linspace(0, 1, len(rising))
    y = (rising - rising[0]) / (rising[-1] - rising[0])
    eps = float(f"{rising[int(np.argmax(np.abs(y - x)))]:.3g}")
    core = float(np.mean(curve.distances <= eps))
    return Knee(eps, core, curve.min_points, curve.n, len(curve.distances), curve.seed)


def _nearest(vectors: Array, chosen: I64, count: int) -> I64:
    """About the nearest ``count`` other rows of the chosen ones, in any order."""
    from vlit.assess.clustering import scans

    origin = vectors[chosen].astype(np.float64).mean(axis=0)
    scale = max(float(np.abs(vectors[chosen].astype(np.float64) - origin).max()), 1e-300)

    def moved(rows: Array) -> F32:
        scaled: F32 = ((rows - origin) / scale).astype(np.float32)
        return scaled

    queries = moved(vectors[chosen])
    best = np.full((len(chosen), count), -np.inf, np.float32)
    place = np.zeros((len(chosen), count), np.int64)
    for part in blocks(len(vectors)):
        rows = moved(vectors[part])
        nearness = queries @ rows.T
        nearness -= np.einsum("ij,ij->i", rows, rows)[None] / 2
        own = np.flatnonzero((chosen >= part.start) & (chosen < part.stop))
        nearness[own, chosen[own] - part.start] = np.finfo(np.float32).min  # itself, after all others
        few = min(count, len(rows))
        found = scans.largest(nearness, few, np.float32(-np.inf)).astype(np.int64)
        value = np.concatenate([best, np.take_along_axis(nearness, found, axis=1)], axis=1)
        where = np.concatenate([place, found + part.start], axis=1)
        kept = np.argpartition(-value, count - 1, axis=1)[:, :count]
        best, place = np.take_along_axis(value, kept, axis=1), np.take_along_axis(where, kept, axis=1)
    return place


def _exact(vectors: Array, chosen: I64, near: I64) -> F64:
    """Distances of the chosen rows to those near them, in float64."""
    found = np.empty(near.shape)
    for part in blocks(len(chosen), 64):
        difference = vectors[near[part]].astype(np.float64) - vectors[chosen[part]].astype(np.float64)[:, None]
        found[part] = np.linalg.norm(difference, axis=2)
    return found
