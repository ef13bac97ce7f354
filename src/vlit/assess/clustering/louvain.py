"""Louvain communities of an unweighted graph, the same on every run.

Vertices move, one at a time, to the neighbouring community that raises the modularity most, until none does;
then communities become vertices, and so on (Blondel et al. 2008). The whole is repeated from the partition that
it found, until no vertex moves any more. Vertices are taken in an order that is drawn from the seed, and one
comes again only when a neighbour has moved elsewhere (the queue of Traag et al. 2019). With
``A`` the adjacency, ``k`` the degrees and ``m`` the edges,

    Q = 1/(2m) sum over i, j of (A_ij - resolution k_i k_j / (2m)) [c_i = c_j]

Limits: it finds a local optimum, which depends on the seed; communities smaller than about sqrt(2m) edges
may be merged at resolution 1 (the resolution limit).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.graph import F64, I32, I64, Graph
from vlit.data.seeds import draw


def louvain(graph: Graph, *, seed: int = 0, resolution: float = 1.0) -> I32:
    """Community of each vertex, shape (n,); the largest is 0, then by size, ties by lowest vertex.

    Args:
        graph: Unweighted; a vertex without edges is a community of its own.
        seed: Decides the order in which vertices are taken.
        resolution: Above 1 for smaller communities.
    """
    from vlit.assess.clustering import louvain_kernels as kernels

    labels = np.arange(graph.n)
    degrees = np.diff(graph.indptr).astype(np.float64)
    bottom = graph.indptr, graph.neighbours, np.ones(len(graph.neighbours))
    rounds = 16 if graph.edges else 0  # modularity rises with each, so it ends by itself, mostly after 2 to 5
    for number in range(rounds):
        order = _order(graph.n, draw(seed, "louvain", str(number)))
        found, moves = kernels.moved(*bottom, degrees, labels, order, resolution)
        if not moves:
            break
        labels = _coarsened(bottom, degrees, found, resolution, draw(seed, "levels", str(number)))
    return ranked(labels)


def _coarsened(rows: tuple[I64, I32, F64], degrees: F64, labels: I64, resolution: float, seed: int) -> I64:
    """Let communities move as vertices, level by level, until none does; the community of each vertex."""
    from vlit.assess.clustering import louvain_kernels as kernels

    step = members = _numbered(labels)
    while True:
        n = int(step.max()) + 1
        rows = kernels.aggregated(*rows, step, n)
        degrees = np.bincount(step, degrees).astype(np.float64)
        order = _order(n, draw(seed, str(n)))
        found, moves = kernels.moved(*rows, degrees, np.arange(n), order, resolution)
        if not moves:
            return members
        step = _numbered(found)
        members = step[members]


def _numbered(labels: I64) -> I64:
    """The same partition numbered from 0, by rising label."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def modularity(graph: Graph, labels: npt.NDArray[np.integer], resolution: float = 1.0) -> float:
    """Q of a partition; 0 for a graph without edges."""
    if not graph.edges:
        return 0.0
    total = len(graph.neighbours)
    inside = np.count_nonzero(labels[graph.sources] == labels[graph.neighbours]) / total
    shares = np.bincount(labels, np.diff(graph.indptr).astype(np.float64)) / total
    return float(inside - resolution * (shares**2).sum())


def ranked(labels: npt.NDArray[np.integer]) -> I32:
    """The same partition numbered from 0 by falling size; ties by lowest member."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    ranks = np.empty(len(counts), np.int32)
    ranks[np.lexsort((first, -counts))] = np.arange(len(counts), dtype=np.int32)
    found: I32 = ranks[inverse]
    return found


def _order(n: int, seed: int) -> I64:
    """A permutation that depends on the seed alone: vertices by a hash (splitmix64) of seed and number."""
    with np.errstate(over="ignore"):
        x = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return np.argsort(x ^ x >> np.uint64(31), kind="stable")
