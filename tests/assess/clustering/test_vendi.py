from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assess.clustering.vectors import texts
from vlit.assess.clustering.vendi import Vendi, vendi_score


def test_rows_at_right_angles_count_one_each_and_equal_rows_together():
    assert vendi_score(np.eye(5)).score == pytest.approx(5)
    assert vendi_score(np.ones((7, 3))).score == pytest.approx(1)
    assert vendi_score(np.repeat(np.eye(4), 3, axis=0)).score == pytest.approx(4)
    assert vendi_score([[3.0, 4.0]]).score == pytest.approx(1)


def test_two_rows_by_hand():
    # cos = 0.6: eigenvalues (1 +- 0.6) / 2 = 0.8 and 0.2
    expected = math.exp(-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)))
    assert vendi_score([[1, 0], [0.6, 0.8]]).score == pytest.approx(expected)
    # three of one kind and one at a right angle: 3/4 and 1/4
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi_score([[1, 0], [0, 1]], weights=[3, 1]).score == pytest.approx(expected)


def test_rows_without_direction_or_weight_are_left_out():
    assert vendi_score([[1, 0], [0, 0], [0, 2]]) == Vendi(pytest.approx(2), 2, 1)
    assert vendi_score([[1, 0], [0, 2]], weights=[1, 0]) == Vendi(pytest.approx(1), 1, 1)
    assert vendi_score(np.zeros((3, 2))) == Vendi(None, 0, 3)
    assert vendi_score(np.zeros((0, 2))) == Vendi(None, 0, 0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 12))
def test_the_definition(seed, n, d):
    """The entropy of the kernel's own eigenvalues; weights repeat rows, and lengths do not count."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((n, d))
    times = random.integers(1, 4, n)
    unit = np.repeat(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), times, axis=0)
    values = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    values = values[values > 1e-12]
    expected = math.exp(-np.sum(values * np.log(values)))
    assert vendi_score(vectors, weights=times).score == pytest.approx(expected)
    assert 1 - 1e-9 <= expected <= min(n, d) + 1e-9


def test_a_memory_map_of_halves(tmp_path):
    vectors = texts(5000, 32, dtype=np.float16)
    np.save(tmp_path / "v.npy", vectors)
    found = vendi_score(np.load(tmp_path / "v.npy", mmap_mode="r"))
    assert found.score == pytest.approx(vendi_score(vectors.astype(np.float64)).score)


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match=r"rows 1$"):
        vendi_score([[1.0], [np.nan]])
    with pytest.raises(ValueError, match="below 0"):
        vendi_score([[1.0]], weights=[-1])
