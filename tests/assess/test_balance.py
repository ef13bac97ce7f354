import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.small import sample
from vlit.assess.balance import TaskBalance, spread
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part


def test_balance_by_hand():
    samples = [sample("q", "a", id=str(i), task="ab"[i == 0]) for i in range(4)]  # 75 % a, 25 % b
    indicator = TaskBalance(NoConfig())
    scores = list(indicator.score(Part(samples), None))
    assert [s.group for s in scores] == ["b", "a", "a", "a"]
    assert all(s.value is None and s.reason for s in scores)
    found = indicator.summarise(scores)
    detail = json.loads(found.detail)
    assert (found.value, found.n) == (625.0, 4)
    assert detail["counts"] == {"a": 3, "b": 1}
    assert detail["gini"] == pytest.approx(0.25)
    assert detail["largest_to_smallest"] == 3
    assert detail["normalised_entropy"] == pytest.approx(0.8112781)


def test_even_single_and_empty_sets():
    assert spread({"a": 5, "b": 5})[0] == 0
    assert spread({"a": 5})[1]["normalised_entropy"] is None
    assert spread({})[0] is None


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 10**6), min_size=2, max_size=12))
def test_companions_stay_in_their_ranges(counts):
    value, detail = spread(counts)
    assert value >= 0 and detail["largest_to_smallest"] >= 1
    assert -1e-9 <= detail["gini"] < 1 and -1e-9 <= detail["normalised_entropy"] <= 1 + 1e-9


def test_samples_that_say_no_task_are_not_in_balance():
    indicator = TaskBalance(NoConfig())
    found = indicator.summarise(
        list(indicator.score(Part([sample("q", "a", id=str(i), task="unknown") for i in range(3)]), None))
    )
    assert found.value is None and json.loads(found.detail)["why"] == "no sample says which task it is of"
