"""A real HTTP server on loopback whose answers a test writes by hand, for what no scripted fault covers."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from tests.teacher.threaded import Threaded


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0  #: seconds


@dataclass
class Heard:
    """One call."""

    order: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    path: str
    at: float  #: seconds on the server's clock


Script = Callable[[Heard], Answer]


def completion(*texts: str | None, usage: dict[str, Any] | None = None, **more: Any) -> Answer:
    """A chat completion."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for i, text in enumerate(texts)
    ]
    told = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} if usage is None else usage
    return Answer(body=orjson.dumps({"choices": choices, "usage": told} | more))


def error(status: int, message: str, **more: Any) -> Answer:
    """An error as OpenAI words it."""
    headers = more.pop("headers", {})
    return Answer(status, orjson.dumps({"error": {"message": message} | more}), headers)


class Answering(Threaded):
    """The server, in a thread of its own.

    Args:
        script: Called for each chat completion, in order of arrival.
        models: What ``GET /v1/models`` lists; ``None``: 404.
        port: 0: any that is free.
        tls: Speak TLS.
    """

    def __init__(
        self,
        script: Script,
        *,
        models: tuple[str, ...] | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script, self.models, self.port, self.tls = script, models, port, tls
        self.heard: list[Heard] = []
        self.url = ""

    async def run(self, ready: threading.Event | None = None) -> None:
        """Serve until stopped."""
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**28)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self.tls, reuse_address=True).start()
        self.port = runner.addresses[0][1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"
        if ready:
            ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _list(self, _: web.Request) -> web.Response:
        if self.models is None:
            raise web.HTTPNotFound
        return web.json_response({"data": [{"id": name} for name in self.models]})

    async def _chat(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        heard = Heard(len(self.heard), body, request.headers.copy(), request.path_qs, self._loop.time())
        self.heard.append(heard)
        answer = self.script(heard)
        if answer.after:
            await asyncio.sleep(answer.after)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
