"""Undirected graphs as compressed rows, and the graph of what occurs together.

A graph of ``n`` vertices keeps each edge in both directions: the neighbours of ``u`` are
``neighbours[indptr[u] : indptr[u + 1]]``, ascending. A place in ``neighbours`` is a *directed edge* ``u -> v``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

I64: TypeAlias = npt.NDArray[np.int64]
I32: TypeAlias = npt.NDArray[np.int32]
F64: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Documents:
    """Distinct sets of tokens: those of document ``d`` are ``tokens[indptr[d] : indptr[d + 1]]``, ascending."""

    indptr: I64  #: shape (documents + 1,)
    tokens: I32
    n: int  #: tokens are 0 to n - 1

    @classmethod
    def of(cls, documents: Iterable[Iterable[int]], n: int) -> Documents:
        """From lists of token ids. Repeated tokens and repeated documents count once: a clique is a clique.

        The result does not depend on the order of the documents.

        Raises:
            ValueError: For a token below 0 or not below ``n``.
        """
        distinct = sorted({tuple(sorted(set(document))) for document in documents} - {()})
        if any(d[0] < 0 or d[-1] >= n for d in distinct):
            raise ValueError(f"tokens have to be 0 to {n - 1}")
        sizes = np.fromiter(map(len, distinct), np.int64, len(distinct))
        tokens = np.fromiter(chain.from_iterable(distinct), np.int32, int(sizes.sum()))
        return cls(np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]), tokens, n)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def holders(self) -> tuple[I64, I32]:
        """Documents of each token, as compressed rows."""
        from vlit.assess.clustering import ego_kernels

        found: tuple[I64, I32] = ego_kernels.inverted(self.indptr, self.tokens, self.n)
        return found


@dataclass(frozen=True)
class Graph:
    """An undirected graph without loops and without parallel edges."""

    indptr: I64  #: shape (n + 1,)
    neighbours: I32  #: shape (2 edges,), ascending within a row

    @classmethod
    def of(cls, edges: Sequence[tuple[int, int]] | I64, n: int) -> Graph:
        """From pairs of vertices below ``n``; loops are left out, and repeated edges count once."""
        pairs = np.asarray(edges, np.int64).reshape(-1, 2)
        if len(pairs) and (pairs.min() < 0 or pairs.max() >= n):
            raise ValueError(f"vertices have to be 0 to {n - 1}")
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        keys = np.unique(np.concatenate([pairs[:, 0] * n + pairs[:, 1], pairs[:, 1] * n + pairs[:, 0]]))
        indptr = np.searchsorted(keys, np.arange(n + 1, dtype=np.int64) * n)
        return cls(indptr.astype(np.int64), (keys % max(n, 1)).astype(np.int32))

    @property
    def n(self) -> int:
        """Number of vertices."""
        return len(self.indptr) - 1

    @property
    def edges(self) -> int:
        """Number of undirected edges."""
        return len(self.neighbours) // 2

    @cached_property
    def sources(self) -> I32:
        """The vertex that each directed edge starts from."""
        return np.repeat(np.arange(self.n, dtype=np.int32), np.diff(self.indptr))

    @cached_property
    def reverses(self) -> I64:
        """For each directed edge ``u -> v`` the place of ``v -> u``."""
        from vlit.assess.clustering import ego_kernels

        found: I64 = ego_kernels.reverses(self.indptr, self.neighbours)
        return found


def cooccurrence(documents: Documents) -> Graph:
    """Tokens are vertices; two are joined where a document holds both. Without weights.

    Time: two passes over the pairs of each document (sum of |document|^2). Memory: 4 bytes for each directed
    edge, beside the documents.
    """
    from vlit.assess.clustering import ego_kernels

    indptr, neighbours = ego_kernels.cooccurrence(
        documents.indptr, documents.tokens, *documents.holders, documents.n
    )
    return Graph(indptr, neighbours)
