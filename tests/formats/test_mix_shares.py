"""How many samples each set of a mixture gives."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.data.errors import VlitError
from vlit.formats.mix_shares import Demand, shares


@pytest.mark.parametrize(
    ("weight", "size", "expected"),
    [(1.0, 7, 7), (0.5, 7, 4), (0.1, 5, 1), (2.5, 3, 8), (0.3, 10, 3), (2.0, 0, 0), (0.7, 10, 7)],
)
def test_without_a_total_a_set_gives_weight_times_size(weight: float, size: int, expected: int) -> None:
    assert shares([Demand("a", size, weight, copies=3)]) == [expected]


def test_caps_floors_and_copies_bound_it() -> None:
    sets = [
        Demand("capped", 100, cap=30),
        Demand("floored", 100, 0.1, floor=40),
        Demand("once", 100, 2.5, copies=2),
    ]
    assert shares(sets) == [30, 40, 200]


def test_a_floor_that_cannot_be_reached_says_what_would_do() -> None:
    with pytest.raises(VlitError, match=r"'small' is to give at least 1,000 samples and has 300"):
        shares([Demand("big", 5_000), Demand("small", 300, floor=1_000)])
    with pytest.raises(VlitError, match="set its copies to 4"):
        shares([Demand("small", 300, floor=1_000)])
    assert shares([Demand("small", 300, floor=1_000, copies=4)]) == [1_000]
    with pytest.raises(VlitError, match=r"do: lower its floor$"):
        shares([Demand("empty", 0, floor=1)])


def test_a_total_is_shared_out_by_weight() -> None:
    sets = [Demand("a", 1_000, 1.0), Demand("b", 1_000, 3.0)]
    assert shares(sets, 400) == [100, 300]
    assert shares([Demand(n, 100) for n in "abc"], 100) == [34, 33, 33]


def test_what_one_set_cannot_give_the_others_do() -> None:
    sets = [Demand("small", 10), Demand("a", 1_000), Demand("b", 1_000, 2.0)]
    assert shares(sets, 310) == [10, 100, 200]
    assert shares([Demand("capped", 900, cap=50), Demand("a", 900), Demand("b", 70)], 300) == [50, 180, 70]


def test_a_floor_takes_from_the_others() -> None:
    assert shares([Demand("rare", 100, 0.1, floor=50), Demand("a", 500), Demand("b", 500)], 250) == [
        50,
        100,
        100,
    ]


def test_a_total_that_is_not_there_is_an_error() -> None:
    with pytest.raises(VlitError, match=r"to have 301 samples, and its sets can give 300"):
        shares([Demand("a", 100), Demand("b", 100, copies=2)], 301)


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    found = []
    for n in range(draw(st.integers(1, 6))):
        size, copies = draw(st.integers(0, 60)), draw(st.integers(1, 3))
        cap = draw(st.none() | st.integers(1, 80))
        most = min(size * copies, cap or size * copies)
        floor = draw(st.integers(0, most))
        weight = draw(st.sampled_from([0.1, 0.3, 0.5, 1.0, 1.5, 2.5, 7.0]))
        found.append(Demand(str(n), size, weight, floor, cap, copies))
    return found


@given(demands(), st.data())
def test_shares_add_up_stay_in_bounds_and_follow_the_weights(sets: list[Demand], data: st.DataObject) -> None:
    low, high = sum(s.floor for s in sets), sum(s.most for s in sets)
    total = data.draw(st.integers(low, high))
    found = shares(sets, total)
    assert sum(found) == total
    assert all(s.floor <= n <= s.most for s, n in zip(sets, found, strict=True))
    # Sets that are at neither bound have numbers in proportion to their weights, up to the rounding.
    free = [(n, s) for n, s in zip(found, sets, strict=True) if s.floor < n < s.most]
    levels = [(Fraction(n - 1) / s.exact_weight, Fraction(n + 1) / s.exact_weight) for n, s in free]
    for low_a, _ in levels:
        for _, high_b in levels:
            assert low_a <= high_b
