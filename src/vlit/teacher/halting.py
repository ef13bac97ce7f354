"""When a run has to stop because no request can succeed any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from vlit.data.errors import VlitError
from vlit.teacher import stops
from vlit.teacher.config import TeacherConfig
from vlit.teacher.errors import Trouble
from vlit.teacher.message import Request
from vlit.teacher.route import Endpoint, Route, same
from vlit.teacher.wire import shown


class Halting:
    """Looks at each failed call, and stops the run for all who wait when there is no hope.

    Args:
        config: Servers and deadline.
        route: Stopped when the run is.
        models: Names of the models that a server offers.
        warn: Told what the user should know though the run goes on.
    """

    def __init__(
        self,
        config: TeacherConfig,
        route: Route,
        models: Callable[[Endpoint], Awaitable[list[str]]],
        warn: Callable[[str], object],
    ) -> None:
        self._config, self._route, self._models, self._warn = config, route, models, warn
        self._loop = asyncio.get_running_loop()
        self._asking = asyncio.Lock()
        self._told: set[str] = set()
        self._lost: set[Endpoint] = set()

    async def look(self, request: Request, endpoint: Endpoint, trouble: Trouble) -> None:
        """Stop the run if a failed call says that no request can succeed.

        Raises:
            VlitError: With what the user can do.
        """
        config, reason = endpoint.config, trouble.reason
        if trouble.act == "key":
            self.halt(stops.wrong_key(config, reason))
        if trouble.act == "account":
            self.halt(stops.empty_account(config, reason))
        if trouble.act in ("model", "path"):
            await self._not_there(request, endpoint, trouble)
        if trouble.act == "host":
            self._not_found(endpoint, trouble)
        if trouble.act == "down" and not endpoint.ever:
            self.say_once(f"{shown(config.url)}: {reason}; trying for {self._config.deadline:,g} s")
        if (seconds := self._route.down_for(self._loop.time())) > self._config.deadline:
            self.halt(stops.silent(self._config.endpoints, seconds, reason))
        if self._route.stopped:
            self.halt(self._route.stopped)

    def halt(self, error: VlitError) -> None:
        """Stop the run.

        Raises:
            VlitError: The error itself.
        """
        self._route.stop(error)
        raise same(error)

    def say_once(self, text: str) -> None:
        """Warn, unless it was said before."""
        if text not in self._told:
            self._told.add(text)
            self._warn(text)

    async def _not_there(self, request: Request, endpoint: Endpoint, trouble: Trouble) -> None:
        """404: the model or the page. One of those in flight asks for the models, the others wait."""
        async with self._asking:
            if self._route.stopped:
                return
            models = await self._models(endpoint)
            if trouble.act == "model" or (models and request.model not in models):
                self.halt(stops.unknown_model(endpoint.config, request.model, models, trouble.reason))
            self.halt(stops.wrong_path(endpoint.config, trouble.reason))

    def _not_found(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """Stop when no server can be found; one that answered before may come back."""
        if trouble.kind == "files":
            self.halt(stops.no_host(endpoint.config, trouble.reason))
        if not endpoint.ever:
            self._lost.add(endpoint)
            self.say_once(f"{shown(endpoint.config.url)}: {trouble.reason}")
        if all(each in self._lost and not each.ever for each in self._route.endpoints):
            self.halt(stops.no_host(endpoint.config, trouble.reason))
