"""Cells of a comparison: which numbers have an interval."""

from __future__ import annotations

import math

import pytest

from tests.assess.small import sample
from vlit.assess.compare import _cell
from vlit.assess.registry import make
from vlit.data.score import Score


def scores(name: str, *found: tuple[float | None, str | None]) -> list[Score]:
    """Scores of an indicator, by value and reason."""
    (indicator,) = make({name: None})
    return [indicator.of(sample(), value, reason) for value, reason in found]


def test_a_mean_has_the_interval_of_its_values() -> None:
    (indicator,) = make({"leak_phrase": None})
    cell = _cell(indicator, scores("leak_phrase", (0.0, None), (1.0, None), (0.0, None), (1.0, None)))
    # The standard deviation is sqrt(4 * 0.25 / 3), the standard error half of it.
    assert cell.value == 0.5
    assert cell.margin == pytest.approx(1.96 * math.sqrt(1 / 3) / 2)


def test_a_share_of_mentions_has_no_interval_of_a_mean_of_samples() -> None:
    """1 of 10 mentions is 0.1, while the samples' own shares, 1 and 0, have a mean of 0.5."""
    (indicator,) = make({"hallucinated_objects": None})
    found = scores(
        "hallucinated_objects", (1.0, "1 of 1 mentions of objects"), (0.0, "0 of 9 mentions of objects")
    )
    cell = _cell(indicator, found)
    assert cell.value == pytest.approx(0.1)
    assert cell.margin is None


def test_one_value_has_no_interval() -> None:
    (indicator,) = make({"leak_phrase": None})
    assert _cell(indicator, scores("leak_phrase", (1.0, None), (None, "no text"))).margin is None
