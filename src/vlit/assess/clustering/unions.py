"""Union-find over core points, compiled: neighbours come in as a stream of pairs, no list of them is kept.

A point is *core* when the weights within reach of it, its own among them, add up to ``min_points``. Only core
points are united. A pair of which one end is not core yet waits in ``pending``: it is settled when the stream
has ended. A root is the lowest index of its set, so that clusters can be numbered by their first core point.

All of this is serial, and its result does not depend on the order of the pairs.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np

A: TypeAlias = Any  # numba derives the types of arrays


@numba.njit(cache=True, nogil=True)
def root(parent: A, i: A) -> A:
    """The lowest index of the set of ``i``; halves the path on its way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)
def unite(parent: A, i: A, j: A) -> None:
    """Make one set of those of ``i`` and ``j``."""
    i, j = root(parent, i), root(parent, j)
    if i < j:
        parent[j] = i
    else:
        parent[i] = j


@numba.njit(cache=True, nogil=True)
def heavier(mass: A, spill: A, i: A, weight: A) -> A:
    """Add to the mass of ``i``, and give it back; what rounding lost is kept in ``spill`` (Neumaier's sum).

    So ten weights of 0.1 reach 1 in whatever order they come.
    """
    total = mass[i] + weight
    if abs(mass[i]) >= abs(weight):
        spill[i] += (mass[i] - total) + weight
    else:
        spill[i] += (weight - total) + mass[i]
    mass[i] = total
    return total + spill[i]


@numba.njit(cache=True, nogil=True)
def sums(inverse: A, weights: A, mass: A, spill: A) -> None:
    """Add the weight of each row to the group that it is in."""
    for i in range(len(inverse)):
        heavier(mass, spill, inverse[i], weights[i])


@numba.njit(cache=True, nogil=True)
def counted(pairs: A, weight: A, mass: A, spill: A) -> None:
    """Add to both ends of each pair the weight of the other, and nothing else."""
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        heavier(mass, spill, i, weight[j])
        heavier(mass, spill, j, weight[i])


@numba.njit(cache=True, nogil=True)
def absorbed(
    pairs: A,
    weight: A,
    mass: A,
    spill: A,
    core: A,
    parent: A,
    anchor: A,
    min_points: A,
    counting: A,
    pending: A,
) -> A:
    """Count and unite the pairs; those that have to wait go to ``pending``, whose new length is the result.

    ``anchor`` is a core point that each point is known to have waited beside: another pair with the same set
    says nothing new. ``pending`` has room for all pairs.
    """
    waiting = 0
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        if counting and not (core[i] and core[j]):
            if heavier(mass, spill, i, weight[j]) >= min_points:
                core[i] = True
            if heavier(mass, spill, j, weight[i]) >= min_points:
                core[j] = True
        if core[i] and core[j]:
            unite(parent, i, j)
            continue
        if core[j]:
            i, j = j, i
        if core[i]:
            if anchor[j] >= 0 and root(parent, anchor[j]) == root(parent, i):
                continue
            anchor[j] = i
        pending[waiting, 0], pending[waiting, 1] = i, j
        waiting += 1
    return waiting


@numba.njit(cache=True, nogil=True)
def settled(pending: A, core: A, parent: A) -> A:
    """Unite the pairs whose ends are both core by now; keep the others at the front and give their number."""
    kept = 0
    for k in range(len(pending)):
        i, j = pending[k, 0], pending[k, 1]
        if core[i] and core[j]:
            unite(parent, i, j)
        else:
            pending[kept, 0], pending[kept, 1] = i, j
            kept += 1
    return kept


@numba.njit(cache=True, nogil=True)
def bordered(pending: A, core: A, parent: A, border: A) -> None:
    """For each point that is not core, the lowest root of a core point beside it."""
    for k in range(len(pending)):
        i, j = pending[k, 0], pending[k, 1]
        if core[j]:
            i, j = j, i
        if core[i] and not core[j]:
            border[j] = min(border[j], root(parent, i))


@numba.njit(cache=True, nogil=True)
def numbered(core: A, parent: A, border: A) -> A:
    """Labels by the first core points of clusters; -1 is noise. ``border`` is n where there is none."""
    n = len(core)
    labels = np.full(n, -1, np.int32)
    number = np.full(n, -1, np.int32)
    clusters = 0
    for i in range(n):
        if core[i]:
            first = root(parent, i)
            if number[first] < 0:
                number[first] = clusters
                clusters += 1
            labels[i] = number[first]
    for i in range(n):
        if not core[i] and border[i] < n:
            labels[i] = number[border[i]]
    return labels, clusters
