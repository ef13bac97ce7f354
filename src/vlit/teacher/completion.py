"""Reading a chat completion, from servers that keep to the protocol and from others."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson

from vlit.teacher.errors import Trouble, answered, words
from vlit.teacher.probabilities import tokens_of
from vlit.teacher.reply import Choice, Usage


class Completion(msgspec.Struct, frozen=True, gc=False):
    """What came of one call."""

    choices: tuple[Choice, ...]  #: those that are of use
    count: int  #: all that the server sent
    usage: Usage | None  #: ``None`` where the server does not tell


def read_completion(body: bytes) -> Completion | Trouble:
    """The replies of an answer with status 200.

    A message without content is an empty reply: it is paid, and whoever asked may say what is wrong with it.

    Returns:
        At least one reply, or what is the matter.
    """
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        told = _by_all_means(body)
        if told is None:
            return _malformed(f"no JSON: {problem}", body)
    if not isinstance(told, dict):
        return _malformed("JSON, but no object", body)
    usage = _usage(told.get("usage"))
    sent = told.get("choices")
    if told.get("error") and not sent:
        return _error_within(told["error"], usage)
    if not isinstance(sent, list) or not sent:
        return _malformed("an answer without choices", body, usage)
    found = [choice for each in sent if (choice := _choice(each)) is not None]
    if not found and (error := next(filter(None, map(_failed, sent)), None)):
        return _error_within(error, usage)
    if not found:
        return _malformed("choices without a message", body, usage)
    kept = tuple(choice for choice in found if choice.text or choice.finish != "content_filter")
    if not kept:
        return Trouble(
            "fail", "filtered", "the content filter let no reply through", _cost(usage), failure="filtered"
        )
    return Completion(kept, len(sent), usage)


def _failed(sent: Any) -> Any:
    """Why a reply was not finished: routers send what the server behind them had said until it failed."""
    if not isinstance(sent, dict):
        return None
    stopped = sent.get("finish_reason") == "error"
    return sent.get("error") or ("the reply was not finished" if stopped else None)


def _choice(sent: Any) -> Choice | None:
    if not isinstance(sent, dict) or _failed(sent):
        return None
    finish = sent.get("finish_reason")
    message = sent.get("message")
    if isinstance(message, dict):
        text = _text(message.get("content")) or _text(message.get("refusal"))
    elif isinstance(sent.get("text"), str):  # as completions were before there was chat
        text = sent["text"]
    else:
        return None
    return Choice(text, finish if isinstance(finish, str) else None, tokens_of(sent.get("logprobs")))


def _text(content: Any) -> str:
    """Content as text, also where it is a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") if isinstance(part, dict) else part for part in content)
    return "".join(part for part in parts if isinstance(part, str))


def _usage(told: Any) -> Usage | None:
    if not isinstance(told, dict):
        return None
    prompt, completion = _tokens(told.get("prompt_tokens")), _tokens(told.get("completion_tokens"))
    total = _tokens(told.get("total_tokens"))
    if prompt is not None and total is not None:
        # Some servers (xAI, Gemini) count the tokens of reasoning in the total alone; all of them are paid.
        completion = max(completion or 0, total - prompt)
    if prompt is None or completion is None or prompt + completion == 0:
        return None
    return Usage(prompt, completion)


def _tokens(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        return None
    return int(value)


def _error_within(error: Any, usage: Usage | None) -> Trouble:
    """An error that was sent with status 200, as routers do when the server behind them failed."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    said = orjson.dumps({"error": error})
    trouble = answered(status, {}, said, (), 0.0)
    reason = f"200 with an error in it: {words(said).text}"
    return msgspec.structs.replace(trouble, kind="error in 200", reason=reason, cost=_cost(usage))


def _malformed(what: str, body: bytes, usage: Usage | None = None) -> Trouble:
    begin = " ".join(body[:2_000].decode("utf-8", "replace").split())
    reason = f"200, but {what}: {begin!r}"
    return Trouble("again", "malformed", reason, _cost(usage), failure="malformed")


def _cost(usage: Usage | None) -> int | None:
    return usage.total if usage else None


def _by_all_means(body: bytes) -> Any:
    """JSON with bytes that are no UTF-8, raw control characters, NaN or halves of surrogates; else ``None``."""
    try:
        text = body.decode("utf-8-sig", "replace")
        told = json.loads(text, strict=False, parse_constant=lambda _: None)
        return orjson.loads(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
