"""Multiple-choice questions: what is surely understood is turned, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.data.sample import Sample, Turn
from vlit.formats.choices import choices_of, times, turned

LINES = "What is it?\nA. dog\nB. cat\nC. traffic light\nAnswer with the option's letter directly."


def talk(*texts: str) -> Sample:
    roles = ("user", "assistant")
    return Sample(id="x", turns=tuple(Turn(role=roles[n % 2], text=t) for n, t in enumerate(texts)))


@pytest.mark.parametrize(
    ("question", "answer", "turned_question", "turned_answer"),
    [
        (
            LINES,
            "B",
            LINES.replace("A. dog\nB. cat\nC. traffic light", "A. cat\nB. traffic light\nC. dog"),
            "A",
        ),
        (
            LINES,
            "A",
            LINES.replace("A. dog\nB. cat\nC. traffic light", "A. cat\nB. traffic light\nC. dog"),
            "C",
        ),
        ("Q?\n(A) one\n(B) two", "(B)", "Q?\n(A) two\n(B) one", "(A)"),
        ("Q?\nA) one\nB) two", "B) two", "Q?\nA) two\nB) one", "A) two"),
        ("Q?\nA: one\nB: two\n", "The answer is A.", "Q?\nA: two\nB: one\n", "The answer is B."),
        ("Q?\nOptions: (A) one (B) two", "B. two", "Q?\nOptions: (A) two (B) one", "A. two"),
        ("Q?\nA. dog\nB. A cat", "B is correct: a cat.", "Q?\nA. A cat\nB. dog", "A is correct: a cat."),
        ("Q?\nA. a dog\nB. a cat", "A dog.", "Q?\nA. a cat\nB. a dog", "A dog."),
        ("Q?\r\nA. one\r\nB. two\r\n", "B", "Q?\r\nA. two\r\nB. one\r\n", "A"),
        ("Q?\nA. one\nB. two", "It is A, one.", "Q?\nA. two\nB. one", "It is B, one."),
    ],
)
def test_choices_move_and_the_letter_with_them(
    question: str, answer: str, turned_question: str, turned_answer: str
) -> None:
    sample = talk(question, answer)
    assert times(sample.turns) > 1
    assert [t.text for t in turned(sample, 1).turns] == [turned_question, turned_answer]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is it?", "A dog."),
        ("Is A. Smith in it?\nB. Jones?", "B"),
        ("Q?\nA. one", "A"),
        ("Q?\nA. one\nC. two", "A"),
        ("Q?\nA. one\n\nB. two", "A"),
        ("Q?\nA. one\nB. two\nQ2?\nA. three\nB. four", "A"),
        ("Q?\nA. one\nB. two\nC. all of the above", "C"),
        ("Q?\nA. one\nB. two\nC. Both A and B", "C"),
        ("Q?\nA. one\nB. none of these", "B"),
        ("Q?\nA. one\nB. one", "A"),
        ("Q?\nA. one\nB. two", "C"),
        ("Q?\nA. one\nB. two", "Neither."),
        ("Q?\nA. dog\nB. cat", "A dog is on the left."),
        ("Q?\nA. dog\nB. cat", "Not A, but B."),
        ("Q?\nA. dog\nB. cat", "B. Because of the ears."),
        ("Which letter is on the sign?\nA. B\nB. X", "B"),
        ("Q?\nA. \nB. cat", "B"),
    ],
)
def test_what_is_not_sure_is_asked_once(question: str, answer: str) -> None:
    assert choices_of(question, answer) is None
    assert times(talk(question, answer).turns) == 1


def test_a_conversation_is_repeated_where_all_its_questions_have_choices() -> None:
    both = talk(LINES, "B", "Q?\nA. one\nB. two", "A")
    assert times(both.turns) == 3
    assert [t.text for t in turned(both, 2).turns[1::2]] == ["C", "A"]
    assert times(talk(LINES, "B", "And why?", "Because.").turns) == 1


WORDS = st.text(st.sampled_from("abcdexyz "), min_size=1, max_size=12).filter(lambda w: len(w.strip()) > 1)


@given(st.lists(WORDS, min_size=2, max_size=6, unique_by=lambda w: w.strip()), st.data())
def test_every_turn_asks_the_same_and_the_turns_come_round(choices: list[str], data: st.DataObject) -> None:
    choices = [c.strip() for c in choices]
    lines = "\n".join(f"{letter}. {c}" for letter, c in zip("ABCDEF", choices, strict=False))
    right = data.draw(st.integers(0, len(choices) - 1))
    sample = talk(f"<image>\nWhich?\n{lines}\nOne letter, please.", "ABCDEF"[right])
    assert times(sample.turns) == len(choices)
    seen = set()
    for by in range(len(choices)):
        question, answer = (t.text for t in turned(sample, by).turns)
        found = choices_of(question, answer)
        assert found is not None
        assert sorted(found.texts) == sorted(choices)
        assert found.texts[found.correct] == choices[right]
        seen.add(answer)
    assert len(seen) == len(choices)
    assert turned(sample, 0) == sample == turned(sample, len(choices))


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_is_too_odd(question: str, answer: str) -> None:
    sample = talk(question, answer)
    assert times(sample.turns) >= 1
    turned(sample, 1)
