"""Multiple-choice questions in the text of a conversation: found, and their choices turned on.

A question that is asked as often as it has choices, each time with another one in the first place, teaches no
preference for a letter. Only what is surely understood is turned: the choices stand on lines of their own
(``A. dog``, ``(A) dog``, ``A) dog``) or in one line (``(A) dog (B) cat``), their letters run from A, none of
them speaks of the others ("all of the above"), and the answer names one letter or the choice itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from vlit.data.sample import Sample, Turn

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LINE = re.compile(r"^[ \t]*(?:\(([A-Z])\)|([A-Z])[.):])[ \t]+(\S.*?)[ \t\r]*$", re.MULTILINE)
_INLINE = re.compile(r"\(([A-Z])\)[ \t]*([^\n]*?)(?=[ \t]*(?:\([A-Z]\)|$))", re.MULTILINE)
_OF_OTHERS = re.compile(
    r"\b(?:all|none|both|neither|either|some|any|most) of (?:the |these|them|those)"
    r"|\b(?:of|to) the (?:above|below)\b|(?<!\w)\(?[A-Z]\)?,? (?:and|or|nor|&) \(?[A-Z]\)?(?!\w)"
)
#: A letter that stands for a choice: with its mark, at the end, or followed by "is correct". Not the article.
_NAMED = re.compile(r"(?<![\w'’])([A-Z])(?=[.,:;)]|$| is (?:correct|right)\b)")
_SAID = re.compile(r"\banswer is \W*$", re.IGNORECASE)


@dataclass(frozen=True)
class Choices:
    """The choices of one question and its answer's letter.

    Args:
        spans: Where each choice's text stands in the question.
        texts: The choices.
        letter: Where the letter stands in the answer; None for an answer that repeats the choice.
        correct: Index of the choice that the answer names.
    """

    spans: tuple[tuple[int, int], ...]
    texts: tuple[str, ...]
    letter: int | None
    correct: int


def choices_of(question: str, answer: str) -> Choices | None:
    """The choices of a question; None where there are none or their place is not sure."""
    found = _runs(question)
    if len(found) != 1:
        return None
    spans = found[0]
    texts = tuple(question[a:b] for a, b in spans)
    plain = [_plain(t) for t in texts]
    letters = set(_LETTERS[: len(texts)])
    if any(_OF_OTHERS.search(t) for t in texts) or len(set(plain)) < len(plain):
        return None
    if any(p.upper() in letters for p in plain):  # does the answer "B" mean the letter, or what it stands for?
        return None
    if _plain(answer) in plain:
        return Choices(spans, texts, None, plain.index(_plain(answer)))
    named = [m for m in _NAMED.finditer(answer) if m[1] in letters]
    if len(named) != 1:
        return None
    place, correct = named[0].start(1), _LETTERS.index(named[0][1])
    rest = _plain(answer[:place] + answer[place + 1 :])
    if rest and plain[correct] not in rest and not _SAID.search(answer[:place]):
        return None
    return Choices(spans, texts, place, correct)


def times(turns: Sequence[Turn]) -> int:
    """How many choices the questions of a conversation have, at most; 1 where one of them has none."""
    most = 1
    for asked, answered in _rounds(turns):
        found = choices_of(asked.text, answered.text)
        if found is None:
            return 1
        most = max(most, len(found.texts))
    return most


def turned(sample: Sample, by: int) -> Sample:
    """The sample with the choices of each question moved up by ``by`` places, and the letters with them."""
    turns = list(sample.turns)
    for place in range(len(turns) - 1):
        asked, answered = turns[place : place + 2]
        if asked.role == "user" and (found := choices_of(asked.text, answered.text)):
            turns[place] = Turn(role=asked.role, text=_turned_question(asked.text, found, by))
            turns[place + 1] = Turn(role=answered.role, text=_turned_answer(answered.text, found, by))
    return msgspec.structs.replace(sample, turns=tuple(turns))


def _turned_question(text: str, found: Choices, by: int) -> str:
    pieces, end = [], 0
    for place, (start, stop) in enumerate(found.spans):
        pieces += [text[end:start], found.texts[(place + by) % len(found.texts)]]
        end = stop
    return "".join((*pieces, text[end:]))


def _turned_answer(text: str, found: Choices, by: int) -> str:
    if found.letter is None:
        return text
    letter = _LETTERS[(found.correct - by) % len(found.texts)]
    return text[: found.letter] + letter + text[found.letter + 1 :]


def _rounds(turns: Sequence[Turn]) -> list[tuple[Turn, Turn]]:
    return [(a, b) for a, b in pairwise(turns) if a.role == "user"]


def _runs(text: str) -> list[tuple[tuple[int, int], ...]]:
    """Where the choices of each question in a text stand: runs of letters from A, two at least."""
    runs: list[list[re.Match[str]]] = []
    for line in _LINE.finditer(text):
        before = runs[-1] if runs else []
        next_ = _LETTERS[len(before) % len(_LETTERS)]
        if before and _letter(line) == next_ and text[before[-1].end() : line.start()] == "\n":
            before.append(line)
        elif _letter(line) == "A":
            runs.append([line])
    found = [tuple(line.span(3) for line in run) for run in runs if len(run) > 1]
    return found or _inline(text)


def _letter(line: re.Match[str]) -> str:
    return line[1] or line[2]


def _inline(text: str) -> list[tuple[tuple[int, int], ...]]:
    found = list(_INLINE.finditer(text))
    if len(found) < 2 or [m[1] for m in found] != list(_LETTERS[: len(found)]) or not all(m[2] for m in found):
        return []
    return [tuple(m.span(2) for m in found)]


def _plain(text: str) -> str:
    """The text without marks around it, in lower case."""
    return text.strip().strip(".,:;()!").strip().lower()
