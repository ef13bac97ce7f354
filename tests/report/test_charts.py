"""Charts: every bar where its value is, and numbers as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.report.charts import LOWEST, compact, histogram, percent, rule_words, short, task_bars, words
from vlit.report.distributions import Bounds, Distribution
from vlit.report.totals import TaskCount


def found(counts: tuple[int, ...], bounds: Bounds = Bounds(), end: float = 10.0) -> Distribution:  # noqa: B008
    return Distribution(
        indicator="x",
        scored=sum(counts),
        low=0,
        high=end,
        median=end / 2,
        start=0,
        end=end,
        counts=counts,
        bounds=bounds,
    )


def test_bars_and_gates_stand_where_their_values_are() -> None:
    chart = histogram(found((1, 0, 4, 4, 2), Bounds(low=2.0, high=6.0)))
    assert [(b.x, b.height, b.cut) for b in chart.bars] == [
        (0, 25, True),
        (40, 100, False),
        (60, 100, False),
        (80, 50, True),
    ]
    assert [(g.x, g.label) for g in chart.gates] == [(20, "at least 2"), (60, "at most 6")]
    assert chart.median == 50
    assert "kept at least 2" in chart.summary


def test_a_gate_far_away_is_named_at_the_edge() -> None:
    (gate,) = histogram(found((1, 2), Bounds(low=-50.0))).gates
    assert (gate.x, gate.label) == (0, "← at least -50")


def test_a_towering_bar_is_broken_and_says_its_count() -> None:
    first, *rest = histogram(found((900, 10, 8, 1))).bars
    assert (first.height, first.note) == (100, "900")
    assert [b.note for b in rest] == ["", "", ""]
    assert rest[0].height == pytest.approx(62.5)
    assert rest[-1].height >= LOWEST


def test_few_values_have_a_bar_each_and_a_value_on_the_bound_passes() -> None:
    base = found((3, 1))
    steps = ((0.0, 3), (0.5, 1), (1.0, 2))
    chart = histogram(Distribution(**{**base.__dict__, "steps": steps, "bounds": Bounds(low=0.5)}))
    assert [b.cut for b in chart.bars] == [True, False, False]
    assert [t.label for t in chart.ticks] == ["0", "0.5", "1"]
    (gate,) = chart.gates
    assert gate.x == pytest.approx(100 / 3)


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=60).filter(any))
def test_bars_stay_inside_their_frame(counts: list[int]) -> None:
    for bar in histogram(found(tuple(counts))).bars:
        assert 0 <= bar.x <= bar.x + bar.width <= 100 + 1e-9
        assert LOWEST <= bar.height <= 100


def test_task_bars_are_relative_to_the_largest() -> None:
    bars = task_bars([TaskCount("a", 200, 50), TaskCount("b", 50, 0)])
    assert [(b.generated_width, b.kept_width, b.share) for b in bars] == [(100, 25, 100), (25, 0, 0)]
    unjudged = task_bars([TaskCount("a", 150, None), TaskCount("b", 50, None)])
    assert [b.share for b in unjudged] == [75, 25]


def test_one_value_is_told_and_not_drawn() -> None:
    base = found((0, 5))
    one = Distribution(**{**base.__dict__, "low": 1.0, "high": 1.0, "steps": ((1.0, 5),)})
    assert (histogram(one).same, histogram(base).same) == ("1", "")


def test_few_bars_bear_their_counts() -> None:
    base = found((3, 1))
    chart = histogram(Distribution(**{**base.__dict__, "steps": ((0.0, 12_345), (1.0, 7))}))
    assert [b.above for b in chart.bars] == ["12.3k", "7"]
    assert [compact(n) for n in (9_999, 999_999, 1_000_000, 4_560_000)] == ["9,999", "1M", "1M", "4.56M"]
    assert task_bars([]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (1.0, "1"),
        (0.5, "0.5"),
        (0.12345, "0.123"),
        (12.3456, "12.3"),
        (1234.5, "1,234"),
        (1e6, "1,000,000"),
        (0.00001234, "1.23e-05"),
        (-2.5, "-2.5"),
        (float("nan"), "nan"),
    ],
)
def test_short_numbers(value: float | None, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 10_000, "< 0.1 %"),
        (9_999, 10_000, "> 99.9 %"),
        (1, 3, "33 %"),
        (1, 0, "–"),
    ],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_names_as_words() -> None:
    assert words("open_vqa") == "Open VQA"
    assert words("") == ""
    assert rule_words("cap") == "cap on the task"
    assert rule_words("near_duplicate") == "near duplicate"
