from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytest.importorskip("numba")
cluster = pytest.importorskip("sklearn.cluster")
from tests.assess.clustering.vectors import texts  # noqa: E402
from vlit.assess.clustering import clusters, engines, filters  # noqa: E402
from vlit.assess.clustering.dbscan import (  # noqa: E402
    cosine_from_euclidean,
    dbscan,
    euclidean_from_cosine,
)

DEVICES = ["numpy", "auto"]
TOY = np.array([[1, 2], [2, 2], [2, 3], [8, 7], [8, 8], [25, 80]])


@pytest.fixture(scope="module", autouse=True)
def frames_of_few_rows_too():
    """Few rows are compared whole; here they take the way of many."""
    few, filters.FEW = filters.FEW, 0
    yield
    filters.FEW = few


def test_few_rows_are_compared_whole_with_the_same_labels(monkeypatch):
    rows = np.random.default_rng(5).normal(size=(600, 64)).astype(np.float32)
    turned = dbscan(rows, eps=9.5, min_points=4)
    monkeypatch.setattr(filters, "FEW", 4096)
    whole = dbscan(rows, eps=9.5, min_points=4)
    assert turned.n_clusters > 0 and (turned.labels == whole.labels).all()


def reference(vectors, eps, min_points, weights=None):
    """Labels and core points of scikit-learn."""
    model = cluster.DBSCAN(eps=eps, min_samples=min_points, metric="euclidean", algorithm="brute")
    wide = vectors.astype(np.float32) if vectors.dtype == np.float16 else vectors
    found = model.fit(wide, sample_weight=weights)
    core = np.zeros(len(vectors), bool)
    core[found.core_sample_indices_] = True
    return found.labels_, core


def assert_same(vectors, eps, min_points, weights=None, **options):
    found = dbscan(vectors, eps=eps, min_points=min_points, weights=weights, **options)
    labels, core = reference(np.asarray(vectors), eps, min_points, weights)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.core, core)
    assert found.n_clusters == labels.max(initial=-1) + 1
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.float32, np.float64])
def test_the_toy(device, dtype):
    found = dbscan(TOY.astype(dtype), eps=3, min_points=2, device=device)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, -1]
    assert found.labels.dtype == np.int32
    assert found.core.tolist() == [True] * 5 + [False]
    assert (found.n_clusters, found.noise) == (2, 1)
    assert found.parameters() == {"eps": 3, "min_points": 2, "n": 6, "method": "exact"}


def test_eps_itself_is_within():
    line = np.array([[0.0], [3.0], [6.0]])
    assert dbscan(line, eps=3, min_points=3).labels.tolist() == [0, 0, 0]
    assert dbscan(line, eps=np.nextafter(3, 0), min_points=3).labels.tolist() == [-1, -1, -1]


def test_a_border_point_goes_to_the_lowest_numbered_cluster_beside_it():
    # 0 and 6 are core, 3 is within reach of both and of nothing else
    line = np.array([[3.0], [6], [6.5], [7], [0], [-0.5], [-1]])
    assert_same(line, 3, 4)
    assert dbscan(line, eps=3, min_points=4).labels.tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 7, 64, 200])
def test_vectors_like_those_of_texts(device, dtype, d):
    vectors = texts(400, d, dtype=dtype)
    for eps in (0.5, 0.8, 1.0):
        assert_same(vectors, eps, 4, device=device, block=64)


def test_many_small_blocks_and_buffers_that_overflow(monkeypatch):
    monkeypatch.setattr(clusters, "ROOM", 64)
    monkeypatch.setattr(clusters, "WAITING", 100)
    assert_same(texts(900, 24), 0.9, 5, block=7)


@pytest.mark.parametrize("device", DEVICES)
def test_some_rows_may_be_zero_or_long(device):
    vectors = texts(300)
    vectors[::7] = 0
    vectors[1::11] *= np.float32(40)
    assert_same(vectors, 0.9, 4, device=device, block=32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e30])
def test_any_scale(device, scale):
    vectors = texts(400, 64)
    vectors = (vectors * scale).astype(np.float32)
    found = dbscan(vectors, eps=0.9 * scale, min_points=4, device=device)
    # scikit-learn loses squares that are too small for float32
    labels, _ = reference(vectors.astype(np.float64), 0.9 * scale, 4)
    assert found.n_clusters > 1 and found.labels.tolist() == labels.tolist()


@pytest.mark.parametrize("device", DEVICES)
def test_rows_far_from_the_origin(device):
    random = np.random.default_rng(1)
    vectors = np.round(texts(400, 60) * 64) / 64 + np.round(random.standard_normal(60) * 1000)
    assert_same(vectors.astype(np.float32), 0.9, 4, device=device)


@pytest.mark.parametrize("device", DEVICES)
def test_tiny_rows_beside_others(device):
    """Their products vanish in float32."""
    small = texts(150, 60, dtype=np.float64)
    vectors = np.concatenate([small, small * 1e-24])
    assert dbscan(vectors, eps=0.9e-24, min_points=4, device=device).labels.tolist() == [
        *[-1] * 150,
        *reference(small, 0.9, 4)[0],
    ]


def test_equal_rows_count_each():
    vectors = np.repeat(texts(40), 6, axis=0)[np.random.default_rng(2).permutation(240)]
    found = assert_same(vectors, 1e-3, 6)
    assert found.n_clusters == 40
    assert dbscan(vectors, eps=1e-3, min_points=7).n_clusters == 0


@pytest.mark.parametrize("n", [0, 1, 2, 500])
def test_identical_rows_and_single_ones(n):
    vectors = np.ones((n, 64), np.float32)
    assert dbscan(vectors, eps=0.1, min_points=2).labels.tolist() == [0 if n > 1 else -1] * n
    assert dbscan(vectors, eps=0.1, min_points=1).n_clusters == min(n, 1)


