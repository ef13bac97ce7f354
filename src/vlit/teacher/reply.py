"""What comes of asking: choices that were paid, or the reason why there is none."""

from __future__ import annotations

from typing import Literal

import msgspec


class Token(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One token of a reply, with what else could have stood there."""

    text: str
    logprob: float  #: natural logarithm of its probability
    top: tuple[tuple[str, float], ...] = ()  #: the likeliest tokens with the same, as the server orders them


class Choice(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One reply. ``finish`` is the server's word: "stop", "length" (cut), "content_filter"."""

    text: str
    finish: str | None = None
    tokens: tuple[Token, ...] = ()  #: there where probabilities were asked for, and the server tells them


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens as the server counted them; ``measured`` is false where they are our upper bound."""

    prompt: int = 0
    completion: int = 0
    measured: bool = True

    @property
    def total(self) -> int:
        """All tokens."""
        return self.prompt + self.completion


#: Why a request has no reply, for good: other requests may go on.
FailureKind = Literal[
    "too_long",  # the context does not fit: shorten it and ask again
    "filtered",  # the server's content filter refused it
    "refused",  # any other 4xx about this request alone
    "unreachable",  # every attempt failed in transport or with 5xx until the deadline
    "malformed",  # the server answered what is no chat completion
]


class Failure(msgspec.Struct, frozen=True, gc=False):
    """Why there is no reply."""

    kind: FailureKind
    reason: str  #: in words, with status and what the server said


class BudgetSpent(Exception):
    """The next call could pass the budget; it was not made. What was answered is in the journal."""
