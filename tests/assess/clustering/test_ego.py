"""Ego-splitting, against the published algorithm written down plainly."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vlit.assess.clustering.ego import split, split_documents
from vlit.assess.clustering.graph import Documents, Graph, cooccurrence
from vlit.assess.clustering.louvain import louvain, modularity, ranked

#: Zachary's karate club: 34 members, 78 friendships, numbered from 0.
ZACHARY = {
    0: [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    1: [2, 3, 7, 13, 17, 19, 21, 30],
    2: [3, 7, 8, 9, 13, 27, 28, 32],
    3: [7, 12, 13],
    4: [6, 10],
    5: [6, 10, 16],
    6: [16],
    8: [30, 32, 33],
    9: [33],
    13: [33],
    14: [32, 33],
    15: [32, 33],
    18: [32, 33],
    19: [33],
    20: [32, 33],
    22: [32, 33],
    23: [25, 27, 29, 32, 33],
    24: [25, 27, 31],
    25: [31],
    26: [29, 33],
    27: [33],
    28: [31, 33],
    29: [32, 33],
    30: [32, 33],
    31: [32, 33],
    32: [33],
}
EDGES = [(u, v) for u, row in ZACHARY.items() for v in row]
COMMUNITIES = [
    [0, 1, 2, 3, 7, 8, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 26, 27, 28, 29, 30, 31, 32, 33],
    [0, 4, 5, 6, 10, 16],
    [24, 25, 31],
    *([a, b] for a, b in [(0, 11), (0, 31), (1, 30), (2, 9), (2, 27), (2, 28)]),
    *([a, b] for a, b in [(9, 33), (13, 33), (19, 33), (23, 25), (24, 27)]),
]


def reachable(start, rows):
    """The connected component of a vertex."""
    found, waiting = {start}, [start]
    while waiting:
        new = rows[waiting.pop()] - found
        found |= new
        waiting += new
    return frozenset(found)


def published(edges, n):
    """Personas (vertex, members of the ego-net's component), the edges between them, and communities."""
    near = {u: set() for u in range(n)}
    for u, v in edges:
        near[u].add(v)
        near[v].add(u)
    persona = {}
    for u in range(n):
        ego_net = {v: near[v] & near[u] for v in near[u]}
        for v in ego_net:
            persona[u, v] = (u, reachable(v, ego_net))
    joined = {frozenset((persona[u, v], persona[v, u])) for u in near for v in near[u]}
    rows = {p: set() for p in persona.values()}
    for a, b in map(tuple, joined):
        rows[a].add(b)
        rows[b].add(a)
    communities = {reachable(p, rows) for p in rows}
    return set(persona.values()), joined, sorted(sorted(v for v, _ in c) for c in communities)


def named(personas):
    """Our personas as the reference names them."""
    graph, members = personas.graph, [set() for _ in range(len(personas))]
    for e, p in enumerate(personas.of_edge):
        members[p].add(int(graph.neighbours[e]))
        assert graph.sources[e] == personas.owner[p]
    return [(int(u), frozenset(m)) for u, m in zip(personas.owner, members, strict=True)]


def agree(personas, edges, n):
    names, persona_graph = named(personas), personas.persona_graph
    expected, joined, communities = published(edges, n)
    assert len(names) == len(set(names)) and set(names) == expected
    pairs = zip(persona_graph.sources, persona_graph.neighbours, strict=True)
    assert {frozenset((names[p], names[q])) for p, q in pairs} == joined
    assert persona_graph.edges == len(joined) == personas.graph.edges
    found = personas.members(personas.communities())
    assert sorted(m.tolist() for m in found) == [sorted(set(c)) for c in communities]


graphs = st.integers(1, 14).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=50)
    )
)


@settings(max_examples=300, deadline=None)
@given(graphs)
def test_any_graph_is_split_as_published(graph):
    n, pairs = graph
    edges = {(u, v) for u, v in pairs if u != v}
    agree(split(Graph.of(pairs, n)), edges, n)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.integers(0, 11), max_size=6), max_size=14))
@example([[0, 1, 2], [0, 3, 4], [1, 3], [2, 5], [5, 4]])
def test_documents_only_make_it_faster(texts):
    edges = {pair for text in texts for pair in combinations(sorted(set(text)), 2)}
    seeded = split_documents(texts, 12)
    agree(seeded, edges, 12)
    plain = split(cooccurrence(Documents.of(texts, 12)))
    assert np.array_equal(plain.of_edge, seeded.of_edge) and np.array_equal(plain.owner, seeded.owner)


