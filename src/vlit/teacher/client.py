"""The teacher: asks any OpenAI-compatible server, and never twice for what was answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from vlit.data.errors import VlitError
from vlit.teacher import stops
from vlit.teacher.budget import most_of
from vlit.teacher.caller import Asked, Caller, Lost
from vlit.teacher.config import TeacherConfig
from vlit.teacher.journal import Journal
from vlit.teacher.message import Request
from vlit.teacher.progress import TeacherProgress
from vlit.teacher.reply import BudgetSpent, Choice, Failure

_log = logging.getLogger(__name__)


class Teacher:
    """Asks a teacher. Use it as an asynchronous context manager; any number of tasks may ask at once.

        async with Teacher(config, journal) as teacher:
            outcome = await teacher.ask(request, n=5)

    Args:
        config: Servers, limits and budget.
        journal: Knows what was answered before, and is told of every call.
        warn: Told what the user should know though the run goes on; by default it is logged.
        backoff: Seconds; the longest wait after a first failure. It doubles with each further one.

    Raises:
        VlitError: When a key is missing in the environment, or ``extra`` sets what is not its own.
    """

    def __init__(
        self,
        config: TeacherConfig,
        journal: Journal,
        *,
        warn: Callable[[str], object] = _log.warning,
        backoff: float = 0.5,
    ) -> None:
        if forbidden := sorted({"messages", "model", "n", "max_tokens", "stream"} & set(config.extra)):
            raise stops.forbidden_extra(forbidden)
        self._config, self._journal = config, journal
        self._caller = Caller(config, journal, warn, backoff)
        self._flights: dict[str, asyncio.Future[None]] = {}
        self._unreachable: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._caller.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._caller.close()

    @property
    def progress(self) -> TeacherProgress:
        """How far it is since it was opened."""
        return self._caller.progress

    def stop(self, error: VlitError) -> None:
        """Send nothing any more: who asks for what the journal has not is told the error.

        Calls that are in flight end by themselves; they may be paid, so what comes of them is kept.
        """
        self._caller.stop(error)

    async def ask(self, request: Request, n: int = 1) -> tuple[Choice, ...] | Failure:
        """The replies to a request, from the journal as far as it has them.

        Args:
            request: What is asked.
            n: How many replies are wanted.

        Returns:
            Exactly ``n`` replies, in the order in which they came; or why there are fewer, for good.

        Raises:
            BudgetSpent: When the next call could pass the budget.
            VlitError: When no request can succeed: wrong key, unknown model, empty account, silent server.
        """
        key = request.key
        while True:
            choices = self._journal.choices(key)
            if len(choices) >= n:
                return choices[:n]
            if failure := self._failure(key):
                return failure
            if (flight := self._flights.get(key)) is None:
                break
            await asyncio.shield(flight)  # an equal request is on its way
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self._obtain(request, choices, n)
        except asyncio.CancelledError:
            # What came may be paid and still on its way to the disk: until the journal has it, equal requests
            # wait, or they would pay for it again and be told other replies than the journal keeps first.
            asyncio.ensure_future(self._journal.sync()).add_done_callback(partial(self._land, key))
            raise
        except BaseException:
            self._land(key)
            raise
        self._land(key)
        return outcome

    def _land(self, key: str, written: asyncio.Future[None] | None = None) -> None:
        """Let go of those who wait for an equal request."""
        if written and not written.cancelled():
            written.exception()  # a disk that fails tells all who write
        self._flights.pop(key).set_result(None)

    def _failure(self, key: str) -> Failure | None:
        """Why it is not asked again. A server that was not reached in an earlier session may be there now."""
        failure = self._journal.failure(key)
        if failure and failure.kind == "unreachable" and key not in self._unreachable:
            return None
        return failure

    async def _obtain(
        self, request: Request, known: tuple[Choice, ...], n: int
    ) -> tuple[Choice, ...] | Failure:
        """Ask for what is missing: in one call, or in one for each reply where servers give only one."""
        asked = Asked(request, most_of(request, self._config.picture_tokens), list(known))
        single = self._caller.single
        while (missing := n - len(asked.choices)) > 0:
            errors: list[BaseException] = []
            if missing == 1 or not single:
                lost = [await self._caller.replies(asked, missing)]
            else:
                outcomes = await asyncio.gather(
                    *(self._caller.replies(asked, 1) for _ in range(missing)), return_exceptions=True
                )
                errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
                lost = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
            single = True
            final = [each for each in lost if each]
            failure = await self._give_up(request, final) if final else None
            if errors:
                raise next((each for each in errors if not isinstance(each, BudgetSpent)), errors[0])
            if failure:
                return failure
        return tuple(asked.choices[:n])

    async def _give_up(self, request: Request, losses: list[Lost]) -> Failure:
        """Record that a request failed for good, after all else that was in flight for it."""
        key, model = request.key, request.model
        for lost in losses[:-1]:
            if not lost.recorded:
                await self._journal.failed(lost.call, key, lost.failure.reason, cost=lost.cost)
        last = losses[-1]
        failure = last.failure
        if failure.kind == "unreachable":
            self._unreachable.add(key)
        if last.recorded:  # nothing is reserved for it any more
            await self._journal.failed(
                last.call, key, failure.reason, cost=0, final=failure, model=model, most=0
            )
        else:
            await self._journal.failed(last.call, key, failure.reason, cost=last.cost, final=failure)
        return failure
