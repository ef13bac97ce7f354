"""One question to a judge, asked n times: replies are read strictly, unreadable ones are sent back once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from vlit.data.score import shown
from vlit.teacher.exchange import Conversation, Told, Wanted
from vlit.teacher.message import Message, Request, Text
from vlit.teacher.reply import Choice, Failure

T = TypeVar("T")

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S)


@dataclass(frozen=True)
class Flaw:
    """Why a reply cannot be read, in words that can be said to the judge: "there is no line with a verdict"."""

    said: str


#: What a reply says, or why that cannot be read.
Reader = Callable[[Choice], T | Flaw]


@dataclass(frozen=True)
class Heard(Generic[T]):
    """What came of asking: readable replies in order of arrival, what was wrong with the others."""

    found: tuple[T, ...] = ()
    flaws: tuple[str, ...] = ()
    failure: str | None = None  #: why there is no reply at all

    @property
    def why_not(self) -> str:
        """Why there are not enough readable replies."""
        if self.failure:
            return self.failure
        worst = Counter(self.flaws).most_common(1)
        return f"the reply cannot be read: {worst[0][0]}" if worst else "there is no reply"


def hear(
    request: Request, n: int, read: Reader[T], again: Callable[[str], str], *, least: int = 1
) -> Conversation[Heard[T]]:
    """Ask for ``n`` replies to one request; each that cannot be read is sent back once with what is wrong.

    Args:
        request: What is asked.
        n: How many replies.
        read: Reads one.
        again: The words for a reply that cannot be read.
        least: How many are enough where the server or the budget gave no more.

    Returns:
        What was heard. A reply that could not be read twice is a flaw, never a value.
    """
    told = yield Wanted(request, n)
    if not isinstance(told, tuple) and least < n:
        fewer = yield Wanted(request, least)  # what came before it failed is paid
        told = fewer if isinstance(fewer, tuple) else told
    if not isinstance(told, tuple):
        return Heard(failure=_why(told))
    found: list[T] = []
    flaws: list[str] = []
    taken: Counter[str] = Counter()  # equal replies are sent back by equal requests, which have several replies
    for choice in told[:n]:
        said = read(choice)
        if isinstance(said, Flaw):
            back = _sent_back(request, choice.text, again(said.said))
            repaired = yield Wanted(back, taken[back.key] + 1)
            if isinstance(repaired, tuple):
                said = read(repaired[taken[back.key]])
                taken[back.key] += 1
        if isinstance(said, Flaw):
            flaws.append(said.said)
        else:
            found.append(said)
    return Heard(tuple(found), tuple(flaws))


def answer_of(choice: Choice) -> str:
    """The text of a reply without the thinking that some models write before it."""
    text = _THOUGHT.sub("", choice.text)
    return "" if "<think" in text else text.strip()


def cut_short(choice: Choice) -> bool:
    """Whether the reply was broken off at the length that it may have."""
    return choice.finish == "length"


def _sent_back(request: Request, reply: str, why: str) -> Request:
    """The request with the reply and what is wrong with it behind."""
    *before, last = request.messages
    if reply.strip():
        messages = (*request.messages, Message.of("assistant", reply), Message.of("user", why))
    else:  # servers refuse an empty message of the assistant, and two of the user in a row
        messages = (*before, Message(last.role, (*last.parts, Text(why))))
    return msgspec.structs.replace(request, messages=messages)


def _why(told: Told) -> str:
    if isinstance(told, Failure):
        return f"no reply ({told.kind}): {shown(told.reason, 200)}"
    return "it was not asked: the budget was spent before"
