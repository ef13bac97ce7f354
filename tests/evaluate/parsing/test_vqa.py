"""VQA's and EvalAI's normalisers against the scripts' own results, their quirks by name, and soft accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.evaluate.parsing.vqa import (
    ALWAYS,
    EVALAI,
    VIZWIZ,
    VQA,
    dropping,
    evalai,
    punctuation,
    soft_accuracy,
    vqa,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "vqa_short.json"


@pytest.mark.parametrize(("text", "own", "processed"), json.loads(GOLDEN.read_text(encoding="utf-8"))["pairs"])
def test_normalised_as_the_scripts_do(text: str, own: str, processed: str) -> None:
    assert vqa(text) == own
    assert evalai(text) == processed


def test_quirk_of_vqa_the_look_behind_of_periods_is_a_typo() -> None:
    assert vqa("5.") == "5", "a digit before was meant to save the period"
    assert vqa("3.5") == "3.5"
    assert vqa("v.2") == "v.2"
    assert vqa("U.S.A.") == "usa"


def test_quirk_of_vqa_a_flag_is_passed_as_the_number_of_periods() -> None:
    assert vqa("." * 40 + "x") == "." * 8 + "x"


def test_quirk_of_vqa_marks_beside_a_blank_anywhere_are_deleted_everywhere() -> None:
    assert punctuation("a-b") == "a b"
    assert punctuation("a-b - c") == "ab  c"
    assert punctuation("1,000 a/b") == "1000 ab"
    assert punctuation("10:10 o'clock") == "10:10 o'clock"


def test_quirk_of_vqa_none_is_zero_and_an_article_is_nothing() -> None:
    assert vqa("None") == vqa("zero") == "0"
    assert vqa("Ten") == "10"
    assert vqa("eleven") == "eleven"
    assert vqa("The") == vqa("a") == ""


def test_quirk_of_vqa_contractions() -> None:
    assert vqa("dont") == "don't"
    assert vqa("couldnt've") == vqa("couldn'tve") == "couldn't've"
    assert vqa("couldntve") == "couldntve", "with two apostrophes missing it is unknown"
    assert vqa("somebody'd") == "somebodyd", "the wrong way round in the script"
    assert vqa("Im") == "im", "the table has capitals, and the text has none any more"


def test_quirk_of_evalai_commas_are_joined_and_possessives_set_apart() -> None:
    assert evalai("a,b") == "ab"
    assert vqa("a,b") == "b"
    assert evalai("dog's") == "dog 's"


def test_quirk_of_vqa_nothing_is_normalised_where_all_people_agree() -> None:
    agreed, split = ["yes"] * 10, ["yes"] * 9 + ["yea"]
    for rule, worth in ((VQA, 0.0), (ALWAYS, 1.0), (EVALAI, 1.0)):
        assert rule.score(rule.parse("Yes.", agreed).value, agreed) == worth
        assert rule.score(rule.parse("Yes.", split).value, split) == 1.0
    assert VQA.score(VQA.parse(" yes\n", agreed).value, agreed) == 1.0


@pytest.mark.parametrize(("matches", "worth"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_soft_accuracy_is_the_mean_over_nine_of_ten_people(matches: int, worth: float) -> None:
    people = ["cat"] * matches + [f"other {n}" for n in range(10 - matches)]
    assert soft_accuracy("cat", people) == pytest.approx(worth)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.sampled_from("abcd"))
def test_soft_accuracy_equals_leaving_each_person_out(people: list[str], value: str) -> None:
    each = [
        min(1.0, sum(other == value for j, other in enumerate(people) if j != i) / 3)
        for i in range(len(people))
    ]
    assert soft_accuracy(value, people) == pytest.approx(sum(each) / len(each))
    ids = [(answer, str(n)) for n, answer in enumerate(people)]
    assert dropping(value, ids) == pytest.approx(sum(each) / len(each)), "with ids nothing is dropped"


def test_quirk_of_vqa_without_answer_ids_equal_records_are_dropped_together() -> None:
    answers, sure = ["cat"] * 10, ["yes"] * 10
    assert VQA.score("cat", answers, sure) == 0.0, "all agree, and nobody is left to agree with"
    assert VQA.score("cat", answers) == 1.0
    # Seven sure cats, two unsure ones, one dog: without a sure cat 2/3, without an unsure one or the dog 1.
    mixed, confidence = ["cat"] * 9 + ["dog"], ["yes"] * 7 + ["maybe"] * 2 + ["yes"]
    assert VQA.score("cat", mixed, confidence) == pytest.approx((7 * 2 / 3 + 2 + 1) / 10)
    assert VIZWIZ.score("cat", mixed, confidence) == 1.0


def test_quirk_of_vizwiz_peoples_answers_are_not_normalised() -> None:
    people = ["a dog"] * 5 + ["dog"] * 5
    assert VIZWIZ.score(VIZWIZ.parse("a dog", people).value, people) == 1.0, "five plain dogs are enough"
    only = ["the cat"] * 9 + ["dog"]
    assert VIZWIZ.score(VIZWIZ.parse("the cat", only).value, only) == 0.0
    assert ALWAYS.score(ALWAYS.parse("the cat", only).value, only) == 1.0


def test_an_empty_answer_is_wrong_even_where_people_said_an_article() -> None:
    people = ["a"] * 5 + ["the"] * 5
    for rule in (VQA, VIZWIZ, EVALAI, ALWAYS):
        parsed = rule.parse(" \n", people)
        assert parsed.failed
        assert parsed.rule == "empty answer"
        assert rule.score(parsed.value, people) == 0.0
    assert ALWAYS.score(ALWAYS.parse("A", people).value, people) == 1.0, "an article is an answer"


@given(st.text(max_size=60))
def test_any_text_is_normalised_to_single_blanks(text: str) -> None:
    for found in (vqa(text), evalai(text)):
        assert found == " ".join(found.split())


def test_no_people_is_worth_nothing() -> None:
    assert soft_accuracy("a", []) == dropping("a", []) == VQA.score("a", []) == 0.0
