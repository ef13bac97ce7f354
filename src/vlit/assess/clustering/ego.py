"""Ego-splitting: overlapping communities of a graph, exact and in nearly linear time on graphs of documents.

The published algorithm (Epasto, Lattanzi, Paes Leme: Ego-splitting framework, KDD 2017) splits each vertex into
*personas*, one for each connected component of its ego-net (the graph among its neighbours, without itself). In
the persona graph the edge u-v joins the persona of u that v belongs to with the persona of v that u belongs to.
A partition of the persona graph is an overlapping clustering of the vertices.

Here the elements are directed edges: ``u -> v`` stands for "v in the ego-net of u", and joined elements are one
persona. Where the graph is made of documents, each vertex's ego-net is first joined document by document (a
document is a clique), which leaves nearly nothing apart; then only the neighbours outside the largest set are
searched for triangles. The personas are those of the published algorithm exactly.

Two partitions of the persona graph are offered: *connected components*, exact and without parameters, which
leave one giant community and a few small ones of real text; and *Louvain*, which divides the giant. A vertex
without neighbours has no ego-net, so no persona and no community, as in the published algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from vlit.assess.clustering.graph import I32, I64, Documents, Graph, cooccurrence
from vlit.assess.clustering.louvain import louvain, ranked

Partition: TypeAlias = Literal["components", "louvain"]


@dataclass(frozen=True)
class Personas:
    """A graph with its vertices split."""

    graph: Graph
    of_edge: I32  #: shape (2 edges,): persona of u for each directed edge u -> v
    owner: I32  #: shape (personas,): vertex of each persona, ascending

    def __len__(self) -> int:
        return len(self.owner)

    @cached_property
    def persona_graph(self) -> Graph:
        """One edge for each edge of the graph."""
        from vlit.assess.clustering import ego_kernels

        return Graph(*ego_kernels.persona_rows(self.of_edge, self.graph.reverses, len(self)))

    def communities(self, partition: Partition = "components", seed: int = 0) -> I32:
        """Community of each persona, shape (personas,); the one with most personas is 0.

        Args:
            partition: How the persona graph is parted.
            seed: For "louvain".
        """
        if partition == "louvain":
            return louvain(self.persona_graph, seed=seed)
        from vlit.assess.clustering import ego_kernels

        return ranked(ego_kernels.components(self.persona_graph.indptr, self.persona_graph.neighbours))

    def members(self, communities: I32) -> list[I32]:
        """Vertices of each community, ascending. A vertex may be in several, and in one only once."""
        order = np.lexsort((self.owner, communities))
        ends = np.cumsum(np.bincount(communities)) if len(communities) else np.zeros(0, np.int64)
        return [np.unique(part) for part in np.split(self.owner[order], ends[:-1])] if len(ends) else []


def split(graph: Graph, documents: Documents | None = None) -> Personas:
    """Split each vertex into one persona for each component of its ego-net.

    Args:
        graph: Any graph.
        documents: The documents that the graph was made of, if so: they make it much faster and change nothing.
    """
    from vlit.assess.clustering import ego_kernels

    empty = np.zeros(0, np.int32)
    nothing: tuple[I64, I32, I64, I32] = (np.zeros(1, np.int64), empty, np.zeros(1, np.int64), empty)
    cliques = nothing if documents is None else (documents.indptr, documents.tokens, *documents.holders)
    of_edge, owner = ego_kernels.personas(graph.indptr, graph.neighbours, *cliques)
    return Personas(graph, of_edge, owner)


def split_documents(documents: Sequence[Sequence[int]], n: int) -> Personas:
    """Ego-splitting of the co-occurrence graph of lists of token ids below ``n``."""
    found = Documents.of(documents, n)
    return split(cooccurrence(found), found)
