"""The communities of the words of one task's instructions, and which of them an instruction belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.ego import Partition, split
from vlit.assess.clustering.graph import I32, I64, Documents, cooccurrence

#: Words of an instruction that are looked up for its community.
_VOTERS = 48


@dataclass(frozen=True)
class Figures:
    """What is told of the graph of one task."""

    louvain: int  #: communities of the persona graph
    components: int  #: its connected components
    words: int  #: in the graph or alone
    alone: int  #: words that never stand beside another one
    pairs: int  #: edges of the graph
    personas: int
    instructions: int  #: those of the draw
    different: int  #: different sets of words among them


@dataclass(frozen=True)
class TaskWords:
    """The communities of one task: pickles as a vocabulary and 12 bytes for each directed edge."""

    vocabulary: dict[str, int]
    edges: I64  #: ``u * words + v`` for each directed edge, ascending
    communities: npt.NDArray[np.int32]  #: of the persona of each directed edge
    figures: Figures

    def community(self, words: Collection[str]) -> int | None:
        """The community of most of an instruction's words, the lowest of several; ``None`` where none is known.

        Each pair of words that stands in the graph votes twice, for the persona that either word has beside the
        other. All words of an instruction that the graph was made of have one persona in it each.
        """
        known = sorted({self.vocabulary[w] for w in words if w in self.vocabulary})[:_VOTERS]
        if len(known) < 2 or not len(self.edges):
            return None
        ids = np.array(known, np.int64)
        wanted = (ids[:, None] * len(self.vocabulary) + ids).ravel()
        at = np.minimum(np.searchsorted(self.edges, wanted), len(self.edges) - 1)
        votes = self.communities[at[self.edges[at] == wanted]]
        return int(np.argmax(np.bincount(votes))) if len(votes) else None


def task_words(
    instructions: Sequence[Sequence[str]],
    partition: Partition,
    *,
    min_count: int = 1,
    window: int = 100,
    seed: int = 0,
) -> TaskWords:
    """The communities of some instructions; their order does not matter.

    Args:
        instructions: Content words of each.
        partition: Which communities instructions are put in; both are counted.
        min_count: Words that fewer instructions hold are left out.
        window: An instruction with more words than this is cut into pieces of as many.
        seed: For Louvain.
    """
    holders = Counter(word for words in instructions for word in set(words))
    kept = sorted(word for word, count in holders.items() if count >= min_count)
    vocabulary = {word: i for i, word in enumerate(kept)}
    n = len(vocabulary)
    documents = Documents.of(
        (
            [vocabulary[word] for word in words[start : start + window] if word in vocabulary]
            for words in instructions
            for start in range(0, len(words), window)
        ),
        n,
    )
    graph = cooccurrence(documents)
    personas = split(graph, documents)
    counted: dict[Partition, I32] = {p: personas.communities(p, seed) for p in ("components", "louvain")}
    figures = Figures(
        louvain=_distinct(counted["louvain"]),
        components=_distinct(counted["components"]),
        words=n,
        alone=n - int(np.count_nonzero(np.diff(graph.indptr))),
        pairs=graph.edges,
        personas=len(personas),
        instructions=len(instructions),
        different=len(documents),
    )
    edges = graph.sources.astype(np.int64) * n + graph.neighbours
    return TaskWords(vocabulary, edges, counted[partition][personas.of_edge], figures)


def _distinct(labels: I32) -> int:
    return int(labels.max()) + 1 if len(labels) else 0
