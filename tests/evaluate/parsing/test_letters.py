"""The letter that an answer states: our rule and the published ones, each quirk by its name."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlit.evaluate.parsing import letters
from vlit.evaluate.question import Answered, Parsed, Question, Scored

ANIMALS = ("cat", "dog", "a red bird", "none of these")
GOLDEN = Path(__file__).parents[2] / "golden" / "adversarial_letters.json"


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        (" B.\n", "B"),
        ("(b)", "B"),
        ("**B**", "B"),
        ("Ｂ。", "B"),
        ("B. dog", "B"),
        ("B) a dog, I think", "B"),
        ("B because it barks", "B"),
        ("B - dog", "B"),
        ("B (dog)", "B"),
        ("I think it is B.", "B"),
        ("It's a red bird.", "C"),
        ("A: cat", "A"),
        ("The answer is B", "B"),
        ("the answer is b.", "B"),
        ("The correct answer is option (B), dog.", "B"),
        ("Answer: B", "B"),
        ("The answer to the question is B.", "B"),
        ("I would choose B.", "B"),
        ("Option B is correct.", "B"),
        ("答案是B", "B"),
        ("选B", "B"),
        ("$\\boxed{B}$", "B"),
        ("It is a dog (B).", "B"),
        ("It barks.\n\nB", "B"),
        ("dog", "B"),
        ("A red bird.", "C"),
        ("The answer is dog.", "B"),
        ("The answer is A. No, wait: the answer is B.", "B"),
        ("I am not sure, but the answer is B", "B"),
        ("The answer is B, not A.", "B"),
        ("<think>A? The answer is A.</think>B", "B"),
        ("word " * 5000 + "The answer is B.", "B"),
    ],
)
def test_what_is_stated_is_understood(answer: str, letter: str) -> None:
    assert letters.decided(answer, ANIMALS).value == letter


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("A or B", "several letters"),
        ("A, B", "several letters"),
        ("The answer is A or B.", "several letters"),
        ("(A) or (B)", "several letters"),
        ("Answer: none", "no decided statement"),
        ("E", "letter beyond the options"),
        ("The answer is F.", "letter beyond the options"),
        ("B. cat", "letter and content disagree"),
        ("A dog is in the picture", "no decided statement"),
        ("A man is sitting on a bench.", "no decided statement"),
        ("The answer is a mystery", "no decided statement"),
        ("The answer is not B", "no decided statement"),
        ("I don't think the answer is B", "no decided statement"),
        ("If the answer is B then it barks", "no decided statement"),
        ("The answer cannot be determined", "no decided statement"),
        ("U.S. history", "no decided statement"),
        ("A. cat\nB. dog\nC. a red bird\nD. none of these", "no decided statement"),
        ("word " * 5000, "no decided statement"),
        ("<think>The answer is B", "the reasoning has no end"),
        ("B-52", "no decided statement"),
        ("It is A dog", "no decided statement"),
        ("Option B is wrong.", "no decided statement"),
        ("Both A and B are correct", "no decided statement"),
        ("A and B", "several letters"),
        ("B?", "no decided statement"),
        ("cat and dog", "no decided statement"),
    ],
)
def test_what_is_not_stated_is_never_guessed(answer: str, why: str) -> None:
    parsed = letters.decided(answer, ANIMALS)
    assert parsed.failed and parsed.rule == why, parsed


def test_options_that_are_letters_or_alike() -> None:
    assert letters.decided("A.", ("D", "B", "A", "C")).value == "A"  # the letter was asked for
    assert letters.decided("same", ("same", "Same.")) == Parsed(None, "several contents")
    assert letters.decided("2", ("1", "2")).value == "B"


@given(st.text(), st.lists(st.text(), min_size=2, max_size=6))
@example("ß", ["", ""])
@example("(ı)", ["", ""])
@example("The answer is \u212a.", ["", ""])
def test_every_rule_takes_every_text(answer: str, options: list[str]) -> None:
    known = string.ascii_uppercase[: len(options)]
    for rule in (letters.decided, letters.exact, letters.science_qa, letters.lone):
        parsed = rule(answer, options)
        assert parsed.value is None or parsed.value in known
        assert parsed.rule


@given(
    st.sampled_from("ABCD"), st.sampled_from(["{}", "({})", "{}.", "The answer is {}.", "Answer: {}", "**{}**"])
)
def test_a_letter_is_the_same_in_every_dress(letter: str, dress: str) -> None:
    assert letters.decided(dress.format(letter), ANIMALS).value == letter


@given(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=5), st.text(alphabet=" .\n", max_size=3))
def test_the_last_statement_counts(stated: list[str], space: str) -> None:
    answer = " ".join(f"The answer is {letter}.{space}" for letter in stated)
    assert letters.decided(answer, ANIMALS).value == stated[-1]


def test_llava_takes_the_bare_letter_alone_for_seed() -> None:
    assert letters.exact("B", ANIMALS).value == "B"
    for other in ("B.", "b", "B. dog", "The answer is B", " B", ""):
        assert letters.exact(other, ANIMALS).failed


def test_llava_fails_for_science_qa_what_is_not_in_its_three_forms() -> None:
    assert letters.science_qa("B", ANIMALS).value == "B"
    assert letters.science_qa("B. dog", ANIMALS).value == "B"
    assert letters.science_qa("So it is. The answer is B.", ANIMALS).value == "B"
    assert letters.science_qa("The answer is B!", ANIMALS).value == "B"  # the full stop stands for anything
    for failed in ("B.", "b", "The answer is B", "The answer is B. The answer is B.", "the answer is B."):
        assert letters.science_qa(failed, ANIMALS) == Parsed(None, "FAILED")
    assert letters.science_qa("E", ANIMALS) == letters.BEYOND


def test_the_lone_letter_may_be_an_article() -> None:
    assert letters.lone("A dog is there", ANIMALS).value == "A"
    assert letters.lone("The answer is B", ANIMALS).value == "B"
    assert letters.lone("A wall. The answer is B", ANIMALS).failed  # two letters, and no content
    assert letters.lone("A big dog. The answer is C", ANIMALS).value == "B"  # the content decides against both
    assert letters.lone("b", ANIMALS).failed
    assert letters.lone("party", ("art", "sport")).value == "A"
    assert letters.lone("D. One", ("", "Two", "One")).value == "C"  # a choice lost as "None" moves no letter


def test_other_rules_score_the_same_answers() -> None:
    def row(text: str, losses: tuple[float, ...] = ()) -> Scored:
        question = Question(id=text, prompt="?", options=ANIMALS, references=("B",))
        said = Answered(question=question, text=text, losses=losses)
        return Scored(said, letters.decided(text, ANIMALS), 1.0)

    rows = [row("B."), row("B"), row("", (1.0, 0.5, 2.0, 3.0))]
    assert [r.value for r in letters.rescored(rows, letters.exact)] == [0.0, 1.0, 1.0]


def _golden() -> list[Any]:
    return list(json.loads(GOLDEN.read_text(encoding="utf-8"))["answers"])


@pytest.mark.parametrize("case", _golden(), ids=lambda case: str(case["name"]))
def test_adversarial_answers(case: dict[str, Any]) -> None:
    """Ours as decided by hand; the published rules as the harnesses' own functions gave them."""
    text, options = case["text"] * case.get("times", 1) + case.get("then", ""), case["options"]
    assert letters.decided(text, options).value == case["ours"], case["why"]
    assert letters.lone(text, options).value == case["vlmevalkit_2024"]


def test_there_are_enough_of_them() -> None:
    assert len({case["name"] for case in _golden()}) >= 100
