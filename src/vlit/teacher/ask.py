"""Asking: the journal is filled with what conversations want to know, by calls or by batch files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vlit.run.progress import Progress
from vlit.teacher.client import Teacher
from vlit.teacher.config import TeacherConfig
from vlit.teacher.drive import collect_wanted, converse_all
from vlit.teacher.exchange import Conversation
from vlit.teacher.journal import Journal
from vlit.teacher.reply import BudgetSpent

#: Gives all exchanges anew each time that it is called.
Exchanges = Callable[[], Iterable[Conversation[Any]]]

#: Seconds between two looks at how far the teacher is.
_LOOK = 0.5


def ask(teacher: TeacherConfig, exchanges: Exchanges, folder: Path, progress: Progress) -> None:
    """Ask whatever the journal does not know yet.

    Args:
        teacher: Whom to ask.
        exchanges: What to ask; gone through once by calls, and once a round by batch files.
        folder: Of the journal.
        progress: Told of calls, tokens and money.

    Raises:
        VlitError: When no more can be asked of this teacher.
    """
    by = _by_calls if teacher.batch is None else _by_batches
    with Journal(folder) as journal:
        within = asyncio.run(by(teacher, exchanges, journal, progress))
    if not within:
        progress.warned(
            "the budget of the teacher is spent; what was not asked is missing, as quarantine or scores "
            "say so. Raise teacher.budget and run again to go on"
        )


async def _by_calls(config: TeacherConfig, exchanges: Exchanges, journal: Journal, progress: Progress) -> bool:
    in_flight = sum(endpoint.concurrency for endpoint in config.endpoints)
    async with Teacher(config, journal, warn=progress.warned) as teacher:
        watcher = asyncio.create_task(_tell(teacher, progress))
        try:
            return await converse_all(exchanges(), teacher, in_flight)
        finally:
            watcher.cancel()


async def _by_batches(
    config: TeacherConfig, exchanges: Exchanges, journal: Journal, progress: Progress
) -> bool:
    """Round by round: all requests that are next in their exchange go into files together."""
    from vlit.teacher.batch import Batches

    batches = Batches(config, journal, journal.folder / "batches")
    while True:
        wanted = 0
        for exchanging in exchanges():
            for want in collect_wanted(exchanging, journal, batches.failure):
                await batches.add(want.request, want.n)
                wanted += 1
        if not wanted:
            return True
        try:
            await batches.settle(progress)
        except BudgetSpent:
            return False


async def _tell(teacher: Teacher, progress: Progress) -> None:
    while True:
        progress.said(str(teacher.progress))
        await asyncio.sleep(_LOOK)
