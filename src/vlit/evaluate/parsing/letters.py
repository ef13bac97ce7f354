"""The letter of an option in a free answer: our own strict rule, and the published ones beside it.

Each rule is a pure function of an answer and the contents of the options, in the order of their letters.
Ours is :func:`vlit.evaluate.parsing.stated.decided`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from vlit.evaluate.parsing.stated import BEYOND, EMPTY, decided, letter_of
from vlit.evaluate.question import Parsed, Scored

__all__ = ["BEYOND", "EMPTY", "Rule", "decided", "exact", "lone", "rescored", "science_qa"]

#: An answer and the contents of the options to the letter that is meant.
Rule = Callable[[str, Sequence[str]], Parsed]


def exact(text: str, options: Sequence[str]) -> Parsed:
    """LLaVA's rule for SEED-Bench: the answer is the letter and nothing else; "A." is wrong."""
    return letter_of(text, options) if re.fullmatch("[A-Z]", text) else Parsed(None, "not a bare letter")


def science_qa(text: str, options: Sequence[str]) -> Parsed:
    """LLaVA's rule for ScienceQA: "B", "B. ...", or "The answer is B." once; all else is FAILED, and wrong.

    Quirks: the full stop in "The answer is B." stands for any character; a bare "B." is FAILED, because a space
    has to follow the full stop; two statements are FAILED, even where both are equal; the case counts.
    """
    letters = "ABCDE"
    if len(text) == 1 and text in letters:
        return letter_of(text, options)
    if len(text) >= 3 and text[0] in letters and text[1:3] == ". ":
        return letter_of(text[0], options)
    found = re.findall(r"The answer is ([A-Z]).", text)
    return letter_of(found[0], options) if len(found) == 1 else Parsed(None, "FAILED")


def lone(text: str, options: Sequence[str]) -> Parsed:
    """The only option letter that is a word of its own, else the only option whose content occurs in the text.

    The rule of VLMEvalKit before a judge is asked; scores on public leaderboards were made with it. Quirks: "A"
    that is an article counts as a letter; "a" and "b." do not; with two letters the content decides, wherever
    it stands, and inside other words too ("art" occurs in "party"). An empty option is none of the choices:
    tables read by pandas lose options that are called "None".
    """
    choices = {chr(ord("A") + i): option.lower() for i, option in enumerate(options) if option}
    if any(phrase in text for phrase in _REFUSALS):
        return Parsed(None, "refused")
    words = set(text.translate(_TO_SPACES).split())
    if len(found := [letter for letter in choices if letter in words]) == 1:
        return Parsed(found[0], "lone letter")
    if not found and "Z" in words:
        return Parsed(None, "Z: none of the options")
    lowered = text.lower()
    named = [letter for letter, option in choices.items() if option in lowered]
    return Parsed(named[0], "only content") if len(named) == 1 else Parsed(None, "no single letter or content")


_TO_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REFUSALS = (
    "Failed to obtain answer via API",
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)


def rescored(rows: Sequence[Scored], rule: Rule) -> list[Scored]:
    """The same answers by another rule: right where its letter is the reference. Ranked ones stay."""
    return [row if row.answered.problem or row.answered.losses else _by(row, rule) for row in rows]


def _by(row: Scored, rule: Rule) -> Scored:
    parsed = rule(row.answered.text or "", row.question.options)
    value = None if row.value is None else float(parsed.value in row.question.references)
    return replace(row, parsed=parsed, value=value)
