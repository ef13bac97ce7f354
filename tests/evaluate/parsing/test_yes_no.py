"""Yes or no in free answers: the official quirks by name, and where reading the whole answer differs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.evaluate.parsing.yes_no import mme, pope, pope_official, whole_answer


@pytest.mark.parametrize(
    ("text", "official", "whole"),
    [
        ("Yes", "yes", "yes"),
        ("no.", "no", "no"),
        ("Yes, there is no person in the picture.", "yes", "yes"),
        (" yes", "yes", "yes"),
    ],
)
def test_plain_answers_mean_the_same_to_mme_and_to_us(text: str, official: str, whole: str) -> None:
    assert mme(text).value == official
    assert whole_answer(text).value == whole


def test_quirk_of_mme_parts_of_words_in_the_first_four_characters_count() -> None:
    assert mme("None of them").value == mme("Now I see it").value == mme("Snow").value == "no"
    assert mme("Eyes").value == "yes"
    assert whole_answer("Now I see it").failed
    assert whole_answer("Snow").failed
    assert whole_answer("Eyes").failed


def test_quirk_of_mme_what_follows_the_first_four_characters_is_not_read() -> None:
    assert mme("The answer is yes.").failed
    assert mme("  yes").failed
    assert whole_answer("The answer is yes.").value == "yes"
    assert whole_answer("  yes").value == "yes"


def test_quirk_of_mme_yes_is_looked_for_before_no() -> None:
    assert mme("noyes").failed is False
    assert mme("nyes").value == "yes"


def test_quirk_of_mme_tabs_and_line_breaks_that_the_script_stumbles_over_are_scored() -> None:
    assert mme("Yes,\tit is").value == "yes"
    assert mme("No\nbecause").value == "no"


def test_quirk_of_pope_everything_that_is_no_no_is_a_yes() -> None:
    for text in ("", "   ", "I see a dog", "maybe", "The image shows a kitchen"):
        assert pope_official(pope(text)) == "yes"
        assert pope(text).failed, "counted, though the official number takes it for a yes"
        assert whole_answer(text).failed


def test_quirk_of_pope_case_and_marks_hide_a_no() -> None:
    for text in ("NO", "No!", '"No"', "No\nthere is none", "no;"):
        assert pope_official(pope(text)) == "yes"
        assert pope(text).failed
        assert whole_answer(text).value == "no"


def test_quirk_of_pope_only_the_first_sentence_is_read_and_commas_are_removed() -> None:
    assert pope("No, there is a car.").value == "no"
    assert pope("There is a car. No, wait").failed
    assert pope("There,not here").failed  # the comma is removed, not replaced: "Therenot"
    assert pope("Yes. No").value == "yes"


def test_quirk_of_pope_a_no_anywhere_in_the_sentence_wins() -> None:
    assert pope("Yes, there is no doubt").value == "no"
    assert whole_answer("Yes, there is no doubt").value == "yes"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("There isn't a dog", "no"),
        ("there is not a dog", "no"),
        ("I would say no", "no"),
        ("It is a yes", "yes"),
        ("Nope", "no"),
        ("**Yes**", "yes"),
        ("No, I cannot see one", "no"),
        ("yes or no", None),
        ("Yes/No", None),
        ("No and yes", None),
        ("it could be yes, it could be no", None),
        ("I am not sure", None),
        ("cannot tell", None),
        ("I do not know", None),
        ("?!", None),
        ("42", None),
        ("", None),
        ("ja", None),
        ("maybe " * 5000, None),
        ("Ｙｅｓ", "yes"),
        ("<think>Is there no dog?</think>Yes", "yes"),
        ("<think>yes, but", None),
        ("\\boxed{No}", "no"),
        ("Yes, no dog is missing.", "yes"),
        ("The photo does not show a dog, so no.", "no"),
        ("There is no dog and no cat", "no"),
        ("No, it does not, no.", "no"),
        ("Not no.", None),
        ("It's not a no", None),
        ("It is not true that there is no dog.", None),
        ("I don't think there isn't a dog, not at all", None),
        ("There is no doubt that there is a dog.", None),
        ("No doubt, there is one.", None),
        ("Yes, but no.", None),
        ("Yes.\n\nQuestion: Is it blue?\nAnswer: No.", "yes"),
        ("Question: Is it blue?\nAnswer: No.", "no"),
        ("Yes. No, wait: no.", None),
        ("Yes... actually no.", None),
        ("No, wait, yes.", None),
        ("yes\nno\nyes", None),
        ("I'm sorry, but I don't have the image.", None),
        ("Not applicable", None),
    ],
)
def test_the_whole_answer_is_read_and_never_guessed(text: str, value: str | None) -> None:
    assert whole_answer(text).value == value


def test_a_reason_is_given_for_each_failure() -> None:
    assert mme("").rule == pope("").rule == whole_answer("").rule == "empty answer"
    assert "first four" in mme("the answer").rule
    assert "takes it for a yes" in pope("perhaps").rule
    assert "both" in whole_answer("it could be yes, it could be no").rule


@given(st.text(max_size=40))
def test_rules_give_yes_no_or_a_reason_for_any_text(text: str) -> None:
    for rule in (mme, pope, whole_answer):
        found = rule(text)
        assert found.value in ("yes", "no", None)
        assert found.rule