def test_a_hub_among_the_neighbours_is_looked_up():
    # vertex 0 has three neighbours; one of them, 1, has hundreds, so that its row is searched and not walked
    edges = [(0, 1), (0, 2), (0, 3), (1, 2)] + [(1, v) for v in range(4, 400)]
    agree(split(Graph.of(edges, 400)), edges, 400)


def test_zacharys_club():
    personas = split(Graph.of(EDGES, 34))
    assert (len(EDGES), len(personas), personas.persona_graph.edges) == (78, 56, 78)
    assert sorted(m.tolist() for m in personas.members(personas.communities())) == sorted(COMMUNITIES)


def test_graph_of_documents_by_hand():
    documents = Documents.of([[2, 0], [1, 2, 1], [0, 2], [], [3]], 5)
    assert documents.indptr.tolist() == [0, 2, 4, 5]
    assert documents.tokens.tolist() == [0, 2, 1, 2, 3]
    graph = cooccurrence(documents)
    assert graph.indptr.tolist() == [0, 1, 2, 4, 4, 4]
    assert graph.neighbours.tolist() == [2, 2, 0, 1]
    assert graph.reverses.tolist() == [2, 3, 0, 1]
    same = Graph.of([(0, 2), (2, 1), (1, 2), (3, 3)], 5)
    assert same.neighbours.tolist() == graph.neighbours.tolist()
    assert same.indptr.tolist() == graph.indptr.tolist()


def test_order_of_documents_changes_nothing():
    texts = [[0, 1, 2], [2, 3], [3, 4, 5], [5, 0]]
    one, other = split_documents(texts, 6), split_documents(texts[::-1], 6)
    assert np.array_equal(one.of_edge, other.of_edge)
    assert np.array_equal(one.communities("louvain"), other.communities("louvain"))


@pytest.mark.parametrize("texts", [[], [[]], [[0], [1]]])
def test_words_that_never_meet_have_no_persona(texts):
    personas = split_documents(texts, 3)
    for partition in ("components", "louvain"):
        communities = personas.communities(partition)
        assert (len(personas), len(communities), personas.members(communities)) == (0, 0, [])


def test_tokens_and_vertices_out_of_range():
    with pytest.raises(ValueError, match="0 to 1"):
        Documents.of([[2]], 2)
    with pytest.raises(ValueError, match="0 to 1"):
        Graph.of([(0, 2)], 2)


def test_louvain_of_cliques_in_a_ring():
    # Thirty cliques of five in a ring: the best partition joins them in pairs (Fortunato and Barthelemy 2007).
    edges = [(5 * c + i, 5 * c + j) for c in range(30) for i, j in combinations(range(5), 2)]
    edges += [(5 * c, (5 * c + 6) % 150) for c in range(30)]
    graph = Graph.of(edges, 150)
    singles = np.arange(150) // 5
    assert modularity(graph, singles) == pytest.approx(300 / 330 - 1 / 30)
    found = louvain(graph, seed=1)
    assert modularity(graph, found) >= 0.98 * modularity(graph, singles // 2)
    assert all(len(set(found[5 * c : 5 * c + 5])) == 1 for c in range(30))
    assert louvain(graph, seed=1, resolution=5).max() == 29


def test_louvain_of_the_club_is_near_the_best_known():
    graph = Graph.of(EDGES, 34)
    qualities = [modularity(graph, louvain(graph, seed=seed)) for seed in range(8)]
    assert max(qualities) == pytest.approx(0.41979, abs=1e-5)  # the optimum (Brandes et al. 2008)
    assert min(qualities) > 0.39
    assert np.array_equal(louvain(graph, seed=3), louvain(graph, seed=3))


@settings(max_examples=100, deadline=None)
@given(graphs, st.integers(0, 3))
def test_louvain_is_better_than_its_start_and_keeps_components_apart(graph, seed):
    n, pairs = graph
    built = Graph.of(pairs, n)
    found = louvain(built, seed=seed)
    assert modularity(built, found) >= modularity(built, np.arange(n)) - 1e-12
    rows = {u: set(built.neighbours[built.indptr[u] : built.indptr[u + 1]].tolist()) for u in range(n)}
    for u, v in combinations(range(n), 2):
        assert found[u] != found[v] or v in reachable(u, rows)


def test_communities_are_numbered_by_size_then_lowest_member():
    assert ranked(np.array([7, 3, 3, 9, 7, 5])).tolist() == [0, 1, 1, 2, 0, 3]
    assert ranked(np.zeros(0, np.int64)).tolist() == []
