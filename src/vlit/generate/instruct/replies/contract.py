"""What comes of a reply: conversations or items that keep the contract, or what is wrong in it, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

FlawKind = Literal[
    "empty",
    "refusal",
    "truncated",
    "reasoning",
    "form",
    "too_few",
    "roles",
    "tokens",
    "placeholder",
    "tags",
    "boxes",
    "leak",
    "duplicate",
    "answers",
    "words",
    "negative",
]

#: Every kind of flaw with what it means, the gravest first: flaws of a reply come in this order.
KINDS: dict[FlawKind, str] = {
    "empty": "nothing came, or a question or an answer without text",
    "refusal": "the teacher refused, saw no image, or asked for the input that it had",
    "truncated": "cut off at the token limit, or ends in the middle of a sentence or pair",
    "reasoning": "thinks aloud instead of answering",
    "form": "not in the form that was asked for: no pairs, topics or items could be found",
    "too_few": "fewer pairs, topics or items than asked for",
    "roles": "questions and answers swapped or mixed, one without the other, or two in a row",
    "tokens": "a token of a chat template or of an image inside the text",
    "placeholder": "words of the form echoed in place of a question or an answer",
    "tags": "a reference <st>name<ed> [x1, y1, x2, y2] missing, broken, or with an invented box",
    "boxes": "coordinates or box tags where there may be none",
    "leak": "speaks of its source: captions, descriptions, annotations, boxes",
    "duplicate": "the same question or item twice",
    "answers": "an answer that is not one of those allowed",
    "words": "an answer that is too short or too long",
    "negative": "too few answers that begin with No",
}

Repair = Literal[
    "characters",
    "thinking",
    "tokens",
    "fence",
    "json",
    "preamble",
    "closing",
    "markdown",
    "image_token",
    "tags",
    "tail",
    "surplus",
    "left_out",
]

#: Everything that is put right without asking again, in the order in which it is done.
REPAIRS: dict[Repair, str] = {
    "characters": "invisible, control or broken characters removed",
    "thinking": "closed block of thinking removed",
    "tokens": "tokens of a chat template at an end removed",
    "fence": "Markdown fence around the reply removed",
    "json": "read as JSON",
    "preamble": "words before the first question, item or paragraph removed",
    "closing": "offer of more help at the end removed",
    "markdown": "headings, rules and emphasis around labels removed",
    "image_token": "image token at an end of a question removed",
    "tags": "box tags spelt in the one canonical way",
    "tail": "last pair or item, cut off, left out; enough whole ones remain",
    "surplus": "more than asked for: the first ones kept",
    "left_out": "flawed items, or a conversation from its first flawed pair on, left out; enough remain",
}


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """Questions with their answers, in order; ``topic`` where the form has one."""

    pairs: tuple[tuple[str, str], ...]
    topic: str | None = None


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A reply that keeps its contract.

    Attributes:
        conversations: One for the form `pairs`, one for each topic for `topics`.
        items: The items of a `list`; the one text of a `text`.
        repairs: Names of :data:`REPAIRS`, each once, in that order.
    """

    conversations: tuple[Conversation, ...] = ()
    items: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()


class Flaw(msgspec.Struct, frozen=True, gc=False):
    """One kind of thing that is wrong; ``said`` tells the teacher, in whole sentences."""

    kind: FlawKind
    said: str


#: At most one of each kind, in the order of :data:`KINDS`; never empty where a reply is refused.
Flaws: TypeAlias = tuple[Flaw, ...]


def feedback(flaws: Iterable[Flaw]) -> str:
    """The user message that sends a reply back with what is wrong in it."""
    said = "\n".join(f"- {flaw.said}" for flaw in flaws)
    return (
        f"Your last reply cannot be used, for this reason:\n{said}\n"
        "Write the whole reply again with that put right, in the form that I asked for, and nothing besides it."
    )
