"""A teacher that needs no model: a real HTTP server on loopback that speaks OpenAI's protocol.

    with ScriptedTeacher(faults={"429": 0.1, "leak": 0.1}, seed=1) as server:
        ...  # ask server.url
        server.log  # every call, in order of arrival

    python -m tests.teacher.server --port 0 --latency 0.1 --faults '{"500": 0.1}'   # prints the URL

The reply depends on the request's content alone (and the index of the choice), so that a run that was killed
and resumed can be held against one that was not. What may go wrong is told in ``faults``, what is said in
``script``; ``/v1/files`` and ``/v1/batches`` are those of ``batches``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import threading
import time
from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import web

from tests.teacher.batches import Batches
from tests.teacher.completions import Call, Completions, Options, error
from tests.teacher.threaded import Threaded


class ScriptedTeacher(Threaded):
    """The server in a thread of its own; takes the fields of ``Options``.

    Attributes:
        url: Base URL, with /v1.
        log: Every chat completion in order of arrival, those of batches and refused ones included.
        crashes: Mistakes of this server; they fail the test that made them.
    """

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.url = ""
        self.log: list[Call] = []
        self.crashes: list[BaseException] = []
        self.batches = Batches(self._line, self.options.batch_end, self.options.batch_flaky)
        self._completions = Completions(self.options)
        self._flying = 0
        self._start = time.monotonic()

    def __exit__(self, kind: object, *rest: object) -> None:
        super().__exit__(kind, *rest)
        if self.crashes and kind is None:
            raise RuntimeError("the scripted teacher itself failed") from self.crashes[0]

    @property
    def answered(self) -> list[Call]:
        """Completions that were sent whole, and sound: what a client must have kept."""
        return [call for call in self.log if call.whole and call.texts and call.fault is None]

    async def run(self, ready: threading.Event | None = None) -> None:
        """Serve until stopped."""
        self._stop = asyncio.Event()
        runner = web.AppRunner(self.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        tls = self.options.tls
        await web.TCPSite(runner, "127.0.0.1", self.options.port, backlog=4096, ssl_context=tls).start()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/v1"
        if ready:
            ready.set()
        else:
            print(self.url, flush=True)
        await self._stop.wait()
        await runner.cleanup()

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=2**28, middlewares=[self._guard])
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/log", self.show_log)
        app.router.add_routes(self.batches.routes())
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Mistakes of this server must not look like faults of its own choice."""
        try:
            if request.path == "/log" or self._known(request):
                response: web.StreamResponse = await handler(request)
                return response
            if request.path.endswith("/chat/completions"):
                self._call(request).status = 401
            said = error("Incorrect API key provided", "invalid_request_error", "invalid_api_key")
            return web.Response(body=said, status=401, content_type="application/json")
        except (ConnectionError, web.HTTPException):  # the client left, or asked for what is not there
            raise
        except Exception as mistake:
            self.crashes.append(mistake)
            raise

    def _known(self, request: web.Request) -> bool:
        key = self.options.key
        return key is None or request.headers.get("Authorization") == f"Bearer {key}"

    def _call(self, request: web.Request) -> Call:
        """A new line of the log."""
        call = Call(len(self.log), request.path, request.headers.get("X-Client-Request-Id", ""))
        call.at = time.monotonic() - self._start
        self.log.append(call)
        return call

    async def show_log(self, _: web.Request) -> web.Response:
        """The log as JSON, for servers that run as a process of their own."""
        return web.json_response([asdict(call) for call in self.log])

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models."""
        names = self.options.models or ("scripted",)
        return web.json_response({"object": "list", "data": [{"id": m, "object": "model"} for m in names]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        call = self._call(request)
        self._flying += 1
        call.in_flight = self._flying
        try:
            status, payload, headers = self._completions.answer(await request.read(), call)
            if self.options.latency:
                await asyncio.sleep(self.options.latency)
            return await self._send(request, call, status, payload, headers)
        finally:
            self._flying -= 1

    async def _send(
        self, request: web.Request, call: Call, status: int, payload: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        if call.fault == "hang":
            await self._stop.wait()
        if call.fault in ("hang", "reset"):
            return _reset(request)
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"} | headers)
        response.content_length = len(payload)
        call.status = status
        await response.prepare(request)
        if call.fault == "reset_body":
            await response.write(payload[: len(payload) // 2])
            return _reset(request)
        await response.write(payload)
        await response.write_eof()
        call.whole = request.transport is not None and not request.transport.is_closing()
        return response

    def _line(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The answer to a line of a batch: what goes wrong on a connection is a 500 here."""
        call = Call(len(self.log), "/v1/batches", name)
        self.log.append(call)
        status, payload, _ = self._completions.answer(orjson.dumps(body), call)
        if status == 200 and call.fault:
            status, payload = 500, error("The server had an error", "server_error")
        call.status, call.whole = status, True
        return status, orjson.loads(payload)


def _reset(request: web.Request) -> web.StreamResponse:
    """Close the connection with RST, as a server that dies does."""
    if request.transport is not None:
        peer = request.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--faults", type=json.loads, default={}, help='JSON, e.g. {"500": 0.1}')
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stubborn", type=float, default=0.0)
    parser.add_argument("--key")
    parser.add_argument("--longest", type=int)
    parser.add_argument("--ignore-n", action="store_true")
    parser.add_argument("--strict", action="store_true")
    asyncio.run(ScriptedTeacher(**vars(parser.parse_args())).run())


if __name__ == "__main__":
    main()
