"""Calls that are made until there are replies, or until there is no more point in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import msgspec

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem
from vlit.teacher import stops
from vlit.teacher.budget import Budget, Most
from vlit.teacher.completion import Completion, read_completion
from vlit.teacher.config import TeacherConfig
from vlit.teacher.errors import Trouble, answered
from vlit.teacher.halting import Halting
from vlit.teacher.journal import Journal
from vlit.teacher.message import Picture, Request
from vlit.teacher.pictures import Pictures
from vlit.teacher.progress import TeacherProgress, told
from vlit.teacher.reply import Choice, Failure, Usage
from vlit.teacher.route import Endpoint, Route
from vlit.teacher.transport import unanswered
from vlit.teacher.waits import backoff
from vlit.teacher.wire import Wire, adapted, sent_fields, shown

#: Name of a call that was never made: its photo could not be read.
_UNSENT = "unsent"


@dataclass(slots=True)
class Asked:
    """A request that is being asked."""

    request: Request
    most: Most
    choices: list[Choice]  #: in order of arrival


@dataclass(slots=True)
class _Attempts:
    """The calls that were made for the same replies."""

    first: float | None = None  #: when the first one left
    lost: float | None = None  #: when the first one had failed
    counted: int = 0  #: those that failed, and it may be the request's fault
    failed: int = 0  #: all that failed, but for those that the server turned away
    blamed: bool = False  #: whether the last one counted
    without: frozenset[str] = frozenset()  #: fields that are left out
    avoid: Endpoint | None = None  #: where the last one failed
    last: Trouble | None = None
    call: str = _UNSENT  #: the last one


@dataclass(slots=True)
class Lost:
    """Why there are no replies, to be recorded when nothing else is in flight for the request."""

    call: str
    failure: Failure
    cost: int | None = 0
    recorded: bool = False  #: that the call failed


@dataclass(slots=True)
class _Call:
    """One call on its way."""

    id: str
    endpoint: Endpoint
    n: int
    bound: int  #: tokens that it can cost, as far as the request tells
    most: int  #: the same, with what earlier calls cost more than their bound
    without: frozenset[str]  #: fields that were left out


class Caller:
    """Makes calls.

    Args:
        config: Servers, limits and budget.
        journal: Told of every call.
        warn: Told what the user should know though the run goes on.
        backoff: Seconds; the longest wait after a first failure.
    """

    def __init__(
        self, config: TeacherConfig, journal: Journal, warn: Callable[[str], object], backoff: float
    ) -> None:
        self.config, self.journal = config, journal
        self._warn, self._backoff = warn, backoff
        self._wire = Wire(config)
        self._budget = Budget(config, journal.totals)
        self._pictures = Pictures(linked=config.pictures == "url")
        self._kinds: Counter[str] = Counter()

    async def open(self) -> None:
        """Make the session; all that follows belongs to the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._route = Route([Endpoint(endpoint, now) for endpoint in self.config.endpoints])
        self._targets = dict(zip(self._route.endpoints, self._wire.targets, strict=True))
        self._halting = Halting(self.config, self._route, self._models, self._warn)
        await self._wire.open()

    async def close(self) -> None:
        """Close all connections."""
        self._route.close()
        await self._wire.close()

    def stop(self, error: VlitError) -> None:
        """Send nothing any more. Calls in flight end by themselves, and are recorded."""
        if self._budget.flying:
            self._halting.say_once(f"stopping ({error.what}), when the calls in flight have ended")
        self._route.stop(error)

    @property
    def progress(self) -> TeacherProgress:
        """How far it is."""
        limit = sum(int(endpoint.concurrency.limit) for endpoint in self._route.endpoints)
        return told(self._budget, self._kinds, waiting=self._route.waiting, limit=limit)

    @property
    def single(self) -> bool:
        """Whether every server gives one reply, whatever ``n`` says."""
        return all(endpoint.single for endpoint in self._route.endpoints)

    async def replies(self, asked: Asked, n: int) -> Lost | None:
        """Call until there are replies, or until there is no more point in it."""
        attempts = _Attempts()
        while True:
            bound = asked.most.prompt + n * asked.most.completion
            endpoint = await self._endpoint(attempts, bound)
            if endpoint is None:
                return self._expired(attempts)
            try:
                call, outcome = await self._attempt(asked, n, endpoint, attempts, bound)
            except ImageProblem as problem:
                failure = Failure("refused", f"the photo cannot be sent: {problem}")
                return Lost(_UNSENT, failure, recorded=True)
            if isinstance(outcome, Completion):
                await self._keep(asked, call, outcome)
                return None
            if lost := await self._judge(asked, call, outcome, attempts):
                return lost

    async def _endpoint(self, attempts: _Attempts, bound: int) -> Endpoint | None:
        """An endpoint for the next call; ``None`` when the deadline comes before it."""
        if attempts.first is None:
            return await self._route.acquire(bound)
        at = attempts.first + self.config.deadline
        if self._loop.time() >= at:
            return None  # an endpoint that is free at once would be given without a look at the clock
        try:
            async with asyncio.timeout_at(at):
                return await self._route.acquire(bound, again=True, avoid=attempts.avoid)
        except TimeoutError:
            return None

    async def _attempt(
        self, asked: Asked, n: int, endpoint: Endpoint, attempts: _Attempts, bound: int
    ) -> tuple[_Call, Completion | Trouble]:
        """Make one call.

        Raises:
            ImageProblem: When a photo cannot be read; then nothing was sent.
        """
        request, budget, sent = asked.request, self._budget, False
        without = endpoint.without | attempts.without if attempts.without else endpoint.without
        if n > 1 and (endpoint.single or "n" in without):
            n = 1
        taken, bound = bound, asked.most.prompt + n * asked.most.completion
        used = 0
        try:
            body = await self._body(request, n, without)
            most = bound + budget.excess
            await budget.admit(request.model, most)
            self._route.check()  # both may have taken a while
            id_ = self.journal.sent(request, n=n, endpoint=endpoint.config.url, most=most)
            call = _Call(id_, endpoint, n, bound, most, without)
            budget.sent(request.model, most)
            sent, used = True, taken
            now = self._loop.time()
            if attempts.first is None:
                attempts.first = now
            left = attempts.first + self.config.deadline - now
            outcome = await self._exchange(call, body, max(left, 0.1))
            if isinstance(outcome, Completion) and outcome.usage is None:
                most_usage = Usage(asked.most.prompt, n * asked.most.completion, measured=False)
                outcome = msgspec.structs.replace(outcome, usage=most_usage)
            used, sent = self._account(asked, call, outcome), False
        finally:
            if sent:  # cancelled: nobody knows what it cost
                budget.failed(request.model, most, None)
            if endpoint.tokens:
                endpoint.settle(taken - used, self._loop.time())
            self._route.release(endpoint)
        return call, outcome

    async def _exchange(self, call: _Call, body: bytes, within: float) -> Completion | Trouble:
        """Post a body, and say what the answer means."""
        try:
            target = self._targets[call.endpoint]
            status, headers, answer = await self._wire.post(target, call.id, body, within)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return unanswered(error)
        if 200 <= status < 300:
            return read_completion(answer)
        fields = sent_fields(body) if status in (400, 413, 422) else ()
        return answered(status, headers, answer, fields, self.config.deadline)

    async def _models(self, endpoint: Endpoint) -> list[str]:
        return await self._wire.models(self._targets[endpoint])

    async def _body(self, request: Request, n: int, without: frozenset[str]) -> bytes:
        urls: dict[Picture, str] = {}
        for message in request.messages:
            for part in message.parts:
                if isinstance(part, Picture) and part not in urls:
                    urls[part] = await self._pictures.url(part)
        body = request.body(n, urls.__getitem__, structured=self.config.structured)
        return adapted(body, without) if without else body

    def _account(self, asked: Asked, call: _Call, outcome: Completion | Trouble) -> int:
        """Tell budget and endpoint how a call ended; returns the tokens that it cost at most."""
        model, endpoint, now = asked.request.model, call.endpoint, self._loop.time()
        if isinstance(outcome, Completion):
            usage = outcome.usage or Usage()
            self._budget.learn(usage.total - call.bound)
            self._budget.answered(model, call.most, usage.prompt, usage.completion)
            endpoint.succeeded()
            return usage.total
        self._budget.failed(model, call.most, outcome.cost)
        self._kinds[outcome.kind] += 1
        if outcome.act in ("adapt", "fail"):
            endpoint.succeeded()
        elif outcome.act in ("key", "account", "model", "path"):
            endpoint.hold(self.config.timeout, now)  # until it is told why the run stops
        elif outcome.act == "wait":
            endpoint.pause(outcome.wait, self._backoff, now)
        else:
            endpoint.failed(now, overloaded=outcome.overloaded)
            if outcome.wait:
                endpoint.hold(outcome.wait, now)
        return call.most if outcome.cost is None else outcome.cost

    async def _keep(self, asked: Asked, call: _Call, outcome: Completion) -> None:
        """Record replies, and what the call taught about the server."""
        endpoint = call.endpoint
        if outcome.count < call.n:
            endpoint.single = True
        if call.without - endpoint.without:
            self._adapt(endpoint, call.without)
        usage = outcome.usage or Usage()
        asked.choices += outcome.choices
        await self.journal.answered(
            call.id, asked.request.key, outcome.choices, usage, model=asked.request.model
        )

    def _adapt(self, endpoint: Endpoint, without: frozenset[str]) -> None:
        endpoint.without |= without
        endpoint.single |= "n" in without
        names = ", ".join(sorted(without - {"n", "max_tokens"}))
        if names:
            url = shown(endpoint.config.url)
            self._halting.say_once(f"{url} does not know {names}: asked without, replies may differ")

    async def _judge(self, asked: Asked, call: _Call, trouble: Trouble, attempts: _Attempts) -> Lost | None:
        """Record a failed call and wait until it may be made again; or say why it may not."""
        endpoint, key = call.endpoint, asked.request.key
        trouble = msgspec.structs.replace(trouble, reason=self._wire.kept(trouble.reason))
        attempts.last, attempts.avoid, attempts.call = trouble, endpoint, call.id
        if trouble.act == "fail":
            return Lost(call.id, Failure(trouble.failure, trouble.reason), trouble.cost)
        now = self._loop.time()
        if attempts.lost is None:
            attempts.lost = now
        attempts.blamed = _counts(trouble, endpoint)
        attempts.counted += attempts.blamed
        delay = 0.0
        if trouble.act not in ("wait", "adapt"):
            attempts.failed += 1
            delay = backoff(attempts.failed, self._backoff)
        left = (attempts.first or now) + self.config.deadline - now
        if lost := self._worn_out(attempts, trouble, over=delay >= left):
            return Lost(call.id, lost, trouble.cost)
        await self.journal.failed(call.id, key, trouble.reason, cost=trouble.cost)
        await self._halting.look(asked.request, endpoint, trouble)
        if trouble.act == "adapt":
            attempts.without |= trouble.fields
        elif delay:
            await self._route.sleep(min(delay, max(left, 0.0)))
        return None

    def _worn_out(self, attempts: _Attempts, trouble: Trouble, *, over: bool) -> Failure | None:
        """The failure of a request that was tried often enough, where the server is not to blame."""
        if not attempts.blamed:
            return None
        if attempts.counted >= self.config.attempts:
            return Failure(
                trouble.failure, f"{trouble.reason} ({attempts.counted} of {self.config.attempts} attempts)"
            )
        return Failure(trouble.failure, f"{trouble.reason} ({self._within})") if over else None

    def _expired(self, attempts: _Attempts) -> Lost:
        """The deadline came while the call waited for its turn."""
        last = attempts.last
        assert last is not None and attempts.lost is not None, "only calls that are made again have a deadline"
        now = self._loop.time()
        unheard = last.act != "wait" and self._route.down_for(now) >= now - attempts.lost
        if not attempts.blamed and (unheard or self._route.all_sick):
            self._halting.halt(stops.silent(self.config.endpoints, self.config.deadline, last.reason))
        return Lost(attempts.call, Failure("unreachable", f"{last.reason} ({self._within})"), recorded=True)

    @property
    def _within(self) -> str:
        return f"no reply within the deadline of {self.config.deadline:g} s"


def _counts(trouble: Trouble, endpoint: Endpoint) -> bool:
    """Whether a failed call counts as an attempt: not where the server is to blame more than the request."""
    if trouble.act != "again":
        return False
    return not (endpoint.sick and trouble.kind in ("502", "503", "504"))
