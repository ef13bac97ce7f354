from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")
metrics = pytest.importorskip("sklearn.metrics")
from tests.assess.clustering.vectors import texts  # noqa: E402
from vlit.assess.clustering import approximate, clusters, engines  # noqa: E402
from vlit.assess.clustering.approximate import approximate_dbscan  # noqa: E402
from vlit.assess.clustering.dbscan import dbscan  # noqa: E402


@pytest.mark.parametrize("device", ["numpy", "auto"])
def test_nearly_the_exact_clusters(device):
    vectors = texts(2500, 128, topics=40)
    exact = dbscan(vectors, eps=0.9, min_points=4)
    found = approximate_dbscan(vectors, eps=0.9, min_points=4, probes=24, device=device)
    assert exact.n_clusters > 20 and 0.1 < exact.noise / exact.n < 0.9
    assert metrics.adjusted_rand_score(exact.labels, found.labels) >= 0.99
    assert found.method.startswith("approximate, 245 cells, 24 probes, seed 0, ")
    # what is found is true: a core point is one, and rows of one cluster are of one cluster
    assert not (found.core & ~exact.core).any()
    for cluster in range(found.n_clusters):
        assert len(set(exact.labels[found.core & (found.labels == cluster)])) == 1


def test_with_all_cells_it_is_exact():
    vectors = texts(1500, 64)
    weights = np.random.default_rng(1).integers(1, 4, 1500)
    for weighed in (None, weights, weights - 1.5):
        exact = dbscan(vectors, eps=0.95, min_points=5, weights=weighed)
        found = approximate_dbscan(vectors, eps=0.95, min_points=5, weights=weighed, probes=40, cells=40)
        np.testing.assert_array_equal(found.labels, exact.labels)
        np.testing.assert_array_equal(found.core, exact.core)


def test_pairs_that_meet_in_two_cells_count_once():
    """Each of three rows has two neighbours; a pair that counted twice would make them core points for 4."""
    vectors = np.array([[1, 0, 0], [1, 0.1, 0], [1, 0, 0.1]], np.float32)
    found = approximate_dbscan(vectors, eps=0.2, min_points=4, probes=3, cells=3)
    assert not found.core.any()
    assert approximate_dbscan(vectors, eps=0.2, min_points=3, probes=3, cells=3).core.all()


def test_large_cells_are_cut(monkeypatch):
    vectors = texts(1500, 64)
    exact = dbscan(vectors, eps=0.95, min_points=5)
    monkeypatch.setattr(approximate, "TOGETHER", 70)
    monkeypatch.setattr(clusters, "ROOM", 100)
    found = approximate_dbscan(vectors, eps=0.95, min_points=5, probes=3, cells=3)
    np.testing.assert_array_equal(found.labels, exact.labels)


def test_the_same_for_a_seed(monkeypatch):
    vectors = texts(1500, 64, dtype=np.float16)
    first = approximate_dbscan(vectors, eps=0.8, min_points=4, probes=2, seed=5)
    crowd = engines.engine_for("auto")
    crowd.workers = 5
    monkeypatch.setattr(approximate, "engine_for", lambda device: crowd)
    again = approximate_dbscan(vectors, eps=0.8, min_points=4, probes=2, seed=5)
    np.testing.assert_array_equal(first.labels, again.labels)
    other = approximate_dbscan(vectors, eps=0.8, min_points=4, probes=2, seed=6)
    assert (first.labels != other.labels).any()


def test_a_memory_map_of_halves(tmp_path):
    vectors = texts(2000, 64, dtype=np.float16)
    np.save(tmp_path / "v.npy", vectors)
    on_disk = np.load(tmp_path / "v.npy", mmap_mode="r")
    given = {"eps": 0.9, "min_points": 4, "probes": 8}
    in_memory = approximate_dbscan(vectors.astype(np.float32), **given)
    np.testing.assert_array_equal(approximate_dbscan(on_disk, **given).labels, in_memory.labels)


def test_another_device_finds_the_same(monkeypatch):
    pytest.importorskip("torch")
    elsewhere = engines.TorchEngine("cpu", "float32")
    elsewhere.here = False  # the way of other devices
    monkeypatch.setattr(approximate, "engine_for", lambda device: elsewhere)
    vectors = texts(1200, 64)
    found = approximate_dbscan(vectors, eps=0.95, min_points=5, probes=40, cells=40)
    np.testing.assert_array_equal(found.labels, dbscan(vectors, eps=0.95, min_points=5).labels)


@pytest.mark.parametrize("n", [0, 1, 2, 300])
def test_identical_rows_and_single_ones(n):
    found = approximate_dbscan(np.ones((n, 64), np.float32), eps=0.1, min_points=2)
    assert found.labels.tolist() == [0 if n > 1 else -1] * n


def test_zero_rows_and_rows_of_other_lengths():
    vectors = texts(600, 64)
    vectors[::9] = 0
    vectors[1::9] *= 7
    exact = dbscan(vectors, eps=0.9, min_points=4)
    found = approximate_dbscan(vectors, eps=0.9, min_points=4)
    np.testing.assert_array_equal(found.labels, exact.labels)


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match="probes and cells"):
        approximate_dbscan(texts(9), eps=1, min_points=2, probes=0)
    with pytest.raises(ValueError, match=r"rows 1$"):
        approximate_dbscan([[1.0], [np.nan]], eps=1, min_points=2)
