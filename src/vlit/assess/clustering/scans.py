"""Loops over products of rows, compiled: which pairs pass the filter, and which of them are neighbours indeed.

Vectors are float32, float64, or float16 seen as ``uint16`` (the compiler has no float16). All kernels release
the interpreter's lock, write to buffers of their own and only read what is shared, so that rows can be cut
among threads.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np

from vlit.assess.clustering.lanes import LANES, double, lowest_bit, reaching, single, turned

A: TypeAlias = Any  # numba derives the types of arrays


@numba.njit(cache=True, nogil=True)
def squared_distance(vectors: A, i: A, j: A) -> A:
    """Sum of squared differences of two rows, in float64 and in a fixed order: eight sums, then their sum.

    The order does not follow the width of the processor's registers: every machine gets the same bits.
    """
    x, y = vectors[i], vectors[j]
    d = len(x)
    s0, s1, s2, s3, s4, s5, s6, s7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    even = d - d % 8
    for k in range(0, even, 8):
        d0 = double(x[k]) - double(y[k])
        d1 = double(x[k + 1]) - double(y[k + 1])
        d2 = double(x[k + 2]) - double(y[k + 2])
        d3 = double(x[k + 3]) - double(y[k + 3])
        d4 = double(x[k + 4]) - double(y[k + 4])
        d5 = double(x[k + 5]) - double(y[k + 5])
        d6 = double(x[k + 6]) - double(y[k + 6])
        d7 = double(x[k + 7]) - double(y[k + 7])
        s0 += d0 * d0
        s1 += d1 * d1
        s2 += d2 * d2
        s3 += d3 * d3
        s4 += d4 * d4
        s5 += d5 * d5
        s6 += d6 * d6
        s7 += d7 * d7
    for k in range(even, d):
        d0 = double(x[k]) - double(y[k])
        s0 += d0 * d0
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def rough_squared_distance(vectors: A, i: A, j: A) -> A:
    """The same in float32 and in any order, much faster; off by less than (d + 8) 2^-23 of itself."""
    x, y = vectors[i], vectors[j]
    total = np.float32(0)
    for k in range(len(x)):
        difference = single(x[k]) - single(y[k])
        total += difference * difference
    return total


@numba.njit(cache=True, nogil=True)
def near(vectors: A, i: A, j: A, reach: A) -> A:
    """Whether two rows are neighbours. ``reach``: squared eps, a square surely below it, one above."""
    rough = rough_squared_distance(vectors, i, j)
    if rough < reach[1]:
        return True
    if rough > reach[2]:
        return False
    return squared_distance(vectors, i, j) <= reach[0]


@numba.njit(cache=True, nogil=True)
def joined(core: A, parent: A, i: A, j: A) -> A:
    """Whether both are core and in one set already: such a pair says nothing new. Changes nothing."""
    if not (core[i] and core[j]):
        return False
    while parent[i] != i:
        i = parent[i]
    while parent[j] != j:
        j = parent[j]
    return i == j


@numba.njit(cache=True, nogil=True)
def all_joined(core: A, parent: A, left: A, right: A) -> A:
    """Whether all points of both sides are core and in one set already."""
    for i in left:
        if not joined(core, parent, i, left[0]):
            return False
    for j in right:  # noqa: SIM110 - a compiled loop
        if not joined(core, parent, j, left[0]):
            return False
    return True


@numba.njit(cache=True, nogil=True)
def scanned(
    products: A, limits: A, start: A, shift: A, left: A, right: A, vectors: A, rows: A, reach: A, core: A,
    parent: A, found: A,
) -> A:  # fmt: skip
    """Neighbours from row ``start`` of a block of products.

    Args:
        products: Shape (at least rows, at least columns): upper bounds, less what ``limits`` allows for, as
            float32 or bits of bfloat16.
        limits: For each row what a product has to reach, in the same form, ``lanes.turned``.
        start: First row to look at.
        shift: In row r only the columns from r + shift on are looked at.
        left: Point of each row.
        right: Point of each column.
        vectors: All vectors.
        rows: Row of ``vectors`` of each point.
        reach: See ``near``.
        core: Points known to be core.
        parent: Sets of core points.
        found: Shape (at least columns, 2), for the pairs.

    Returns:
        How many pairs were found, and the row to go on from: a row that might not fit is left to the next call.
    """
    columns = len(right)
    count = 0
    for r in range(start, len(left)):
        if count + columns > len(found):
            return count, r
        row, limit, i = products[r], limits[r], left[r]
        for c in range(max(0, r + shift), columns, LANES):
            bits = reaching(row, c, columns, limit)
            while bits:
                j = right[c + lowest_bit(bits)]
                bits &= bits - np.uint64(1)
                if not joined(core, parent, i, j) and near(vectors, rows[i], rows[j], reach):
                    found[count, 0], found[count, 1] = i, j
                    count += 1
    return count, len(left)


@numba.njit(cache=True, nogil=True)
def verified(pairs: A, vectors: A, rows: A, reach: A, core: A, parent: A, found: A) -> A:
    """Put those of the pairs that are neighbours into ``found``, and give their number."""
    count = 0
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        if not joined(core, parent, i, j) and near(vectors, rows[i], rows[j], reach):
            found[count, 0], found[count, 1] = i, j
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def hashes(words: A) -> A:
    """64 bits for each row: equal rows get equal ones."""
    found = np.empty(len(words), np.uint64)
    for i in range(len(words)):
        state = np.uint64(0x9E3779B97F4A7C15)
        for word in words[i]:
            state = (state ^ np.uint64(word)) * np.uint64(0xFF51AFD7ED558CCD)
            state ^= state >> np.uint64(32)
        found[i] = state
    return found


@numba.njit(cache=True, nogil=True)
def first_equal(words: A, order: A, keys: A) -> A:
    """For each row the first row that equals it; ``order`` sorts the rows by key, stably."""
    n, d = words.shape
    first = np.empty(n, np.int64)
    for place in range(n):
        i = order[place]
        first[i] = i
        before = place - 1
        while before >= 0 and keys[order[before]] == keys[i]:
            other = first[order[before]]
            same = True
            for k in range(d):
                if words[other, k] != words[i, k]:
                    same = False
                    break
            if same:
                first[i] = other
                break
            before -= 1
    return first


@numba.njit(cache=True, nogil=True)
def largest(products: A, count: A, lowest: A) -> A:
    """For each row the columns of its ``count`` largest products: the largest first, the others in any order.

    Of equal ones the first columns. ``lowest`` is a number of their type below all of them.
    """
    n, columns = products.shape
    found = np.zeros((n, count), np.int32)
    heap = np.empty(count, products.dtype)  # the smallest of the largest on top
    for r in range(n):
        row, place = products[r], found[r]
        heap[:] = lowest
        for start in range(0, columns, LANES):
            bits = reaching(row, start, columns, heap[0])
            while bits:
                c = start + lowest_bit(bits)
                bits &= bits - np.uint64(1)
                value, at = turned(row[c]), 0
                if not value > heap[0]:
                    continue
                while 2 * at + 1 < count:
                    child = 2 * at + 1
                    if child + 1 < count and heap[child + 1] < heap[child]:
                        child += 1
                    if heap[child] >= value:
                        break
                    heap[at], place[at] = heap[child], place[child]
                    at = child
                heap[at], place[at] = value, c
        first = 0
        for k in range(1, count):
            if heap[k] > heap[first] or (heap[k] == heap[first] and place[k] < place[first]):
                first = k
        place[0], place[first] = place[first], place[0]
    return found


@numba.njit(cache=True, nogil=True)
def visitors(near: A, order: A, cells: A) -> A:
    """Places in ``order`` of those that visit each cell from outside, ascending, as compressed rows."""
    starts = np.zeros(cells + 1, np.int64)
    for i in range(len(near)):
        for k in range(1, near.shape[1]):
            starts[near[i, k] + 1] += 1
    starts = np.cumsum(starts)
    fill = starts[:-1].copy()
    found = np.empty(starts[-1], np.int32)
    for place in range(len(order)):
        for k in range(1, near.shape[1]):
            cell = near[order[place], k]
            found[fill[cell]] = place
            fill[cell] += 1
    return starts, found


@numba.njit(cache=True, nogil=True)
def kept_once(pairs: A, near: A, kept: A) -> A:
    """Leave out pairs of visitor and host that meet in the visitor's cell too, where that cell comes first."""
    count = 0
    for k in range(len(pairs)):
        visitor, host = pairs[k, 0], pairs[k, 1]
        home = near[visitor, 0]
        again = False
        if home < near[host, 0]:
            for probe in range(1, near.shape[1]):
                if near[host, probe] == home:
                    again = True
                    break
        if not again:
            kept[count, 0], kept[count, 1] = visitor, host
            count += 1
    return count
