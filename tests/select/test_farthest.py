from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.select.made import kept, sample, verdicts
from vlit.select.methods.farthest import farthest_order


def points(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(7, d))
    x = centres[rng.integers(0, 7, n)] + rng.normal(size=(n, d)) * 0.3
    return x.astype(np.float32), rng.integers(0, 2**63, n).astype(np.uint64)


def test_by_hand_on_a_circle() -> None:
    degrees = [0, 10, 90, 180, 190]
    x = np.array([[np.cos(a), np.sin(a)] for a in np.deg2rad(degrees)], np.float32)
    order, distance = farthest_order(x, np.array([1, 5, 5, 5, 5], np.uint64), 3, None)
    assert order.tolist() == [0, 3, 2]  # the lowest draw, its opposite, what is a quarter away from both
    assert distance == pytest.approx(
        [2, 2 * np.sin(np.deg2rad(5)), np.sqrt(2), 2, 2 * np.sin(np.deg2rad(5))], abs=1e-3
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 150), st.integers(2, 12), st.integers(0, 999), st.data())
def test_each_point_is_the_farthest_from_all_before(n: int, d: int, seed: int, data: st.DataObject) -> None:
    x, draws = points(n, d, seed)
    order, distance = farthest_order(x, draws, data.draw(st.integers(1, n)), None)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    near = np.full(n, 2.0)
    assert order[0] == np.argmin(draws)
    for row in order.tolist():
        assert distance[row] == pytest.approx(near[row], abs=2e-3)
        assert near[row] >= near.max() - 2e-3  # what float32 leaves of a distance
        near = np.minimum(near, np.linalg.norm(unit - unit[row], axis=1))
    left = np.setdiff1d(np.arange(n), order)
    assert distance[left] == pytest.approx(near[left], abs=2e-3)


def test_a_larger_number_goes_on_where_a_smaller_one_ended() -> None:
    x, draws = points(500, 8)
    for reach in (None, 3):
        few, _ = farthest_order(x, draws, 40, reach)
        many, _ = farthest_order(x, draws, 200, reach)
        assert many[:40].tolist() == few.tolist()


def test_neighbouring_cells_come_near_the_exact_cover_and_chance_does_not() -> None:
    x, draws = points(3000, 16)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)

    def covers(rows: Any) -> float:
        return float(np.sqrt(2 - 2 * (unit @ unit[rows].T).max(axis=1).min()))

    exact, near = (covers(farthest_order(x, draws, 100, reach)[0]) for reach in (None, 8))
    assert near < exact * 1.2 < covers(np.argsort(draws)[:100])


def test_bad_vectors_are_never_taken() -> None:
    x, draws = points(40, 6)
    x[3], x[4], x[5] = 0, np.nan, np.inf
    order, distance = farthest_order(x, draws, 40, None)
    assert set(order.tolist()) == set(range(40)) - {3, 4, 5}
    assert np.flatnonzero(np.isnan(distance)).tolist() == [3, 4, 5]
    assert len(farthest_order(np.zeros((5, 6), np.float32), draws[:5], 3, None)[0]) == 0


def test_equal_texts_are_taken_once_and_then_the_lowest_draws() -> None:
    samples = [sample(f"s{i}") for i in range(12)]
    vectors = np.eye(4, dtype=np.float32)[[0] * 9 + [1, 2, 3]]
    got = kept(samples, vectors={"response": vectors}, keep={"n": 4, "by": "farthest"})
    assert {"s9", "s10", "s11"} < got
    told = verdicts(samples, vectors={"response": vectors}, keep={"n": 6, "by": "farthest"})
    assert sum(v.keep for v in told) == 6
    assert all(v.reason.endswith("only 4 differ from each other; the lowest draws fill up") for v in told)


def test_only_the_lowest_draws_of_a_large_set_are_looked_at() -> None:
    samples = [sample(f"s{i}") for i in range(50)]
    vectors = {"response": points(50, 6)[0]}
    lowest = kept(samples, keep={"n": 20, "by": "random"})
    assert kept(samples, vectors=vectors, keep={"n": 10, "by": "farthest", "at": 20}) <= lowest
    assert kept(samples, vectors=vectors, keep={"n": 20, "by": "farthest", "at": 1}) == lowest
