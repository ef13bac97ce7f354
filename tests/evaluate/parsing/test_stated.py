"""Nasty answers to multiple choice: nothing plain is missed, and nothing is counted that was not stated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.evaluate.parsing.spoken import spoken
from vlit.evaluate.parsing.stated import decided
from vlit.evaluate.question import Parsed

ANIMALS = ("cat", "dog", "a red bird", "none of these")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("I first thought A, but on reflection the answer is C.", "C"),
        ("The answer is A.\nWait, looking again, it barks.\nSo B.", "B"),
        ("1. There is fur.\n2. It barks.\nTherefore, the correct option is B.", "B"),
        ("A. No wait, B.", "B"),
        ("A... no, B", "B"),
        ("Option A is wrong, so B.", "B"),
        ("A is wrong and B is correct", "B"),
        ("B) is incorrect, A) is correct.", "A"),
        ("The answer is not A but B.", "B"),
        ("Since the answer is not A, B, or C, it must be D", "D"),
        ("The answer is most likely B.", "B"),
        ("The answer is definitely (B)", "B"),
        ("The answer to this question is B.", "B"),  # the "is" of "this" is none
        ("the correct answer to this question is option b", "b"),
        ("Answer B", "B"),
        ("Ans: B", "B"),
        ("If I had to guess, B.", "B"),
        ("My best guess is B.", "B"),
        ("I think B", "B"),
        ("I'm going with B", "B"),
        ("That would be B", "B"),
        ("A (I think)", "A"),
        ("B, B", "B"),
        ("'B'", "B"),
        ("- B", "B"),
        ("-> B", "B"),
        ("B~", "B"),
        ("<answer>B</answer>", "B"),
        ("<thinking>A? It is A.</thinking><answer> B </answer>", "B"),
        ('{"answer": "B"}', "B"),
        ("B</s>", "B"),
        ("B<|im_end|>", "B"),
        ("ASSISTANT: B", "B"),
        ("<b>B</b><br>", "B"),
        ("$B$", "B"),
        ("\\(B\\)", "B"),
        ("$\\boxed{\\textbf{B}}$", "B"),
        ("\ufeff\u200bB\x00", "B"),
        ("\U0001d401", "B"),  # a mathematical bold B
        ("（Ｂ）", "B"),
        ("不是A，是B", "B"),
        ("不选A，选B", "B"),
        ("A不对，应该选B", "B"),
        ("正确选项是B。", "B"),
        ("A dog", "B"),
        ("the Dog.", "B"),
        ("Red bird", "C"),
        ("It is not a cat, it is a dog.", "B"),
        ("The answer is the dog, because it barks.", "B"),
        ("B. It barks.\n\nQuestion: What is next?\nAnswer: C", "B"),  # a model that asks itself
        ("A is right of B in the photo, so the answer is D.", "D"),
        ("The correct animal would be (B) dog, as it barks.", "B"),
        ("It barks (option B).", "B"),
        ("### Answer\nB", "B"),
        ("Most likely B.", "B"),
        ("Yes, B.", "B"),
        ("The correct letter is B.", "B"),
        ("\u2705 B", "B"),  # a tick
        ("Dog. It barks at the cat.", "B"),
    ],
)
def test_what_is_plain_is_read(answer: str, letter: str) -> None:
    assert decided(answer, ANIMALS).value == letter.upper()


@pytest.mark.parametrize(
    "answer",
    [
        "(B) is wrong",
        "B. is not correct",
        "Answer: B is wrong",
        "The only wrong answer is B",
        "The incorrect option is A.",
        "The answer is A. Actually, it is not A.",
        "Initially, the answer is A. But A is wrong.",
        "I don't think B",
        "Not A.",
        "不选A",
        "答案不是A",
        "A, no B",
        "A\nB\nC\nD",
        "Vitamin C is the best",
        "Hepatitis B is correct",
        "Plan B is the right one",
        "B is right of the car",
        "There is no B.",
        "It could be A or B.",
        "Eliminating A, B and C leaves little",
        "B. a cat",  # of another option, but for its article
        "B. the cat",
        "A: no\nB: yes",
        "I",
        "I see it",
        "second option",
        "Cat. Dog.",
        "A: cat B: dog",
        "A \u274c B \u2705",
        "Between A and B",
        "A or B? B?",
        "Dog bites man. No cat.",
        "It is not (B) dog, I think.",
        "It may be (B) a cat.",
        "It is A dog",
        "This is a horse.",
        "So I. think",
        "<thinking>The answer is B",
        "<answer></answer>",
    ],
)
def test_what_is_not_stated_is_not_counted(answer: str) -> None:
    assert decided(answer, ANIMALS).failed, decided(answer, ANIMALS)


def test_a_content_that_begins_with_a_letter_is_no_letter() -> None:
    scales = ("C major", "G major", "D major", "A minor")
    assert [decided(f"The answer is {one}.", scales).value for one in scales] == list("ABCD")
    assert decided("C. D major", scales) == Parsed("C", "letter and content")
    assert decided("The answer is C.", scales).value == "C"


def test_a_list_of_points_states_none_of_its_letters() -> None:
    forces = ("7522 lb", "6857 lb", "7522 lb and 1643 lb", "none")
    assert decided("(a) The preload is 7522 lb. (b) The force is 1643 lb.", forces).failed
    assert decided("a. 7.2 g\nb. 4000 mg\nd. The number of digits is 3.", forces).failed
    assert decided("(a) It is 7522 lb. (b) It is 1643 lb. The answer is C.", forces).value == "C"


def test_a_letter_that_was_asked_for_comes_before_an_option_of_that_name() -> None:
    options = ("B", "D", "A", "C")
    for answer in ("B", "(B).", "The correct answer is (B). It is there.", "B\n\nQuestion: And then?\nA"):
        assert decided(answer, options).value == "B", answer


def test_a_refusal_that_is_an_option_is_no_denial() -> None:
    options = ("red", "blue", "Cannot be determined", "is not there")
    assert decided("C. Cannot be determined", options).value == "C"
    assert decided("D. is not there", options).value == "D"


def test_numbers_are_the_same_in_words_and_in_digits() -> None:
    assert decided("Two", ("1", "2", "3")).value == "B"
    assert decided("2.", ("one", "two", "three")).value == "B"
    assert decided("It is three.", ("1", "2", "3")).value == "C"
    assert decided("two", ("2", "two")).value == "B"  # what equals one as it stands comes first
    for other in ("-1", "1.0", "22"):
        assert decided(other, ("1", "2")).failed, other


def test_contents_may_hold_marks() -> None:
    assert decided("<br>", ("<br>", "<p>")).value == "A"
    assert decided("$5", ("$5", "5")).value == "A"
    assert decided("__init__", ("init", "__init__")).value == "B"


def test_the_letter_i_needs_nine_options() -> None:
    assert decided("I", [str(number) for number in range(9)]).value == "I"
    assert decided("I see", [str(number) for number in range(9)]).failed


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<think>a</think> b", "b"),
        ("b <think>a", "b"),
        ("**b** `c` _d_ e_f", "b c d e_f"),
        ("# b\n> c\n- 1", "b\nc\n- 1"),  # "- 1" may be minus one
        ("x < y and y > z", "x < y and y > z"),
        ("<B>", "<B>"),
        ("$5 and $6", "$5 and $6"),
    ],
)
def test_the_dress_of_an_answer_is_taken_off(text: str, plain: str) -> None:
    assert spoken(text) == plain


@given(st.sampled_from("ABCD"), st.sampled_from(["", "Let me see.\n", "A bird sings. "]), st.booleans())
def test_what_is_denied_at_last_is_never_the_answer(letter: str, before: str, negated: bool) -> None:
    denial = f"it is not {letter}." if negated else f"{letter} is wrong."
    assert decided(f"{before}The answer is {letter}. No, {denial}", ANIMALS).value != letter


@given(st.text(alphabet="AaBb().:,- \n<>$\\{}'isnotanswer是选", max_size=60))
def test_any_text_gives_a_letter_or_a_reason(answer: str) -> None:
    found = decided(answer, ANIMALS)
    assert found.rule and (found.value is None or found.value in "ABCD")


@pytest.mark.parametrize(
    "piece", ["A", "(", " is not", "answer to ", "so ", "no, ", "<", "$", "\n", "B is ", "A and "]
)
def test_long_answers_state_nothing_by_their_length(piece: str) -> None:
    assert decided(piece * 5_000, ANIMALS).failed