grids = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 40), st.integers(1, 6)), elements=st.integers(-3, 3).map(float)
)


@settings(max_examples=50, deadline=None)
@given(grids, st.sampled_from([1.0, 1.5, 2.0, 3.0, 4.0]), st.integers(1, 8), st.data())
def test_a_grid_gives_what_scikit_learn_gives(vectors, eps, min_points, data):
    """Distances are exact on a grid, so that many lie exactly at eps; rows are repeated."""
    weights = data.draw(
        st.one_of(
            st.none(),
            hnp.arrays(np.float64, len(vectors), elements=st.sampled_from([1.0, 2.0, 5.0])),
            hnp.arrays(np.float64, len(vectors), elements=st.sampled_from([-2.0, -1, 0, 0.25, 0.5, 1, 3])),
        )
    )
    assume(weights is None or weights.any())  # scikit-learn refuses these
    assert_same(vectors, eps, min_points, weights, device=data.draw(st.sampled_from(DEVICES)), block=8)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.3, 1.3), st.integers(1, 10), st.sampled_from([8, 64, 130]))
def test_random_vectors_give_what_scikit_learn_gives(seed, eps, min_points, d):
    assert_same(texts(250, d, seed=seed), eps, min_points, block=32)


def test_weights_of_zero_are_noise():
    assert dbscan(TOY, eps=3, min_points=1, weights=np.zeros(6)).labels.tolist() == [-1] * 6


def test_fractions_add_up_in_any_order():
    vectors = np.linspace(0, 0.01, 10)[:, None]
    assert dbscan(vectors, eps=1, min_points=1, weights=np.full(10, 0.1)).core.all()
    assert not dbscan(vectors, eps=1, min_points=1, weights=np.full(10, 0.0999)).core.any()


def test_a_memory_map_of_halves(tmp_path):
    np.save(tmp_path / "v.npy", texts(600, 100, dtype=np.float16))
    on_disk = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert_same(on_disk, 0.8, 4)
    assert_same(np.asarray(on_disk)[::2], 0.8, 4)  # rows that do not lie side by side


def test_every_engine_finds_the_same(monkeypatch):
    torch = pytest.importorskip("torch")
    vectors = texts(300, 120)
    labels, _ = reference(vectors, 0.85, 4)
    made = [engines.NumpyEngine(), *(engines.TorchEngine("cpu", kind) for kind in ("bfloat16", "float32"))]
    elsewhere = engines.TorchEngine("cpu", "bfloat16")
    elsewhere.here = False  # the way of other devices
    before = torch.get_num_threads()
    for engine in [*made, elsewhere]:
        monkeypatch.setattr("vlit.assess.clustering.dbscan.engine_for", lambda device, e=engine: e)
        np.testing.assert_array_equal(dbscan(vectors, eps=0.85, min_points=4, block=64).labels, labels)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("length", [1.0, 300.0])
def test_the_filter_lets_all_neighbours_through(device, length):
    """At eps of each single pair, the product of this pair reaches its bound."""
    vectors = texts(128, 160) * np.float32(length)
    engine = engines.engine_for(device)
    exact = ((vectors[:, None].astype(float) - vectors[None]) ** 2).sum(2)
    rows = np.arange(len(vectors))
    for p in (31, 127, None):
        frame = filters.frame_for(vectors, [rows], length, 0.8 * length, engine)
        if p is not None:
            basis = np.linalg.qr(np.random.default_rng(3).standard_normal((160, p)))[0].astype(np.float32)
            frame = filters.Frame(frame.mean, frame.scale, basis)
        for eps in np.quantile(np.sqrt(exact), [0.01, 0.1, 0.5, 0.9]):
            sieve = filters.Filter.of(engine, vectors, rows, frame, eps)
            bounds = sieve.bounds(slice(0, 128), slice(0, 128))
            passed = np.zeros((128, 128), bool)
            places = engine.passing(sieve.store, sieve.store, bounds, 128, -128)
            passed[places[:, 0], places[:, 1]] = True
            assert passed[exact <= eps * eps].all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_no_numbers_are_named(bad):
    vectors = texts(50)
    vectors[[7, 31], 3] = bad
    with pytest.raises(ValueError, match=r"2 rows .* rows 7, 31$"):
        dbscan(vectors, eps=0.5, min_points=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": 0}, "eps has to be"),
        ({"eps": float("nan")}, "eps has to be"),
        ({"min_points": 0}, "min_points has to be"),
        ({"min_points": 1.5}, "min_points has to be"),
        ({"weights": [1, 2]}, "weights have to be 6"),
        ({"weights": [1, 1, 1, 1, 1, np.nan]}, "weights have to be 6"),
        ({"vectors": [1, 2, 3]}, "shape"),
        ({"vectors": [["a"]]}, "numbers"),
        ({"vectors": np.zeros((3, 0))}, "shape"),
    ],
)
def test_what_makes_no_sense(change, message):
    with pytest.raises(ValueError, match=message):
        dbscan(**{"vectors": TOY, "eps": 1.0, "min_points": 2} | change)


def test_cosine_and_euclidean_distances_of_unit_vectors():
    assert euclidean_from_cosine(0.5) == 1.0  # 60 degrees
    assert cosine_from_euclidean(euclidean_from_cosine(0.3)) == pytest.approx(0.3)
    vectors = texts(300, dtype=np.float64)
    model = cluster.DBSCAN(eps=0.3, min_samples=4, metric="cosine", algorithm="brute").fit(vectors)
    assert (
        dbscan(vectors, eps=euclidean_from_cosine(0.3), min_points=4).labels.tolist() == model.labels_.tolist()
    )
