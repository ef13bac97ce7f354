"""What the scripted teacher answers to a chat completion, without HTTP: status, body, headers; and its log."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

import orjson

from tests.teacher import judging, odds, script
from tests.teacher.faults import Faults
from tests.teacher.spoil import spoil

#: Fields of a chat completion that even a ``strict`` server takes.
FIELDS = frozenset({"model", "messages", "max_tokens", "temperature", "top_p", "seed", "stop", "stream"})
#: Tokens that an image counts.
PICTURE_TOKENS = 500

Answer = tuple[int, bytes, dict[str, str]]
#: A reply by body, digest and index of the choice; ``None`` leaves it to ``script``.
Says = Callable[[dict[str, Any], str, int], str | None]


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
    vary: bool | None = None  #: choices go on counting when the same content comes again; as ``ignore_n``
    strict: bool = False  #: all but the commonest fields are refused with 422, ``n`` too
    refuses: tuple[str, ...] = ()  #: fields that are refused with 400
    structured: bool = True  #: ``response_format`` is followed
    says: Says | None = None  #: replies of the test's own, before flaws
    logprobs: Literal["whole", "digits", "chosen", "plain", "none"] = "whole"  #: see ``odds``; none: left out
    most_logprobs: int = 20  #: 400 above
    key: str | None = None  #: the only bearer token that is let in; None: everybody
    models: tuple[str, ...] = ()  #: the only models; empty: any
    longest: int | None = None  #: characters of a prompt; 400 above
    capacity: int | None = None  #: calls in flight; 429 above
    retry_after: float = 1.0  #: seconds that 429 tells to wait
    batch_end: Literal["completed", "expired", "cancelled"] = "completed"
    batch_flaky: int = 0  #: of the first calls to each batch route, answered with 503
    port: int = 0
    tls: ssl.SSLContext | None = None


class Completions:
    """Answers bodies of chat completions.

    Args:
        options: How.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.faults = Faults(options.faults, options.seed)
        self._seen: Counter[str] = Counter()
        self._told: Counter[str] = Counter()

    def answer(self, raw: bytes, call: Call) -> Answer:
        """The answer to one call, whose record is filled in."""
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return 400, error("the body is no JSON", "invalid_request_error"), {}
        _note(call, body)
        if wrong := self._unacceptable(call, body):
            return wrong
        call.attempt = self._seen[call.digest]
        self._seen[call.digest] += 1
        over = self.options.capacity is not None and call.in_flight > self.options.capacity
        call.fault = "429" if over else self.faults.call(call.digest, call.attempt)
        return self._faulty(call) or (200, self._completion(call, body), {})

    def _faulty(self, call: Call) -> Answer | None:
        """Answers without a reply; faults on the way of a reply are the transport's."""
        if call.fault in ("429", "429_seconds", "429_date"):
            headers = {}
            if call.fault == "429_seconds":
                headers["Retry-After"] = f"{self.options.retry_after:g}"
            if call.fault == "429_date":
                headers["Retry-After"] = formatdate(time.time() + self.options.retry_after, usegmt=True)
            return 429, error("Rate limit reached", "rate_limit_error", "rate_limit_exceeded"), headers
        if call.fault in ("500", "503"):
            return int(call.fault), error("The server is overloaded", "server_error"), {}
        if call.fault == "filter_400":
            return 400, error("The prompt was filtered", "invalid_request_error", "content_filter"), {}
        if call.fault == "html":
            return 200, b"<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"}
        return None

    def _completion(self, call: Call, body: dict[str, Any]) -> bytes:
        n = 1 if self.options.ignore_n else call.n
        vary = self.options.ignore_n if self.options.vary is None else self.options.vary
        first = self._told[call.digest] if vary else 0
        drawn = [self._choice(call, body, index) for index in range(first, first + n)]
        if call.fault is None:
            self._told[call.digest] += n
        call.texts = tuple(text for text, _, _ in drawn)
        call.flaws = tuple(flaw for _, _, flaw in drawn)
        call.completion_tokens = sum(len((text or "").split()) for text in call.texts)
        if "overrun" in call.flaws:
            call.completion_tokens += n * call.max_tokens
        choices = [
            {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
            for i, (text, finish, _) in enumerate(drawn)
        ]
        if body.get("logprobs") and self.options.logprobs != "none":
            for choice, (text, _, _) in zip(choices, drawn, strict=True):
                choice["logprobs"] = odds.told(
                    text or "", int(body.get("top_logprobs", 0)), self.options.logprobs
                )
        payload: dict[str, Any] = {
            "id": f"chatcmpl-{call.order}",
            "object": "chat.completion",
            "created": 0,
            "model": call.model,
            "choices": [] if call.fault == "no_choices" else choices,
        }
        if "no_usage" not in call.flaws:
            payload["usage"] = {
                "prompt_tokens": call.prompt_tokens,
                "completion_tokens": call.completion_tokens,
                "total_tokens": call.prompt_tokens + call.completion_tokens,
            }
        sent = orjson.dumps(payload)
        return sent[: len(sent) // 2] if call.fault == "bad_json" else sent

    def _choice(self, call: Call, body: dict[str, Any], index: int) -> tuple[str | None, str, str | None]:
        """Text, finish reason, flaw. What was sent back is answered well, but for the stubborn share."""
        text: str | None = self.options.says(body, call.digest, index) if self.options.says else None
        if text is None:
            text = judging.reply(body, call.digest, index)
        if text is None:
            text = script.answer(body, call.digest, index, structured=self.options.structured)
        finish, flaw = "stop", self.faults.flaw(call.digest, index)
        again = self.faults.chance(self.options.stubborn, call.digest, str(index))
        if script.read(body).feedback and not again:
            flaw = None
        if flaw:
            text, finish = spoil(text or "", flaw, call.max_tokens)
        if text and len(words := text.split(" ")) > call.max_tokens:
            text, finish = " ".join(words[: call.max_tokens]), "length"
        return text, finish, flaw

    def _unacceptable(self, call: Call, body: dict[str, Any]) -> Answer | None:
        if self.options.strict and (unknown := set(body) - FIELDS):
            said = f"Unexpected fields in the request: {sorted(unknown)}"
            return 422, orjson.dumps({"detail": said}), {}
        if refused := set(body) & set(self.options.refuses):
            said = f"Unrecognized request argument supplied: {min(refused)}"
            return 400, error(said, "invalid_request_error"), {}
        if (body.get("top_logprobs") or 0) > self.options.most_logprobs:
            said = (
                f"Invalid value for 'top_logprobs': must be less than or equal to {self.options.most_logprobs}."
            )
            return 400, error(said, "invalid_request_error"), {}
        if self.options.models and call.model not in self.options.models:
            said = f"The model `{call.model}` does not exist or you do not have access to it."
            return 404, error(said, "invalid_request_error", "model_not_found"), {}
        characters = sum(len(script.words_of(m)) for m in body["messages"])
        if self.options.longest is not None and characters > self.options.longest:
            said = f"This model's maximum context length is {self.options.longest}, you sent {characters}."
            return 400, error(said, "invalid_request_error", "context_length_exceeded"), {}
        return None


def _note(call: Call, body: dict[str, Any]) -> None:
    """Key facts of a body."""
    messages = body.get("messages", [])
    users = [script.words_of(m) for m in messages if m["role"] == "user"]
    content = orjson.dumps({k: v for k, v in body.items() if k != "n"}, option=orjson.OPT_SORT_KEYS)
    call.digest = hashlib.sha256(content).hexdigest()[:16]
    call.fields = tuple(sorted(body))
    call.n = int(body.get("n", 1))
    call.model = str(body.get("model", ""))
    call.max_tokens = int(body.get("max_tokens", 16))
    call.prompt = users[-1] if users else ""
    call.pictures = script.pictures_of(body)
    words = sum(len(script.words_of(m).split()) for m in messages)
    call.prompt_tokens = words + PICTURE_TOKENS * call.pictures


def error(message: str, kind: str, code: str | None = None) -> bytes:
    """A refusal as OpenAI words it."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})
