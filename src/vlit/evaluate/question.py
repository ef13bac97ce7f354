"""The nouns of evaluation: a question, what a model said, what was understood, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from vlit.data.scene import Image


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question, with everything that its answer is scored by: answers can be scored without the files.

    ``prompt`` holds one ``<image>`` for each image where the image is seen, as in a ``Turn``.
    """

    id: str  #: as in the official files; of a rotation (circular evaluation) with ``#1`` ... behind it
    prompt: str  #: exactly what the model is asked
    images: tuple[Image, ...] = ()
    options: tuple[str, ...] = ()  #: contents of the options in the order shown; their letters are A, B ...
    references: tuple[str, ...] = ()  #: what is right: a letter, yes or no, or the answers of people
    groups: Mapping[str, str] = {}  #: e.g. {"dimension": "Scene Understanding"}; scores are told for each value
    unit: str = ""  #: questions that stand or fall together, such as those of an image in MME; else empty
    extra: Mapping[
        str, Any
    ] = {}  #: what an official rule or a submission needs beside these, JSON values alone


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model said to a question: a line of ``answers.jsonl``."""

    question: Question
    text: str | None = None  #: as it was said; ``None`` where it was not asked, or ranked
    losses: tuple[float, ...] = ()  #: of ranking: the loss of each option, in nats; the lowest is the answer
    problem: str = ""  #: why it was not asked: a photo that cannot be opened, a call that failed
    tokens: int = 0  #: that the model said


@dataclass(frozen=True)
class Parsed:
    """What was understood of an answer."""

    value: str | None  #: in the benchmark's terms, e.g. "B" or "yes"; ``None``: it cannot be told
    rule: str = ""  #: which rule understood it; for ``None`` why none did

    @property
    def failed(self) -> bool:
        """Whether nothing was understood. Such an answer is wrong and counted, never guessed."""
        return self.value is None


@dataclass(frozen=True)
class Scored:
    """An answer with its worth."""

    answered: Answered
    parsed: Parsed
    value: float | None  #: usually 0 to 1; ``None`` where it cannot be scored at all, such as by a failed judge

    @property
    def question(self) -> Question:
        """What was asked."""
        return self.answered.question
