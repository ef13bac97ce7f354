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
from vlit.select.quotas import Draws, Ints
from vlit.select.reading import F32

#: Distances that are worth computing one by one.
EXACT = 200_000_000

#: Cells that a point is compared with where that would be too many.
REACH = 32

#: Rows that are sorted into cells at once.
_BLOCK = 16_384


class FarthestConfig(KeepConfig):
    """What is measured, and how thoroughly."""

    by: str = "farthest"
    of: Space = pydantic.Field("response", description="instruction, response or picture: whose vectors")
    reach: int | None = pydantic.Field(
        None,
        ge=1,
        description="cells that a taken sample is compared with; by default all, or 32 in large sets",
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
        return Choice(chosen, values=values, label="distance to the nearest chosen", remark=remark)


def farthest_order(vectors: F32, draws: Draws, count: int, reach: int | None) -> tuple[Ints, F32]:
    """The first ``count`` points in greedy order, fewer where no others differ from them.

    Args:
        vectors: Shape (n, d); rows that are zero or not finite are never taken.
        draws: Decide where to begin, and between equals, shape (n,).
        count: Points to take.
        reach: Cells that a point is compared with; ``None`` for all up to ``EXACT`` distances, else ``REACH``.

    Returns:
        Rows in the order in which they are taken, and for every row its distance: when it was taken, or at the
        end; NaN for rows without a vector, 2 for the first one.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # such rows are not usable
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    usable = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    usable = usable[np.argsort(draws[usable], kind="stable")]  # the order of the set makes no difference
    distance = np.full(len(vectors), np.nan, np.float32)
    if not len(usable):
        return np.zeros(0, np.int64), distance
    count = min(count, len(usable))
    pivots = _units(vectors, norms, usable[: math.ceil(math.sqrt(len(usable)))])
    cell, to_pivot = _cells(vectors, norms, usable, pivots)
    rank = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[rank], np.arange(len(pivots) + 1))
    if reach is None:
        reach = len(pivots) if len(usable) * count <= EXACT else REACH
    taken, at, near = _kernel()(
        _units(vectors, norms, usable[rank]),
        starts,
        pivots,
        to_pivot[rank],
        rank,
        int(np.flatnonzero(rank == 0)[0]),  # the lowest draw
        count,
        min(reach, len(pivots)),
    )
    differs = at > 0
    at[0] = 2
    distance[usable[rank]] = np.where(np.isfinite(near), np.maximum(near, 0), 2)
    distance[usable[rank[taken]]] = at
    return usable[rank[taken[differs]]], distance


def _units(vectors: F32, norms: F32, rows: Ints) -> F32:
    """Some rows, brought to unit length."""
    found = vectors[rows]
    found /= norms[rows, None]
    return found


def _cells(vectors: F32, norms: F32, rows: Ints, pivots: F32) -> tuple[Ints, F32]:
    """Nearest pivot of each row, the first of equals, and its distance."""
    cell = np.empty(len(rows), np.int64)
    distance = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = _units(vectors, norms, rows[start : start + _BLOCK])
        nearest = (block @ pivots.T).argmax(axis=1)
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
