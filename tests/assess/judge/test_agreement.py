"""Agreement of votes, by hand and by the published example."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.assess.judge.agreement import entropy, fleiss_kappa, icc

#: Shrout and Fleiss 1979, table 2, with the results of their table 4: four judges rate six targets.
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_entropy_of_votes_in_bits() -> None:
    assert entropy([5, 0, 0]) == 0.0
    assert entropy([2, 2]) == 1.0
    assert entropy([1, 1, 1]) == pytest.approx(math.log2(3))
    # 4 of 5: -(0.8 log2 0.8 + 0.2 log2 0.2)
    assert entropy([4, 1]) == pytest.approx(0.721928)


def test_kappa_by_hand() -> None:
    # Two subjects, three votes, two labels: (3, 0) and (1, 2).
    # observed: ((9 - 3) / 6 + (5 - 3) / 6) / 2 = 2/3; shares 4/6, 2/6: chance 20/36; (2/3 - 5/9) / (4/9) = 1/4
    assert fleiss_kappa([[3, 0], [1, 2]]) == pytest.approx(0.25)
    assert fleiss_kappa([[3, 0], [0, 3]]) == 1.0
    # As much disagreement as there can be: observed 1/3, chance 1/2.
    assert fleiss_kappa([[2, 1], [1, 2]]) == pytest.approx(-1 / 3)


def test_kappa_of_the_published_example() -> None:
    # Fleiss 1971 as retold by Wikipedia: ten subjects, fourteen raters, five labels.
    table = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    assert fleiss_kappa(table) == pytest.approx(0.20993, abs=1e-5)


def test_where_nothing_differs_there_is_no_agreement_to_tell() -> None:
    assert fleiss_kappa([]) is None
    assert fleiss_kappa([[0, 5], [0, 5]]) is None
    assert icc([[1, 1], [1, 1]]) is None
    assert icc([[1, 2, 3]]) is None
    assert icc([]) is None


def test_the_six_intraclass_correlations_of_shrout_and_fleiss() -> None:
    found = icc(JUDGES)
    assert found is not None
    assert found == pytest.approx((0.1657, 0.2898, 0.7148, 0.4428, 0.6201, 0.9093), abs=5e-5)


def test_one_way_by_hand() -> None:
    # Rows (1, 1) and (0, 1): means 1 and 0.5; MSB = 2 (0.0625 + 0.0625) = MSW = 0.5 / 2: none.
    found = icc([[1, 1], [0, 1]])
    assert found is not None and found.one == 0.0 and found.one_k == 0.0
    found = icc([[1, 1], [0, 0]])
    assert found is not None and found.one == 1.0


@given(st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=2, max_size=30))
def test_the_order_of_votes_does_not_count_for_one_way(ratings: list[list[int]]) -> None:
    first, second = icc(ratings), icc([sorted(row) for row in ratings])
    assert (first is None) == (second is None)
    if first and second:
        assert np.allclose([first.one, first.one_k], [second.one, second.one_k], equal_nan=True)
        assert math.isnan(first.one) or first.one <= 1 + 1e-9


@given(st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=1, max_size=30))
def test_kappa_is_at_most_one(votes: list[list[int]]) -> None:
    kappa = fleiss_kappa([[row.count(label) for label in range(3)] for row in votes])
    assert kappa is None or kappa <= 1 + 1e-9
