"""Replies: the form that a teacher is told, the tolerant reading of what came, the contract it is held to."""

from vlit.generate.instruct.replies.contract import (
    KINDS,
    REPAIRS,
    Conversation,
    Flaw,
    FlawKind,
    Flaws,
    Parsed,
    Repair,
    feedback,
)
from vlit.generate.instruct.replies.parse import parse
from vlit.generate.instruct.replies.wording import wording

__all__ = [
    "KINDS",
    "REPAIRS",
    "Conversation",
    "Flaw",
    "FlawKind",
    "Flaws",
    "Parsed",
    "Repair",
    "feedback",
    "parse",
    "wording",
]
