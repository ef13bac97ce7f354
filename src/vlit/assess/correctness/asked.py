"""Answers to questions that people asked about the same image: VQA's and A-OKVQA's annotations as ground truth.

A question of a sample is one of the scene's when it holds the same words in the same order. With options, the
answer must choose the right one. Otherwise the answer is supported when it gives an answer that at least
three of ten people gave (VQA's full score), and contradicted only where the people agree (at least 70 % the
same) on a yes, a no or a number and it gives another one.
"""

from __future__ import annotations

import re

from vlit.assess.correctness.answers import Question, chosen, plain
from vlit.assess.correctness.claims import value_of
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, contradicted
from vlit.data.scene import Question as Asked

_AGREE = 0.7


def judge_asked(facts: Facts, question: Question, answer: str) -> Judgement | None:
    """Compare an answer with those of people; ``None`` where nobody asked that question."""
    if not facts.scene.questions:
        return None
    words = f" {plain(question.text)} "
    # The longest first: one question may stand inside another.
    for asked in sorted(facts.scene.questions, key=lambda q: -len(q.text)):
        stem = plain(asked.text)
        if stem and f" {stem} " in words:
            return _judge(asked, question, answer)
    return None


def _judge(asked: Asked, question: Question, answer: str) -> Judgement:
    option = chosen(question, answer) if question.options else None
    said = plain(option if option is not None else answer)
    if asked.correct is not None and question.options:
        right = plain(asked.choices[asked.correct])
        if said == right or (option is None and f" {right} " in f" {said} "):
            return SUPPORTED
        wrong = [c for c in asked.choices if plain(c) != right and f" {plain(c)} " in f" {said} "]
        why = f"answers {wrong[0]!r}; the right choice is {asked.choices[asked.correct]!r}" if wrong else ""
        return contradicted(why) if why else UNVERIFIABLE
    for given in asked.answers:
        if (given.count >= 3 or given is asked.answers[0]) and f" {plain(given.text)} " in f" {said} ":
            return SUPPORTED
    return _against_the_majority(asked, said)


def _against_the_majority(asked: Asked, said: str) -> Judgement:
    if not asked.answers:
        return UNVERIFIABLE
    top, people = asked.answers[0], sum(a.count for a in asked.answers)
    if people < 3 or top.count < _AGREE * people:
        return UNVERIFIABLE
    expected, given = _sign(plain(top.text)), _sign(said)
    if expected is None or given is None or type(expected) is not type(given) or expected == given:
        return UNVERIFIABLE
    return contradicted(
        f"answers {given} to {asked.text!r}; {top.count} of {people} people answered {top.text!r}"
    )


def _sign(text: str) -> str | int | None:
    """The yes, no or number that an answer is, if it is one."""
    first = re.match(r"(yes|no)\b", text)
    if first:
        return first[1]
    numbers = [n for word in text.split() if (n := value_of(word)) is not None]
    return numbers[0] if len(numbers) == 1 else None
