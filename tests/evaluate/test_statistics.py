"""Intervals and paired comparisons, against what is known in closed form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlit.evaluate.metric import Metric, accuracies, accuracy, metric, ratio
from vlit.evaluate.question import Answered, Parsed, Question, Scored
from vlit.evaluate.statistics import by_coin, mcnemar, paired, with_intervals


def row(name: str, value: float | None, *, unit: str = "", failed: bool = False, group: str = "") -> Scored:
    question = Question(id=name, prompt="?", unit=unit, groups={"kind": group} if group else {})
    return Scored(Answered(question=question, text="x"), Parsed(None if failed else "x"), value)


def test_an_interval_is_as_wide_as_the_binomial_says() -> None:
    rows = [row(str(i), float(i % 4 == 0)) for i in range(1000)]
    (found,) = with_intervals([accuracy(rows)])
    assert found.value == 25.0 and found.interval is not None
    low, high = found.interval
    width = 2 * 1.96 * 100 * np.sqrt(0.25 * 0.75 / 1000)
    assert abs((high - low) - width) < 0.5 and abs((low + high) / 2 - 25) < 0.4
    assert with_intervals([accuracy(rows)])[0].interval == found.interval


def test_questions_of_a_unit_stand_or_fall_together() -> None:
    alone = [row(str(i), float(i < 50)) for i in range(100)]
    pairs = [row(str(i), float(i < 50), unit=str(i // 10)) for i in range(100)]
    (a,), (b,) = with_intervals([accuracy(alone)]), with_intervals([accuracy(pairs)])
    assert a.interval and b.interval
    assert (b.interval[1] - b.interval[0]) > 2 * (a.interval[1] - a.interval[0])


def test_failures_are_counted_and_missing_values_left_out() -> None:
    rows = [row("a", 1.0), row("b", 0.0, failed=True), row("c", None)]
    assert accuracy(rows) == Metric("accuracy", 50.0, 2, failures=1)
    assert accuracy([]).value is None and with_intervals([accuracy([])])[0].interval is None


def test_groups_come_in_the_order_that_is_asked_for() -> None:
    rows = [row("a", 1.0, group="y"), row("b", 0.0, group="x"), row("c", 1.0)]
    assert [(m.group, m.value) for m in accuracies(rows, "kind", ["x"])] == [
        ("kind: x", 0.0),
        ("kind: y", 100.0),
    ]


def test_a_metric_of_several_sums_is_one_of_their_total() -> None:
    rows = [row("a", 1.0), row("b", 1.0), row("c", 0.0)]
    f1 = metric(
        "F1",
        rows,
        [(1, 0, 0), (1, 0, 0), (0, 1, 1)],
        lambda s: 200 * s[..., 0] / (2 * s[..., 0] + s[..., 1] + s[..., 2]),
    )
    assert f1.value == pytest.approx(100 * 2 / 3)


def test_mcnemar_is_the_coin() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(1, 3) == pytest.approx(2 * (1 + 4) / 16)


def test_two_models_are_compared_on_what_both_were_asked() -> None:
    first = [row(str(i), float(i < 40)) for i in range(100)] + [row("own", 1.0)]
    second = [row(str(i), float(i < 60)) for i in reversed(range(100))]
    found = paired(first, second)
    assert (found.n, found.difference, found.better, found.worse) == (100, 20.0, 20, 0)
    assert found.p == pytest.approx(2 / 2**20) and found.interval
    assert 11 < found.interval[0] < 20 < found.interval[1] < 29
    with pytest.raises(ValueError, match="share no question"):
        paired(first[-1:], second)
    alone = paired([row("a", 0.3)], [row("a", 1.0)])
    assert alone.p is None and alone.interval is None


def test_nothing_right_is_not_sure_to_be_nothing() -> None:
    """Every resample of four wrong answers is alike; the exact interval of 0 of 4 ends at 60.2."""
    stats = pytest.importorskip("scipy.stats")
    for right, n in ((0, 4), (4, 4), (0, 30), (30, 30)):
        (found,) = with_intervals([accuracy([row(str(i), float(i < right)) for i in range(n)])])
        exact = stats.binomtest(right, n).proportion_ci(0.95, "exact")
        assert found.interval == pytest.approx((100 * exact.low, 100 * exact.high))
    paired_up = [row(str(i), 0.0, unit=str(i // 5)) for i in range(20)]
    (found,) = with_intervals([accuracy(paired_up)])
    assert found.interval == pytest.approx((0.0, 100 * (1 - 0.025**0.25)))  # four units


@pytest.mark.parametrize(("photos", "told"), [(1, False), (3, False), (4, True)])
def test_few_photos_of_many_questions_tell_no_interval(photos: int, told: bool) -> None:
    rows = [row(str(i), float(i % 7 < 3 + i % photos), unit=str(i % photos)) for i in range(120)]
    (found,) = with_intervals([accuracy(rows)])
    assert (found.interval is not None) is told


def test_a_number_that_no_resample_changes_has_no_interval_but_where_it_is_a_share() -> None:
    rows = [row(str(i), 1.0) for i in range(9)]
    total = metric("total", rows, [(1, 1)] * 9, lambda s: 2000 * s[..., 0] / s[..., 1], scale=2000)
    nothing = metric("CIDEr", rows, [(0, 1)] * 9, ratio, scale=1000)
    assert [one.interval for one in with_intervals([total, nothing])] == [None, None]


def test_p_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for better, worse in ((0, 1), (3, 1), (12, 25), (400, 300), (2, 900)):
        assert mcnemar(better, worse) == pytest.approx(stats.binomtest(better, better + worse).pvalue, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), max_size=9))
def test_p_of_units_is_the_share_of_signs_that_differ_as_much(differences: list[int]) -> None:
    signs = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(own, differences, strict=True))) for own in signs]
    share = sum(one >= abs(sum(differences)) for one in sums) / len(sums)
    assert by_coin(differences) == pytest.approx(share)


def test_questions_of_a_unit_are_no_more_sure_together_than_one() -> None:
    """Eight rotations of two questions, all of which the second alone has right: two coins, not sixteen."""
    first = [row(str(i), 0.0, unit=str(i // 8)) for i in range(16)]
    second = [row(str(i), 1.0, unit=str(i // 8)) for i in range(16)]
    assert paired(first, second).p == 0.5
    alone = paired([row(str(i), 0.0) for i in range(16)], [row(str(i), 1.0) for i in range(16)])
    assert alone.p == pytest.approx(2 / 2**16)


def test_the_number_that_papers_quote_is_compared_and_not_the_mean_value() -> None:
    def double(rows: Sequence[Scored]) -> Metric:
        parts = ((row.value or 0.0, 1.0) for row in rows)
        return metric("double", rows, parts, lambda s: 200 * s[..., 0] / s[..., 1], scale=0)

    first = [row(str(i), float(i % 5 == 0)) for i in range(100)]
    second = [row(str(i), float(i % 5 < 2)) for i in range(100)]
    mean, doubled = paired(first, second), paired(first, second, of=double)
    assert (mean.metric, mean.difference, mean.lower) == ("accuracy", 20.0, False)
    assert (doubled.metric, doubled.difference, doubled.lower) == ("double", 40.0, True)
    assert mean.interval and doubled.interval
    assert doubled.interval == pytest.approx(tuple(2 * bound for bound in mean.interval))
    without = paired(first, second, of=lambda rows: Metric("untold", 1.0, len(rows)))
    assert (without.metric, without.difference) == ("mean value", 20.0)


def test_a_model_does_not_differ_from_itself() -> None:
    rows = [row(str(i), float(i % 3 == 0)) for i in range(50)]
    same = paired(rows, rows)
    assert (same.difference, same.better, same.worse, same.p, same.interval) == (0.0, 0, 0, 1.0, None)


def test_the_bootstrap_of_a_difference_is_as_wide_as_the_formula_says() -> None:
    """Discordant 60 and 30 of 500: the variance of the mean difference is ((b + c) / n - d^2) / n."""
    first = [row(str(i), float(60 <= i < 200)) for i in range(500)]
    second = [row(str(i), float(i < 60 or 90 <= i < 200)) for i in range(500)]
    found = paired(first, second)
    assert (found.better, found.worse, found.difference) == (60, 30, 6.0) and found.interval
    half = 196 * np.sqrt((90 / 500 - 0.06**2) / 500)
    assert found.interval == pytest.approx((6 - half, 6 + half), abs=0.35)
