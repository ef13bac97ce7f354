from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vlit.select.quotas import mixed, shared_out


def draws(n: int, seed: int = 0) -> np.ndarray:
    return mixed(np.arange(n, dtype=np.uint64), seed + 1)


def test_equal_shares_fill_like_water() -> None:
    # Groups of 1, 3 and 6: of seven samples the small one gives all it has, the others three each.
    groups = np.array([0] + [1] * 3 + [2] * 6)
    order = shared_out(groups, draws(10))
    assert Counter(groups[order[:7]].tolist()) == {0: 1, 1: 3, 2: 3}
    assert Counter(groups[order[:3]].tolist()) == {0: 1, 1: 1, 2: 1}
    assert Counter(groups[order].tolist()) == {0: 1, 1: 3, 2: 6}


def test_proportional_shares_by_hand() -> None:
    groups = np.array([0] * 20 + [1] * 80)
    order = shared_out(groups, draws(100), "proportional")
    taken = Counter(groups[order[:10]].tolist())
    assert taken in ({0: 2, 1: 8}, {0: 1, 1: 9}, {0: 3, 1: 7})  # a share of 0.1 of each, up to one


def test_single_samples_are_neither_favoured_nor_left_out() -> None:
    groups = np.concatenate([np.zeros(1000, int), np.arange(1, 1001)])
    taken = groups[shared_out(groups, draws(2000), "proportional")[:400]]
    assert 150 < np.count_nonzero(taken > 0) < 250  # 200 is what chance would give


def test_the_lowest_rank_comes_first_in_its_group() -> None:
    groups, rank = np.array([0, 0, 0, 1, 1]), np.array([3.0, 1.0, 2.0, 9.0, 8.0])
    assert set(shared_out(groups, draws(5), rank=rank)[:2].tolist()) == {1, 4}
    assert set(shared_out(groups, draws(5), rank=rank)[:4].tolist()) == {1, 4, 2, 3}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.data(), st.integers(0, 9))
def test_equal_quotas_differ_by_one_at_most(groups: list[int], data: st.DataObject, seed: int) -> None:
    n = data.draw(st.integers(0, len(groups)))
    codes = np.array(groups)
    order = shared_out(codes, draws(len(codes), seed))
    assert sorted(order.tolist()) == list(range(len(codes)))
    sizes, taken = Counter(groups), Counter(codes[order[:n]].tolist())
    level = max(taken.values(), default=0)
    for group, size in sizes.items():
        assert taken[group] in (min(size, level), min(size, level - 1))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.data(), st.integers(0, 9))
def test_proportional_quotas_are_one_rate_up_to_one(groups: list[int], data: st.DataObject, seed: int) -> None:
    n = data.draw(st.integers(0, len(groups)))
    codes = np.array(groups)
    taken = Counter(codes[shared_out(codes, draws(len(codes), seed), "proportional")[:n]].tolist())
    lowest = max((taken[g] - 1) / size for g, size in Counter(groups).items())
    highest = min((taken[g] + 1) / size for g, size in Counter(groups).items())
    assert lowest <= highest  # a rate r with |quota - r size| <= 1 for every group


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.permutations(range(60)))
def test_the_order_of_the_set_makes_no_difference(groups: list[int], moved: list[int]) -> None:
    codes, drawn = np.array(groups), draws(len(groups))
    order = np.array([i for i in moved if i < len(groups)])
    for shares in ("equal", "proportional"):
        straight = shared_out(codes, drawn, shares)
        shuffled = shared_out(codes[order], drawn[order], shares)
        assert order[shuffled].tolist() == straight.tolist()


def test_nothing_is_shared_out_among_nobody() -> None:
    assert len(shared_out(np.zeros(0, int), draws(0))) == 0
