from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")
from tests.assess.clustering.vectors import texts
from vlit.assess.clustering import distances, rows
from vlit.assess.clustering.dbscan import dbscan
from vlit.assess.clustering.distances import KDistances, eps_from_knee, k_distances


def test_a_curve_by_hand():
    # others of 0: 1, 3, 7 away; of 1: 1, 2, 6; of 3: 2, 3, 4; of 7: 4, 6, 7
    line = np.array([[0.0], [1], [3], [7]])
    assert k_distances(line, min_points=2).distances.tolist() == [1, 1, 2, 4]
    assert k_distances(line, min_points=3).distances.tolist() == [2, 3, 3, 6]
    assert k_distances(line, min_points=4).distances.tolist() == [4, 6, 7, 7]
    assert k_distances(line, min_points=1).distances.tolist() == [0, 0, 0, 0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 9), st.sampled_from([np.float16, np.float32, np.float64]))
def test_a_row_is_core_from_its_distance_on(seed, min_points, dtype):
    vectors = texts(150, 20, seed=seed, dtype=dtype)
    curve = k_distances(vectors, min_points=min_points)
    for share in (0.1, 0.5, 0.9):
        eps = float(np.quantile(curve.distances, share)) * (1 + 1e-9)  # not at the distance of a pair
        core = dbscan(vectors, eps=eps, min_points=min_points).core.sum()
        assert core == np.sum(curve.distances <= eps)


def test_the_sample_is_drawn_by_the_seed_and_read_in_blocks(monkeypatch):
    vectors = texts(500, 20)
    whole = k_distances(vectors, min_points=5, queries=50, seed=3)
    assert (len(whole.distances), whole.n) == (50, 500)
    monkeypatch.setattr(distances, "blocks", lambda n, size=7: rows.blocks(n, 7))
    np.testing.assert_array_equal(
        k_distances(vectors, min_points=5, queries=50, seed=3).distances, whole.distances
    )
    assert k_distances(vectors, min_points=5, queries=50, seed=4).distances.tolist() != whole.distances.tolist()


def test_equal_rows_are_at_distance_zero_though_far_from_the_origin():
    vectors = np.repeat(texts(30, 20, dtype=np.float64), 5, axis=0) + 1000
    assert k_distances(vectors, min_points=5).distances.max() == 0
    assert k_distances(vectors, min_points=6).distances.min() > 0.1


def test_a_knee_by_hand():
    def curve(values):
        return KDistances(np.array(values, float), 5, 100, 0)

    knee = eps_from_knee(curve([0, 0, 1, 1.1, 1.2, 1.3, 1.4, 5, 9]))  # farthest below the line before it rises
    assert (knee.eps, knee.core) == (1.4, pytest.approx(7 / 9))
    assert eps_from_knee(curve([1, 4.12345, 4.5, 4.7, 5])).eps == 4.12  # or above it, after it rose
    assert knee.parameters() == {
        "eps": 1.4, "core": pytest.approx(7 / 9), "min_points": 5, "n": 100, "queries": 9, "seed": 0,
    }  # fmt: skip
    assert curve([1, 2, 3]).quantiles((0.5,)) == {"0.5": 2.0}
    for flat in ([1, 1, 1], [0, 0, 1, 2], []):
        with pytest.raises(ValueError, match="no knee"):
            eps_from_knee(curve(flat))


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match="number of rows, 3"):
        k_distances(texts(3), min_points=4)
    with pytest.raises(ValueError, match=r"rows 0$"):
        k_distances([[np.inf], [1.0]], min_points=2)
