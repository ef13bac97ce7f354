"""Drivers of exchanges: with the client, by batch files, or from the journal alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vlit.data.errors import VlitError
from vlit.generate.instruct.exchange import Exchanging, Outcome, Told, Wanted
from vlit.teacher.journal import JournalView
from vlit.teacher.reply import BudgetSpent

if TYPE_CHECKING:
    from vlit.teacher.client import Teacher

#: Exchanges under way for each call that may be in flight: while one parses, another waits for its turn.
_AHEAD = 2


def replay(exchanging: Exchanging, journal: JournalView) -> Outcome:
    """The outcome of an exchange whose replies are in the journal; what is not there was not asked."""
    try:
        wanted = next(exchanging)
        while True:
            wanted = exchanging.send(known(wanted, journal))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


def known(wanted: Wanted, journal: JournalView) -> Told:
    """What the journal knows of what is wanted; ``None`` where it has to be asked."""
    choices = journal.choices(wanted.request.key)
    if len(choices) >= wanted.n:
        return choices
    return journal.failure(wanted.request.key)


async def converse(exchanging: Exchanging, teacher: Teacher) -> None:
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


async def converse_all(exchanges: Iterable[Exchanging], teacher: Teacher, in_flight: int) -> bool:
    """Drive many exchanges at once; a million of them may be waiting, and take no memory.

    Args:
        exchanges: Taken as others end.
        teacher: Whom to ask.
        in_flight: Calls that the servers take at once.

    Returns:
        Whether the budget held out.
    """
    waiting: Iterator[Exchanging] = iter(exchanges)
    spent = False

    async def worker() -> None:
        nonlocal spent
        for exchanging in waiting:  # shared: each worker takes the next one
            try:
                await converse(exchanging, teacher)
            except BudgetSpent:
                spent = True
            if spent:
                return
            await asyncio.sleep(0)  # exchanges that the journal answers whole must not keep the loop

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight * _AHEAD):
                group.create_task(worker())
    except* VlitError as errors:
        raise errors.exceptions[0] from None
    return not spent


def collect_wanted(exchanging: Exchanging, journal: JournalView) -> Iterator[Wanted]:
    """What an exchange wants next and the journal does not know, of all its generations."""
    try:
        wanted = next(exchanging)
        while True:
            told = known(wanted, journal)
            if told is None:
                yield wanted
            wanted = exchanging.send(told)  # ``None`` ends this generation, not the next one
    except StopIteration:
        return
