"""The loop of farthest-point sampling, compiled. Imported only where it runs: numba takes a second to load."""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

F32: TypeAlias = npt.NDArray[np.float32]
I64: TypeAlias = npt.NDArray[np.int64]

#: Squared distances below this are those of equal texts: float16 rows leave about as much.
_SAME = np.float32(2e-6)


@numba.njit(cache=True, fastmath={"reassoc", "contract", "nsz"}, nogil=True)
def _squared(x: F32, i: int, y: F32, j: int) -> Any:
    total = np.float32(0)
    for k in range(x.shape[1]):
        total += x[i, k] * y[j, k]
    squared = np.float32(2) - np.float32(2) * total
    return squared if squared > _SAME else np.float32(0)


@numba.njit(cache=True, nogil=True)
def farthest_points(
    x: F32, starts: I64, pivots: F32, to_pivot: F32, rank: I64, first: int, count: int, reach: int
) -> tuple[I64, F32, F32]:
    """Greedy k-center: take the point that is farthest from all that were taken, again and again.

    A point that is taken brings the others closer in the ``reach`` cells nearest to it, not in those beyond. A
    cell or a point is passed over where the triangle inequality shows that nothing can change there.

    Args:
        x: Unit vectors in the order of their cells, shape (n, d).
        starts: Where each cell starts in ``x``, and the end, shape (p + 1,).
        pivots: Centre of each cell, a unit vector, shape (p, d).
        to_pivot: Distance of each point from the centre of its cell, shape (n,).
        rank: Decides between equally far points, the lowest first, shape (n,).
        first: The point to begin with.
        count: Points to take.
        reach: Cells that a point is compared with; p for the exact greedy order.

    Returns:
        The points that were taken, in order; at what distance from the earlier ones each was taken; and the
        distance of every point from the nearest one taken, as far as it was looked at.
    """
    n, p = len(x), len(pivots)
    near = np.full(n, np.float32(np.inf))
    radius = np.zeros(p, np.float32)  # of the points around the centre of their cell
    widest = np.full(p, np.float32(-1.0))  # distance of the farthest point in the cell
    where = np.full(p, -1, np.int64)  # that point
    for c in range(p):
        for i in range(starts[c], starts[c + 1]):
            radius[c] = max(radius[c], to_pivot[i])
            widest[c] = np.inf
            if where[c] < 0 or rank[i] < rank[where[c]]:
                where[c] = i
    taken = np.empty(count, np.int64)
    at = np.empty(count, np.float32)
    apart = np.empty(p, np.float32)
    point = first
    for step in range(count):
        taken[step], at[step] = point, near[point]
        for c in range(p):
            apart[c] = np.sqrt(_squared(x, point, pivots, c))
        cells = np.argsort(apart)[:reach] if reach < p else np.arange(p)
        for c in cells:
            if widest[c] < 0 or apart[c] - radius[c] >= widest[c]:
                continue
            widest[c], where[c] = -1.0, -1
            for i in range(starts[c], starts[c + 1]):
                if near[i] < 0:
                    continue
                if i == point:
                    near[i] = -1.0
                    continue
                if abs(apart[c] - to_pivot[i]) < near[i]:
                    distance = np.sqrt(_squared(x, point, x, i))
                    if distance < near[i]:
                        near[i] = distance
                if near[i] > widest[c] or (near[i] == widest[c] and rank[i] < rank[where[c]]):
                    widest[c], where[c] = near[i], i
        best = -1
        for c in range(p):
            if widest[c] < 0:
                continue
            if (
                best < 0
                or widest[c] > widest[best]
                or (widest[c] == widest[best] and rank[where[c]] < rank[where[best]])
            ):
                best = c
        if best < 0:
            return taken[: step + 1], at[: step + 1], near
        point = where[best]
    return taken, at, near
