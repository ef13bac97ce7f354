"""What a sample says is to be seen in its image: the sentences that deny nothing, and questions that hold so.

A question speaks of its image as well: "What is the man in the red shirt holding?" knows of a man. It counts
unless it is answered by no, none or 0 or by a denial, and unless it denies itself ("Which of these cannot be
seen?"). Of options only the chosen one counts, and none where the question asks for what is absent.

Limits: a sentence with a denial is left out whole, with what it affirms ("a man without a hat"); what is only
said to be likely counts as said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vlit.assess.correctness.answers import Question, read_question, sayings
from vlit.data.sample import Sample, strip_image_tokens
from vlit.language.mentions import lexicon

_DENIES = re.compile(
    r"\b(?:no|not|none|nor|neither|never|without|absent|missing|cannot|except|zero)\b|n['’]t\b", re.IGNORECASE
)
_NONE = re.compile(r"\W*(?:nope|0(?![.,:]?\d))\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?;\n]+")
_NO_LABELS = lexicon(())
_NO_QUESTION = Question("", {}, ())


def affirmed(sample: Sample) -> str:
    """The text of a sample that says what is there, a piece a line; empty where it says nothing of the kind."""
    found: list[str] = []
    question = _NO_QUESTION
    for turn in sample.turns:
        if turn.role == "user":
            question = read_question(strip_image_tokens(turn.text), _NO_LABELS)
        elif turn.role == "assistant":
            found += _affirmed(question, strip_image_tokens(turn.text))
            question = _NO_QUESTION
    return "\n".join(piece.strip() for piece in found)


def _affirmed(question: Question, answer: str) -> Iterator[str]:
    asks_for_absence = _DENIES.search(question.text) is not None
    if question.options and asks_for_absence:
        return
    first = _SENTENCE.search(answer)
    if not asks_for_absence and first is not None and not (_DENIES.search(first[0]) or _NONE.match(answer)):
        yield question.text
    for said in sayings(question, answer):
        if not _DENIES.search(said):
            yield said
        else:
            yield from (s for s in _SENTENCE.findall(said) if not _DENIES.search(s))
