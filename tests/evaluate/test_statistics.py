"""Intervals and paired comparisons, against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from vlit.evaluate.metric import Metric, accuracies, accuracy, metric
from vlit.evaluate.question import Answered, Parsed, Question, Scored
from vlit.evaluate.statistics import mcnemar, paired, with_intervals


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
