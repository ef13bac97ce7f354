"""Farthest point: each sample that is taken is as unlike as possible to all that were taken before.

Greedy k-center over unit vectors (of the instructions, the responses or the photos), in Euclidean distance:
begin with the lowest draw, then always take the sample whose nearest taken one is farthest away. The largest
distance that is left is at most twice the best possible (Gonzalez 1985). More keeps all that fewer kept.

The work is n x k distances. So the samples are sorted into about sqrt(n) cells around drawn pivots, and a
sample that is taken is compared with the ``reach`` nearest cells alone: the order is then no longer exactly
greedy, since a neighbour beyond those cells stays "far". Small choices (n x k up to ``EXACT``) look at all
cells, and are exact.

Limits: what is far from everything else is often broken. Use gates first. Equal texts are taken once; when
nothing new is left, the lowest draws fill up. Samples without a vector come last.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pydantic

from vlit.data.errors import VlitError
from vlit.select.method import Choice, IsGone, KeepConfig, Method
from vlit.select.methods.random import RandomConfig
from vlit.select.pool import Pool, Space
from vlit.select.quotas import Ints

#: Distances that are worth computing one by one.
EXACT = 200_000_000

#: Rows that are sorted into cells at once.
_BLOCK = 16_384


class FarthestConfig(KeepConfig):
    """What is measured, and how thoroughly."""

    by: str = "farthest"
    of: Space = pydantic.Field("response", description="instruction, response or picture: whose vectors")
    reach: int | None = pydantic.Field(
        None, ge=1, description="cells that a taken sample is compared with; by default all, or 8 of large sets"
    )
    at: int = pydantic.Field(
        1_000_000, ge=1, description="samples to choose from, by the lowest draws; at least as many as are kept"
    )

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """Diversity is all that it looks for; without it, by chance."""
        return self.instead(RandomConfig) if group == "diversity" else self


class Farthest(Method[FarthestConfig]):
    """Greedy k-center, exact where that takes seconds, in neighbouring cells where it would take days."""

    Config = FarthestConfig

    def choose(self, pool: Pool, n: int) -> Choice:
        """The first n in greedy order."""
        by_draw = np.argsort(pool.draws, kind="stable")
        places = np.sort(by_draw[: max(self.config.at, n)])
        vectors = pool.vectors(self.config.of, places)
        order, distance = farthest_order(vectors, pool.draws[places], n, self.config.reach)
        chosen = np.zeros(len(pool), bool)
        chosen[places[order]] = True
        rest = by_draw[~chosen[by_draw]]  # no vectors, or nothing new is left
        chosen[rest[: n - len(order)]] = True
        values = np.full(len(pool), np.nan, np.float32)
        values[places] = distance
        remark = ""
        if len(order) < n:
            remark = f"only {len(order):,} differ from each other; the lowest draws fill up"
        return Choice(chosen, values=values, label="distance to the nearest one chosen before", remark=remark)


def farthest_order(
    vectors: np.ndarray[Any, np.dtype[np.float32]], draws: np.ndarray[Any, Any], count: int, reach: int | None
) -> tuple[Ints, np.ndarray[Any, np.dtype[np.float32]]]:
    """The first ``count`` points in greedy order, fewer where no others differ from them.

    Args:
        vectors: Shape (n, d); rows that are zero or not finite are never taken.
        draws: Decide where to begin, and between equals, shape (n,).
        count: Points to take.
        reach: Cells that a point is compared with; ``None`` for all up to ``EXACT`` distances, else 8.

    Returns:
        Rows in the order in which they are taken, and for every row its distance: when it was taken, or at the
        end; NaN for rows without a vector, 2 for the first one.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    usable = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    usable = usable[np.argsort(draws[usable], kind="stable")]  # the order of the set makes no difference
    distance = np.full(len(vectors), np.nan, np.float32)
    if not len(usable):
        return np.zeros(0, np.int64), distance
    unit = (vectors[usable] / norms[usable, None]).astype(np.float32)
    count = min(count, len(unit))
    pivots = unit[: math.ceil(math.sqrt(len(unit)))]
    cell, to_pivot = _cells(unit, pivots)
    rank = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[rank], np.arange(len(pivots) + 1))
    if reach is None:
        reach = len(pivots) if len(unit) * count <= EXACT else 8
    unit = unit[rank]
    kernel = _kernel()
    begin = int(np.flatnonzero(rank == 0)[0])
    taken, at, near = kernel(unit, starts, pivots, to_pivot[rank], rank, begin, count, min(reach, len(pivots)))
    differs = at > 0
    at[0] = 2
    distance[usable[rank]] = np.where(np.isfinite(near), np.maximum(near, 0), 2)
    distance[usable[rank[taken]]] = at
    return usable[rank[taken[differs]]], distance


def _cells(
    unit: np.ndarray[Any, np.dtype[np.float32]], pivots: np.ndarray[Any, np.dtype[np.float32]]
) -> tuple[Ints, np.ndarray[Any, np.dtype[np.float32]]]:
    """Nearest pivot of each point, the first of equals, and its distance."""
    cell = np.empty(len(unit), np.int64)
    distance = np.empty(len(unit), np.float32)
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        cosine = block @ pivots.T
        nearest = cosine.argmax(axis=1)
        cell[start : start + _BLOCK] = nearest
        # From the difference: a distance near 0 would drown in the rounding of 2 - 2 cos.
        gap = block - pivots[nearest]
        distance[start : start + _BLOCK] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
    return cell, distance


def _kernel() -> Any:
    try:
        from vlit.select.methods.farthest_kernel import farthest_points
    except ImportError as error:
        raise VlitError(
            f"choosing the farthest points needs numba: {error}",
            where="select.keep.by",
            todo='pip install "vlit[assess]", or choose by stratified or cluster_quota',
        ) from None
    return farthest_points
