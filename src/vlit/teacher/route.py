"""Which server the next call goes to: the one with the least load among those that are well."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from vlit.data.errors import VlitError
from vlit.teacher.config import EndpointConfig
from vlit.teacher.limits import Bucket, Concurrency
from vlit.teacher.waits import LONGEST

#: Failures in a row after which a server is left alone for a while.
SICK = 8

#: Seconds of the shortest pause, also where a server says 0: it would be asked again and again.
_SHORTEST = 0.1


class Endpoint:
    """One server: what it bears, how it fares, and which fields it does not know.

    One that failed many times in a row is left alone for a time that grows, and then probed by one call.
    """

    def __init__(self, config: EndpointConfig, now: float) -> None:
        self.config = config
        self.concurrency = Concurrency(config.concurrency)
        self.requests = Bucket(config.requests_per_minute, now) if config.requests_per_minute else None
        self.tokens = Bucket(config.tokens_per_minute, now) if config.tokens_per_minute else None
        self.active = 0  #: calls in flight
        self.without: frozenset[str] = frozenset()  #: fields that it does not know
        self.single = False  #: it gives one reply, whatever ``n`` says
        self.ever = False  #: it answered once
        self.failing_since: float | None = None  #: it has not answered since
        self.sick = False
        self._paused_until = self._ejected_until = 0.0
        self._pauses = self._row = self._ejections = 0
        self._probing = False

    @property
    def load(self) -> float:
        """Calls in flight as a share of what it bears."""
        return self.active / self.concurrency.limit

    def free_at(self, now: float) -> float | None:
        """When it takes a call; ``None``: not before one comes back."""
        if self.active >= int(self.concurrency.limit) or (self.sick and self._probing):
            return None
        at = max(self._paused_until, self._ejected_until)
        if self.requests:
            at = max(at, self.requests.ready_at(now))
        if self.tokens:
            at = max(at, self.tokens.ready_at(now))
        return at

    def take(self, tokens: int, now: float) -> None:
        """A call that costs at most so many tokens is on its way."""
        self.active += 1
        self._probing = self.sick
        if self.requests:
            self.requests.take(1, now)
        if self.tokens:
            self.tokens.take(tokens, now)

    def release(self) -> None:
        """It came back."""
        self.active -= 1
        self._probing = False

    def settle(self, unused: int, now: float) -> None:
        """It cost so many tokens less than was thought."""
        if self.tokens:
            self.tokens.give(unused, now)

    def succeeded(self) -> None:
        """It answered, be it that the request is bad."""
        self.ever = True
        self.failing_since = None
        self.sick = False
        self._ejected_until = 0.0
        self._row = self._ejections = self._pauses = 0
        self.concurrency.ended(overloaded=False)

    def failed(self, now: float, *, overloaded: bool) -> None:
        """A call failed in transport, or with 5xx."""
        if self.failing_since is None:
            self.failing_since = now
        self.concurrency.ended(overloaded=overloaded)
        self._row += 1
        if self._row < SICK or now < self._ejected_until:
            return  # calls that left before it was found sick tell nothing new
        self.sick = True
        self._ejections += 1
        pause = min(LONGEST, 2.0 ** min(self._ejections - 1, 10)) * random.uniform(0.5, 1)
        self._ejected_until = now + pause

    def pause(self, wait: float | None, base: float, now: float) -> None:
        """It asks everybody to wait: so many seconds, or longer each time where it does not say how long."""
        if self.failing_since is None:
            self.failing_since = now
        self.concurrency.ended(overloaded=True)
        if wait is not None:
            self.hold(max(wait, _SHORTEST), now)
        elif now >= self._paused_until:  # calls that left before the pause tell nothing new
            self._pauses += 1
            wait = min(LONGEST, base * 2.0 ** min(self._pauses - 1, 20)) * random.uniform(0.5, 1)
            self.hold(wait, now)

    def hold(self, wait: float, now: float) -> None:
        """Send it nothing for so many seconds."""
        self._paused_until = max(self._paused_until, now + wait)


class Route:
    """Hands out endpoints to calls, in order of asking; calls that are made again come first."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self.stopped: VlitError | None = None
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[asyncio.Future[Endpoint], int, Endpoint | None]] = deque()
        self._again: deque[tuple[asyncio.Future[Endpoint], int, Endpoint | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait for an endpoint."""
        return sum(not future.done() for future, _, _ in (*self._queue, *self._again))

    async def acquire(self, tokens: int, *, again: bool = False, avoid: Endpoint | None = None) -> Endpoint:
        """An endpoint that takes the call now; ``release`` has to follow.

        Args:
            tokens: What it can cost at most.
            again: The call was made before and comes first.
            avoid: Where it failed; taken only when no other one is well.

        Raises:
            VlitError: When the run was stopped.
        """
        self.check()
        if not (self._queue or self._again) or (again and not self._again):
            endpoint, _ = self._pick(avoid)
            if endpoint is not None:
                endpoint.take(tokens, self._loop.time())
                return endpoint
        future: asyncio.Future[Endpoint] = self._loop.create_future()
        (self._again if again else self._queue).append((future, tokens, avoid))
        self._wake()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                endpoint = future.result()  # it was handed out at this very moment
                endpoint.settle(tokens, self._loop.time())
                self.release(endpoint)
            raise

    def release(self, endpoint: Endpoint) -> None:
        """The call came back."""
        endpoint.release()
        if self._queue or self._again:
            self._wake()

    def stop(self, error: VlitError) -> None:
        """Nobody gets an endpoint any more."""
        self.stopped = self.stopped or error
        self._stopping.set()
        for future, _, _ in (*self._again, *self._queue):
            if not future.done():
                future.set_exception(same(self.stopped))
        self._again.clear()
        self._queue.clear()
        self.close()

    def check(self) -> None:
        """Let nobody pass when the run was stopped.

        Raises:
            VlitError: Why it was.
        """
        if self.stopped:
            raise same(self.stopped)

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until the run is stopped."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    @property
    def all_sick(self) -> bool:
        """Whether no endpoint is well."""
        return all(endpoint.sick for endpoint in self.endpoints)

    def down_for(self, now: float) -> float:
        """Seconds for which no endpoint has answered though it was asked; 0 when one has."""
        since = [endpoint.failing_since for endpoint in self.endpoints]
        return min(now - at if at is not None else 0.0 for at in since)

    def _pick(self, avoid: Endpoint | None) -> tuple[Endpoint | None, float | None]:
        """The endpoint with the least load; else when to look again, unless a call comes back before."""
        now = self._loop.time()
        best: Endpoint | None = None
        soonest: float | None = None
        for endpoint in self.endpoints:
            at = endpoint.free_at(now)
            if at is None:
                continue
            if at > now:
                soonest = at if soonest is None else min(soonest, at)
            elif best is None or (endpoint is avoid, endpoint.load) < (best is avoid, best.load):
                best = endpoint
        return best, soonest

    def _wake(self) -> None:
        """Hand out what is free, and set the timer for what will be."""
        while queue := self._again or self._queue:
            future, tokens, avoid = queue[0]
            if future.done():  # cancelled
                queue.popleft()
                continue
            endpoint, soonest = self._pick(avoid)
            if endpoint is None:
                self._wake_at(soonest)
                return
            queue.popleft()
            endpoint.take(tokens, self._loop.time())
            future.set_result(endpoint)

    def _wake_at(self, when: float | None) -> None:
        if when is None:
            return
        if self._timer is not None:
            if not self._timer.cancelled() and self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._wake()


def same(error: VlitError) -> VlitError:
    """An error of its own for everyone who gets it: tracebacks would grow into each other."""
    return VlitError(error.what, where=error.where, todo=error.todo)
