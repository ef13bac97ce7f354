"""Tests of reading a judge's scores."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import shared_data
from vlit.evaluate.parsing.judged import numbers, official_score_pair, score_pair, spoken, unit_score

SCORES = st.integers(1, 20).map(lambda half: half / 2)

GEOMETRY = "How far is it from (2, -2) to (10, 4)?"


@pytest.mark.parametrize(
    ("text", "value", "rule"),
    [
        ("9 8.5\nBoth are fine.", "9 8.5", "first line"),
        ("9, 8\nBoth are fine.", "9 8", "first line"),
        ("\n\n**7/10 9/10**\nBoth.", "7 9", "first line"),
        ("(8, 9)", "8 9", "first line"),
        ("8 and 9.", "8 9", "first line"),
        ("<think>maybe 1 1\n1 1</think>\n6 7\nSo.", "6 7", "first line"),
        ("Scores:\nAssistant 1: 10\nAssistant 2: 4\n\nAssistant 1 was better.", "10 4", "named"),
        ("Assistant 1: 3\nAssistant 2: 4\nOn reflection:\nAssistant 1: 5\nAssistant 2: 6/10", "5 6", "named"),
        ("Assistant 1: 9, Assistant 2: 7", "9 7", "named"),
        ("**Assistant 1**: 9 out of 10\n**Assistant 2**: 7 out of 10", "9 7", "named"),
        ("Assistant 1's score is 9 and Assistant 2's score is 7.", "9 7", "named"),
        ("The distance between (2, 2) and (10, 4) is 8.\nI give (9, 3).", "9 3", "tuple"),
        ("I give (9, 3). The point was (10, 4).", "9 3", "tuple"),
        ("I give (9, 3). The area is (100, 36).", "9 3", "tuple"),
    ],
)
def test_the_three_forms(text: str, value: str, rule: str) -> None:
    found = score_pair(text, GEOMETRY)
    assert (found.value, found.rule) == (value, rule)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n ",
        "9",
        "9 8 7",
        "Both are good.",
        "85 90\nBoth are fine.",
        "The points are (10, 4).",  # of the question
        "(10, 4)\nis the second point.",
        "Assistant 1: 8\nAssistant 1 was better.",
        "Assistant 1: 3 steps were wrong. Assistant 2: 4 steps were wrong.",  # numbers of steps
        "sqrt((10 - 2)^2 + (4 - (-2))^2) = 10",
        "<think>8 9 and nothing more",
        "2023-04-05 10:30",
    ],
)
def test_no_scores_are_a_failure(text: str) -> None:
    found = score_pair(text, GEOMETRY)
    assert found.failed and found.rule


@given(
    SCORES, SCORES, st.sampled_from(["{} {}\nWhy.", "Why.\nAssistant 1: {}\nAssistant 2: {}", "Why. ({}, {})"])
)
def test_what_is_written_is_read(first: float, second: float, form: str) -> None:
    found = score_pair(form.format(first, second))
    assert found.value is not None
    assert numbers(found.value) == (first, second)


@given(st.text(max_size=200))
def test_any_text_is_a_pair_or_a_failure(text: str) -> None:
    found = score_pair(text)
    assert found.failed or all(0 <= number <= 10 for number in numbers(found.value or ""))
    single = unit_score(text)
    assert single.failed or 0 <= float(single.value or -1) <= 1


@given(st.integers(0, 10), st.integers(0, 10))
def test_a_pair_of_the_question_is_never_taken(x: int, y: int) -> None:
    assert score_pair(f"The point ({x}, {y}) lies on the line.", f"Where is ({x}, {y})?").failed


def test_official_rule_reads_the_first_line_alone() -> None:
    assert official_score_pair("9 8.5\nx").value == official_score_pair("9,8.5\nx").value == "9 8.5"
    assert official_score_pair("Scores:\nAssistant 1: 9\nAssistant 2: 8").failed
    assert official_score_pair("85 90").value == "85 90"  # official: any numbers


@pytest.mark.parametrize("text", ["9, 8.5\nx", "9 8 \nx", " 9 8", "9  8"])
def test_quirk_of_the_official_rule_a_second_space_makes_scores_unreadable(text: str) -> None:
    assert official_score_pair(text).failed
    assert not score_pair(text).failed


def test_stored_reviews_are_all_found_and_three_need_more_than_the_first_line() -> None:
    path = shared_data("bench/review") / "review_gpt35_vicuna-13b.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = {row["question_id"]: score_pair(row["text"]) for row in rows}
    assert len(found) == 80
    assert {row["question_id"]: row["score"] for row in rows} == {
        id: list(numbers(one.value or "")) for id, one in found.items()
    }
    assert [id for id, one in found.items() if one.rule != "first line"] == [68, 69, 70]
    assert [id for id, row in found.items() if row.rule == "tuple"] == []
    assert [row["question_id"] for row in rows if official_score_pair(row["text"]).failed] == [68, 69, 70]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", "0.5"),
        (" 1.0\n", "1"),
        ("0", "0"),
        ("**0.7**", "0.7"),
        ("Score: 0.3", "0.3"),
        ("The answer has 1 of 2 elements.\nScore: 0.5", "0.5"),
        ("0.5 (half of it)", "0.5"),
        ("Correctness: .9", "0.9"),
        ("Score: 0.7 out of 1", "0.7"),
        ("On the scale of 0.0 to 1.0 it is 0.4.", "0.4"),
        ("2-3 elements are there.\nScore: 0.6", "0.6"),
        ("Score: 0.7 of 1.0.", "0.7"),
        ("Score: 0.5, as half of it is there.", "0.5"),
    ],
)
def test_scores_between_0_and_1(text: str, value: str) -> None:
    assert unit_score(text).value == value


@pytest.mark.parametrize("text", ["", "good", "7", "0.5 or 0.7", "50%", "1/2", "-0.5", "1.5", "<think>0.5",
                                  "Score: 0,5", "0,5", "Score: 1 out of 10", "Score: 1 of 2 elements",
                                  "Score: 0.5-0.6", "Score: 0.5 to 0.6"])  # fmt: skip
def test_no_score_between_0_and_1_is_a_failure(text: str) -> None:
    assert unit_score(text).failed


@pytest.mark.parametrize(
    "text", ["0" * 100_000, "<think>" * 20_000, "7 " * 50_000, "7-" * 50_000, "(7," * 30_000]
)
def test_a_judge_that_goes_round_in_circles_is_a_failure_at_once(text: str) -> None:
    assert unit_score(text).failed and score_pair(text).failed  # not in minutes: the suite would show it


def test_thinking_that_never_ends_says_nothing() -> None:
    assert spoken("<think>a</think> b") == "b"
    assert spoken("<thinking>a b") == ""
