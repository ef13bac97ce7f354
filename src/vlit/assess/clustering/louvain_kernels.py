"""Compiled loops of ``louvain``: local moving, and communities that become vertices."""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np

A: TypeAlias = Any  # numba derives the types of arrays


@numba.njit(cache=True)
def moved(indptr: A, neighbours: A, weights: A, degrees: A, begin: A, order: A, resolution: float) -> A:
    """Move vertices while that raises the modularity; the community of each, and how many moves there were.

    ``begin`` has the community (0 to n - 1) that each vertex starts in.

    ``weights`` leaves out what lies within a vertex; ``degrees`` has it.
    """
    n = len(degrees)
    total = degrees.sum()
    community = begin.copy()
    volume = np.zeros(n)  # sum of the degrees of each community
    for u in range(n):
        volume[begin[u]] += degrees[u]
    towards = np.zeros(n)  # weight between the vertex at hand and each community
    touched = np.empty(n, np.int64)
    queue, waits = order.copy(), np.ones(n, np.bool_)
    head, waiting, moves = 0, n, 0
    while waiting:
        u = queue[head]
        head = (head + 1) % n
        waiting -= 1
        waits[u] = False
        here, k = community[u], degrees[u]
        count = 0
        for e in range(indptr[u], indptr[u + 1]):
            c = community[neighbours[e]]
            if towards[c] == 0:
                touched[count] = c
                count += 1
            towards[c] += weights[e]
        volume[here] -= k
        stay = towards[here] - resolution * k * volume[here] / total
        best, highest = here, stay
        for i in range(count):
            c = touched[i]
            gain = towards[c] - resolution * k * volume[c] / total
            if gain > highest or (gain == highest and best != here and c < best):
                best, highest = c, gain
            towards[c] = 0
        if highest - stay <= 1e-9 * total / n:  # rounding must not make vertices move in circles
            best = here
        towards[here] = 0
        volume[best] += k
        if best == here:
            continue
        community[u] = best
        moves += 1
        for e in range(indptr[u], indptr[u + 1]):
            v = neighbours[e]
            if community[v] != best and not waits[v]:
                waits[v] = True
                queue[(head + waiting) % n] = v
                waiting += 1
    return community, moves


@numba.njit(cache=True)
def aggregated(indptr: A, neighbours: A, weights: A, community: A, n: int) -> A:
    """Compressed rows of the graph of ``n`` communities, without what lies within one."""
    starts = np.zeros(n + 1, np.int64)
    for c in community:
        starts[c + 1] += 1
    starts = np.cumsum(starts)
    fill = starts[:-1].copy()
    members = np.empty(len(community), np.int64)
    for u in range(len(community)):
        members[fill[community[u]]] = u
        fill[community[u]] += 1
    towards = np.zeros(n)
    touched = np.empty(n, np.int64)
    rows = np.zeros(n + 1, np.int64)
    others = np.empty(len(neighbours), np.int32)
    amounts = np.empty(len(neighbours))
    size = 0
    for c in range(n):
        count = 0
        for i in range(starts[c], starts[c + 1]):
            u = members[i]
            for e in range(indptr[u], indptr[u + 1]):
                d = community[neighbours[e]]
                if d == c:
                    continue
                if towards[d] == 0:
                    touched[count] = d
                    count += 1
                towards[d] += weights[e]
        for i in range(count):
            others[size] = touched[i]
            amounts[size] = towards[touched[i]]
            towards[touched[i]] = 0
            size += 1
        rows[c + 1] = size
    return rows, others[:size].copy(), amounts[:size].copy()
