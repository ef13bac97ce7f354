"""Drivers of exchanges: with the client, by batch files, or from the journal alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from vlit.data.errors import VlitError
from vlit.teacher.exchange import Conversation, Told, Wanted
from vlit.teacher.journal import JournalView
from vlit.teacher.reply import BudgetSpent, Failure

if TYPE_CHECKING:
    from vlit.teacher.client import Teacher

T = TypeVar("T")

#: Key of a request -> why it is not asked again.
Failed: TypeAlias = Callable[[str], Failure | None]

#: Exchanges under way for each call that may be in flight: while one parses, another waits for its turn.
_AHEAD = 2


def replay(exchanging: Conversation[T], journal: JournalView) -> T:
    """The outcome of an exchange whose replies are in the journal; what is not there was not asked."""
    try:
        wanted = next(exchanging)
        while True:
            wanted = exchanging.send(known(wanted, journal))
    except StopIteration as end:
        outcome: T = end.value
        return outcome


def known(wanted: Wanted, journal: JournalView, failure: Failed | None = None) -> Told:
    """What the journal knows of what is wanted; ``None`` where it has to be asked.

    Args:
        wanted: What is wanted.
        journal: Where it is looked up.
        failure: Why a request is not asked again; by default any failure that the journal has.
    """
    choices = journal.choices(wanted.request.key)
    if len(choices) >= wanted.n:
        return choices
    return (failure or journal.failure)(wanted.request.key)


async def converse(exchanging: Conversation[Any], teacher: Teacher) -> None:
    """Drive one exchange to its end; what comes of it is read back from the journal later.

    Raises:
        BudgetSpent: When the next call could pass the budget.
        VlitError: When no more can be asked of this teacher.
    """
    try:
        wanted = next(exchanging)
        while True:
            wanted = exchanging.send(await teacher.ask(wanted.request, wanted.n))
    except StopIteration:
        return


async def converse_all(exchanges: Iterable[Conversation[Any]], teacher: Teacher, in_flight: int) -> bool:
    """Drive many exchanges at once; a million of them may be waiting, and take no memory.

    Args:
        exchanges: Taken as others end.
        teacher: Whom to ask.
        in_flight: Calls that the servers take at once.

    Returns:
        Whether the budget held out.
    """
    waiting: Iterator[Conversation[Any]] = iter(exchanges)
    ends: list[BudgetSpent | VlitError] = []

    async def worker() -> None:
        try:
            for exchanging in waiting:  # shared: each worker takes the next one
                await converse(exchanging, teacher)
                if ends:
                    return
                await asyncio.sleep(0)  # exchanges that the journal answers whole must not keep the loop
        except BudgetSpent as spent:
            ends.append(spent)
        except VlitError as error:
            # Others have calls in flight that may be paid: they are not cancelled, but may not make new ones.
            ends.append(error)
            teacher.stop(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight * _AHEAD):
            group.create_task(worker())
    for end in ends:
        if isinstance(end, VlitError):
            raise end
    return not ends


def collect_wanted(exchanging: Conversation[Any], journal: JournalView, failure: Failed) -> Iterator[Wanted]:
    """What an exchange wants next and the journal does not know, of all its generations.

    Args:
        exchanging: The exchange.
        journal: Knows what was answered.
        failure: Why a request is not asked again.
    """
    try:
        wanted = next(exchanging)
        while True:
            told = known(wanted, journal, failure)
            if told is None:
                yield wanted
            wanted = exchanging.send(told)  # ``None`` ends this generation, not the next one
    except StopIteration:
        return
