"""What a conversation with the teacher is: a generator that yields what it wants and is sent what it is told.

It has no input or output of its own. The same generator is driven twice: by the client, which asks and so fills
the journal, and then from the journal alone, so that what comes of it is a pure function of the replies.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias, TypeVar

from vlit.teacher.message import Request
from vlit.teacher.reply import Choice, Failure

T = TypeVar("T")


class Wanted(NamedTuple):
    """What the generator asks: the first ``n`` choices of a request."""

    request: Request
    n: int


#: What it is told: at least ``n`` choices, why there are none, or ``None`` where it was not asked.
Told: TypeAlias = tuple[Choice, ...] | Failure | None

#: Yields what it wants, is sent what it is told, returns what came of it.
Conversation: TypeAlias = Generator[Wanted, Told, T]
