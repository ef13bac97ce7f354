"""Reading the probabilities of tokens, in the form of chat completions and in that of plain completions."""

from __future__ import annotations

import math
from typing import Any

from vlit.teacher.reply import Token

#: Servers say "very unlikely" by a number of their own, -9999 for one; exp(-50) is that already.
_LEAST = -50.0


def tokens_of(told: Any) -> tuple[Token, ...]:
    """The tokens of a choice with their probabilities; none where they cannot be read whole.

    Args:
        told: ``logprobs`` of the choice: ``{"content": [{"token", "logprob", "top_logprobs": [...]}]}``, or as
            plain completions have it ``{"tokens": [...], "token_logprobs": [...], "top_logprobs": [{...}]}``.
    """
    if not isinstance(told, dict):
        return ()
    content = told.get("content")
    read = [_token(each) for each in content] if isinstance(content, list) else _plain(told)
    found = [token for token in read if token is not None]
    return tuple(found) if len(found) == len(read) else ()


def _token(told: Any) -> Token | None:
    if not isinstance(told, dict) or not isinstance(text := told.get("token"), str):
        return None
    if (logprob := _logprob(told.get("logprob"))) is None:
        return None
    others = told.get("top_logprobs")
    top = others if isinstance(others, list) else []
    return Token(
        text, logprob, _alternatives([(e.get("token"), e.get("logprob")) for e in top if isinstance(e, dict)])
    )


def _plain(told: dict[str, Any]) -> list[Token | None]:
    """The older form; a first token without a probability is that of a prompt, and makes the rest unsure."""
    texts, logprobs, top = (told.get(name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not isinstance(texts, list) or not isinstance(logprobs, list) or len(texts) != len(logprobs):
        return []
    tops = top if isinstance(top, list) and len(top) == len(texts) else [None] * len(texts)
    found: list[Token | None] = []
    for text, value, others in zip(texts, logprobs, tops, strict=True):
        logprob = _logprob(value)
        pairs = list(others.items()) if isinstance(others, dict) else []
        sound = isinstance(text, str) and logprob is not None
        found.append(Token(text, logprob or 0.0, _alternatives(pairs)) if sound else None)
    return found


def _alternatives(pairs: list[tuple[Any, Any]]) -> tuple[tuple[str, float], ...]:
    read = ((text, _logprob(value)) for text, value in pairs if isinstance(text, str))
    return tuple((text, logprob) for text, logprob in read if logprob is not None)


def _logprob(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return max(min(round(float(value), 6), 0.0), _LEAST)
