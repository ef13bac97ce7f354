"""Compiled loops of ``graph`` and ``ego``. All are serial, so that results never depend on threads."""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np

A: TypeAlias = Any  # numba derives the types of arrays


@numba.njit(cache=True)
def inverted(indptr: A, tokens: A, n: int) -> A:
    """Documents of each of ``n`` tokens, ascending, as compressed rows."""
    starts = np.zeros(n + 1, np.int64)
    for token in tokens:
        starts[token + 1] += 1
    starts = np.cumsum(starts)
    fill = starts[:-1].copy()
    holders = np.empty(len(tokens), np.int32)
    for document in range(len(indptr) - 1):
        for i in range(indptr[document], indptr[document + 1]):
            holders[fill[tokens[i]]] = document
            fill[tokens[i]] += 1
    return starts, holders


@numba.njit(cache=True)
def cooccurrence(indptr: A, tokens: A, held_by: A, holders: A, n: int) -> A:
    """Compressed rows of the graph that joins tokens of one document."""
    seen = np.full(n, -1, np.int32)
    starts = np.zeros(n + 1, np.int64)
    for u in range(n):
        degree = 0
        seen[u] = u
        for h in range(held_by[u], held_by[u + 1]):
            for i in range(indptr[holders[h]], indptr[holders[h] + 1]):
                v = tokens[i]
                if seen[v] != u:
                    seen[v] = u
                    degree += 1
        starts[u + 1] = starts[u] + degree
    # u goes to the rows of its neighbours: taken in ascending order, it leaves every row sorted
    fill = starts[:-1].copy()
    neighbours = np.empty(starts[n], np.int32)
    seen[:] = -1
    for u in range(n):
        seen[u] = u
        for h in range(held_by[u], held_by[u + 1]):
            for i in range(indptr[holders[h]], indptr[holders[h] + 1]):
                v = tokens[i]
                if seen[v] != u:
                    seen[v] = u
                    neighbours[fill[v]] = u
                    fill[v] += 1
    return starts, neighbours


@numba.njit(cache=True)
def reverses(indptr: A, neighbours: A) -> A:
    """For each directed edge the place of its opposite: rows are ascending, so they come in turn."""
    fill = indptr[:-1].copy()
    found = np.empty(len(neighbours), np.int64)
    for e in range(len(neighbours)):
        found[e] = fill[neighbours[e]]
        fill[neighbours[e]] += 1
    return found


@numba.njit(cache=True)
def _root(parent: A, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True)
def _joined(parent: A, i: int, j: int) -> int:
    """Join two sets under the lower root; 1 where they were apart."""
    i, j = _root(parent, i), _root(parent, j)
    if i == j:
        return 0
    if i < j:
        parent[j] = i
    else:
        parent[i] = j
    return 1


@numba.njit(cache=True)
def _has(row: A, value: int) -> bool:
    at = np.searchsorted(row, value)
    return bool(at < len(row) and row[at] == value)


@numba.njit(cache=True)
def _seeded(u: int, place: A, parent: A, indptr: A, tokens: A, held_by: A, holders: A) -> int:
    """Join what shares a document with ``u``; how many sets became one with another."""
    joins = 0
    for h in range(held_by[u], held_by[u + 1]):
        first = -1
        for i in range(indptr[holders[h]], indptr[holders[h] + 1]):
            if tokens[i] == u:
                continue
            if first < 0:
                first = place[tokens[i]]
            else:
                joins += _joined(parent, first, place[tokens[i]])
    return joins


@numba.njit(cache=True)
def _scanned(u: int, place: A, mark: A, parent: A, sets: int, indptr: A, neighbours: A) -> None:
    """Join what is still apart in the ego-net of ``u``.

    An edge between two sets has an end outside the largest one, so that the members of that need no look.
    """
    a, degree = indptr[u], indptr[u + 1] - indptr[u]
    sizes = np.zeros(degree, np.int64)
    for i in range(degree):
        sizes[_root(parent, i)] += 1
    largest = int(np.argmax(sizes))
    for i in range(degree):
        if sets == 1:
            break
        if _root(parent, i) == _root(parent, largest):
            continue
        v = neighbours[a + i]
        row = neighbours[indptr[v] : indptr[v + 1]]
        if len(row) <= 16 * degree:
            for w in row:
                if mark[w] == u:
                    sets -= _joined(parent, i, place[w])
        else:  # a hub: looking its neighbours up is cheaper than walking them
            for j in range(degree):
                if j != i and _has(row, neighbours[a + j]):
                    sets -= _joined(parent, i, j)


@numba.njit(cache=True)
def personas(indptr: A, neighbours: A, doc_indptr: A, tokens: A, held_by: A, holders: A) -> A:
    """Persona of each directed edge, and vertex of each persona; in order of vertex and lowest neighbour."""
    n = len(indptr) - 1
    place = np.zeros(n, np.int32)  # of a neighbour within the row of u
    mark = np.full(n, -1, np.int32)
    widest = np.diff(indptr).max() if n else 0
    parent = np.empty(widest, np.int32)
    number = np.empty(widest, np.int32)
    persona = np.empty(len(neighbours), np.int32)
    owner = np.empty(len(neighbours), np.int32)
    count = 0
    for u in range(n):
        a, b = indptr[u], indptr[u + 1]
        for i in range(b - a):
            parent[i] = i
            place[neighbours[a + i]] = i
            mark[neighbours[a + i]] = u
        sets = b - a
        if len(holders):
            sets -= _seeded(u, place, parent, doc_indptr, tokens, held_by, holders)
        if sets > 1:
            _scanned(u, place, mark, parent, sets, indptr, neighbours)
        for i in range(b - a):
            root = _root(parent, i)
            if root == i:
                number[i] = count
                owner[count] = u
                count += 1
            persona[a + i] = number[root]
    return persona, owner[:count].copy()


@numba.njit(cache=True)
def persona_rows(persona: A, opposite: A, n: int) -> A:
    """Compressed rows of the persona graph: each directed edge joins its persona to its opposite's."""
    starts = np.zeros(n + 1, np.int64)
    for p in persona:
        starts[p + 1] += 1
    starts = np.cumsum(starts)
    fill = starts[:-1].copy()
    neighbours = np.empty(len(persona), np.int32)
    for e in range(len(persona)):
        neighbours[fill[persona[e]]] = persona[opposite[e]]
        fill[persona[e]] += 1
    return starts, neighbours


@numba.njit(cache=True)
def components(indptr: A, neighbours: A) -> A:
    """The lowest vertex of each vertex's connected component."""
    n = len(indptr) - 1
    parent = np.arange(n).astype(np.int32)
    for u in range(n):
        for e in range(indptr[u], indptr[u + 1]):
            if neighbours[e] < u:
                _joined(parent, u, neighbours[e])
    for u in range(n):
        parent[u] = _root(parent, u)
    return parent
