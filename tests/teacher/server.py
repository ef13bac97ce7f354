"""A teacher that needs no model: a real HTTP server on loopback that speaks OpenAI's protocol.

    with ScriptedTeacher(faults={"429": 0.1, "leak": 0.1}, seed=1) as server:
        ...  # ask server.url
        server.log  # every call, in order of arrival

    python -m tests.teacher.server --port 0 --latency 0.1 --faults '{"500": 0.1}'   # prints the URL

The reply depends on the request's content alone (and the index of the choice), so that a run that was killed
and resumed can be held against one that was not. What may go wrong is told in ``faults``, what is said in
``script``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from typing import Any, Self

import orjson
from aiohttp import web

from tests.teacher import script
from tests.teacher.faults import Faults

#: Fields of a chat completion that any server takes.
FIELDS = frozenset({"model", "messages", "max_tokens", "temperature", "top_p", "seed", "stop", "stream"})
PICTURE_TOKENS = 500


@dataclass
class Call:
    """One call as the server saw it."""

    order: int
    path: str
    id: str  #: X-Client-Request-Id
    digest: str = ""  #: of the body without ``n``
    attempt: int = 0  #: how often this content had come before
    model: str = ""
    n: int = 1
    max_tokens: int = 0
    fields: tuple[str, ...] = ()
    prompt: str = ""  #: the last user message
    pictures: int = 0
    in_flight: int = 0
    at: float = 0.0  #: seconds since the server began
    fault: str | None = None
    flaws: tuple[str | None, ...] = ()
    status: int = 0  #: 0: no answer
    whole: bool = False  #: the answer was sent to its last byte
    texts: tuple[str | None, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(kw_only=True)
class Options:
    """How the server behaves."""

    latency: float = 0.0  #: seconds before each answer
    faults: dict[str, float] = field(default_factory=dict)  #: see ``faults``
    seed: int = 1
    stubborn: float = 0.0  #: share of replies that stay bad after they were sent back
    ignore_n: bool = False  #: one choice whatever ``n`` says
    vary: bool = False  #: choices go on counting when the same content comes again, as servers that draw do
    strict: bool = False  #: all but the commonest fields are refused with 422, ``n`` too
    refuses: tuple[str, ...] = ()  #: fields that are refused with 400
    structured: bool = True  #: ``response_format`` is followed
    key: str | None = None  #: the only bearer token that is let in; None: everybody
    models: tuple[str, ...] = ()  #: the only models; empty: any
    longest: int | None = None  #: characters of a prompt; 400 above
    capacity: int | None = None  #: calls in flight; 429 above
    retry_after: float = 1.0  #: seconds that 429 tells to wait
    port: int = 0


class ScriptedTeacher:
    """The server in a thread of its own; takes the fields of ``Options``."""

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.faults = Faults(self.options.faults, self.options.seed)
        self.log: list[Call] = []
        self.url = ""
        self._seen: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._flying = 0
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the scripted teacher did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def answered(self) -> list[Call]:
        """Completions that were sent whole with 200."""
        return [call for call in self.log if call.whole and call.texts and call.fault is None]

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.run(ready))
        self._loop.close()

    async def run(self, ready: threading.Event | None = None) -> None:
        """Serve until stopped."""
        self._stop = asyncio.Event()
        runner = web.AppRunner(self.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.options.port, backlog=4096)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        if ready:
            ready.set()
        else:
            print(self.url, flush=True)
        await self._stop.wait()
        await runner.cleanup()

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=2**28)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/log", self.show_log)
        return app

    async def show_log(self, _: web.Request) -> web.Response:
        """The log as JSON, for servers that run as a process of their own."""
        return web.json_response([asdict(call) for call in self.log])

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        if refused := self._unknown_key(request):
            return web.json_response(refused[1], status=refused[0])
        names = self.options.models or ("scripted",)
        return web.json_response({"object": "list", "data": [{"id": m, "object": "model"} for m in names]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        call = Call(len(self.log), request.path, request.headers.get("X-Client-Request-Id", ""))
        call.at = time.monotonic() - self._start
        self.log.append(call)
        self._flying += 1
        call.in_flight = self._flying
        try:
            raw = await request.read()
            status, payload, headers = self.reply(request, raw, call)
            if self.options.latency:
                await asyncio.sleep(self.options.latency)
            return await self._send(request, call, status, payload, headers)
        finally:
            self._flying -= 1

    def reply(self, request: web.Request, raw: bytes, call: Call) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the answer to one call."""
        if refused := self._unknown_key(request):
            return refused[0], orjson.dumps(refused[1]), {}
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return 400, _error("the body is no JSON", "invalid_request_error"), {}
        self._note(call, body)
        if wrong := self._unacceptable(call, body):
            return wrong[0], wrong[1], {}
        call.attempt = self._seen[call.digest]
        self._seen[call.digest] += 1
        over = self.options.capacity is not None and call.in_flight > self.options.capacity
        call.fault = "429" if over else self.faults.call(call.digest, call.attempt)
        if call.fault in ("429", "429_seconds", "429_date"):
            return (
                429,
                _error("Rate limit reached", "rate_limit_error", "rate_limit_exceeded"),
                self._wait(call),
            )
        if call.fault in ("500", "503"):
            return int(call.fault), _error("The server is overloaded", "server_error"), {}
        if call.fault == "filter_400":
            return 400, _error("The prompt was filtered", "invalid_request_error", "content_filter"), {}
        if call.fault == "html":
            return 200, b"<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"}
        return 200, self.complete(call, body), {}

    def complete(self, call: Call, body: dict[str, Any]) -> bytes:
        """The completion; fills in what the log says of it."""
        n = 1 if self.options.ignore_n else call.n
        first = self._told[call.digest] if self.options.vary else 0
        asked = script.read(body)
        choices, flaws = [], []
        for index in range(first, first + n):
            text: str | None = script.answer(body, call.digest, index)
            finish = "stop"
            flaw = self.faults.flaw(call.digest, index)
            if asked.feedback and not self.faults.chance(self.options.stubborn, call.digest, str(index)):
                flaw = None
            if flaw:
                text, finish = script.spoil(text or "", flaw, call.max_tokens)
            if text and len(words := text.split(" ")) > call.max_tokens:
                text, finish = " ".join(words[: call.max_tokens]), "length"
            flaws.append(flaw)
            message = {"role": "assistant", "content": text}
            choices.append({"index": index - first, "message": message, "finish_reason": finish})
        if call.fault not in ("bad_json", "no_choices", "hang", "reset", "reset_body"):
            self._told[call.digest] += n
        call.flaws = tuple(flaws)
        call.texts = tuple(c["message"]["content"] for c in choices)  # type: ignore[index]
        call.completion_tokens = sum(len((text or "").split()) for text in call.texts)
        if "overrun" in flaws:
            call.completion_tokens += n * call.max_tokens
        payload = {
            "id": f"chatcmpl-{call.order}",
            "object": "chat.completion",
            "created": 0,
            "model": call.model,
            "choices": [] if call.fault == "no_choices" else choices,
            "usage": {
                "prompt_tokens": call.prompt_tokens,
                "completion_tokens": call.completion_tokens,
                "total_tokens": call.prompt_tokens + call.completion_tokens,
            },
        }
        if "no_usage" in flaws:
            del payload["usage"]
        sent = orjson.dumps(payload)
        return sent[: len(sent) // 2] if call.fault == "bad_json" else sent

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

    def _note(self, call: Call, body: dict[str, Any]) -> None:
        call.fields = tuple(sorted(body))
        call.n = int(body.get("n", 1))
        call.model = str(body.get("model", ""))
        content = orjson.dumps({k: v for k, v in body.items() if k != "n"}, option=orjson.OPT_SORT_KEYS)
        call.digest = hashlib.sha256(content).hexdigest()[:16]
        call.max_tokens = int(body.get("max_tokens", 16))
        messages = body.get("messages", [])
        users = [script.words_of(m) for m in messages if m["role"] == "user"]
        call.prompt = users[-1] if users else ""
        call.pictures = script.pictures_of(body)
        words = sum(len(script.words_of(m).split()) for m in messages)
        call.prompt_tokens = words + PICTURE_TOKENS * call.pictures

    def _unknown_key(self, request: web.Request) -> tuple[int, dict[str, Any]] | None:
        key = self.options.key
        if key is None or request.headers.get("Authorization") == f"Bearer {key}":
            return None
        return 401, json.loads(_error("Incorrect API key provided", "invalid_request_error", "invalid_api_key"))

    def _unacceptable(self, call: Call, body: dict[str, Any]) -> tuple[int, bytes] | None:
        if self.options.strict and (unknown := set(body) - FIELDS):
            return 422, orjson.dumps({"detail": f"Unexpected fields in the request: {sorted(unknown)}"})
        if unknown := set(body) & set(self.options.refuses):
            said = f"Unrecognized request argument supplied: {min(unknown)}"
            return 400, _error(said, "invalid_request_error")
        if self.options.models and call.model not in self.options.models:
            said = f"The model `{call.model}` does not exist or you do not have access to it."
            return 404, _error(said, "invalid_request_error", "model_not_found")
        characters = sum(len(script.words_of(m)) for m in body["messages"])
        if self.options.longest is not None and characters > self.options.longest:
            said = f"This model's maximum context length is {self.options.longest}, you sent {characters}."
            return 400, _error(said, "invalid_request_error", "context_length_exceeded")
        return None

    def _wait(self, call: Call) -> dict[str, str]:
        if call.fault == "429_seconds":
            return {"Retry-After": f"{self.options.retry_after:g}"}
        if call.fault == "429_date":
            return {"Retry-After": formatdate(time.time() + self.options.retry_after, usegmt=True)}
        return {}


def _error(message: str, kind: str, code: str | None = None) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


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
