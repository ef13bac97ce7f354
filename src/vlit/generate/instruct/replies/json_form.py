"""Replies in JSON that nobody asked for: pairs, conversations and lists in any of their usual shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from vlit.generate.instruct.replies.blocks import Block, Kind
from vlit.generate.instruct.replies.clean import plain

_DECODER = json.JSONDecoder(strict=False)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("topic", "theme", "title", "subject"), "topic"),
    **dict.fromkeys(("question", "q", "user", "human", "instruction", "query", "prompt", "input"), "question"),
    **dict.fromkeys(("answer", "a", "gpt", "assistant", "ai", "response", "reply", "output"), "answer"),
}
_ORDER = {"topic": 0, "question": 1, "answer": 2, None: 3}
#: Keys of containers whose name is no topic.
_CONTAINER = re.compile(
    r"(?:qa|q&a|pairs?|conversations?|dialogues?|dialogs?|questions?|answers?|topics?|data|results?|items?|list"
    r"|content|contents|turns|messages|output|response|and|[_\s\d-])+$",
    re.IGNORECASE,
)
#: Where JSON may begin: at the start of a line, and with what JSON goes on with.
_START = re.compile(r"^[ \t]{0,20}(?=\[\s{0,40}[\[{\"\]]|\{\s{0,40}[\"}])", re.MULTILINE)
_NAMES_OF_TEXT = ("text", "description", "instruction", "item", "answer")
_DEEPEST = 8


def find_json(text: str) -> list[Any] | None:
    """The JSON value, or the values one after the other, of a reply; None where it is not JSON.

    Of a list that breaks off, or whose end is broken, the elements that are whole.
    """
    start = _START.search(text)
    if not start:
        return None
    values = _values(text, start.end())
    if not values and (inner := text.find("[", start.end())) >= 0:
        values = _values(text, inner + 1)
    return values or None


def looks_like_json(text: str) -> bool:
    """Whether a text means to be JSON, broken or not."""
    return _START.match(text) is not None


def _values(text: str, at: int) -> list[Any]:
    """Values from a place on, with or without commas between them, until one is broken."""
    values: list[Any] = []
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        if at >= len(text) or text[at] not in '[{"':
            return values
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return values
        values.append(value)


def blocks_of(values: list[Any]) -> list[Block]:
    """Topics, questions and answers of JSON values, in order."""
    return list(_blocks(values, 0))


def texts_of(values: list[Any]) -> list[str]:
    """All texts of JSON values that are lists of strings, or of objects with one text each."""
    return list(_texts(values, 0))


def _blocks(value: Any, depth: int) -> Iterator[Block]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        if len(value) == 2 and all(isinstance(v, str) for v in value) and value[0].rstrip().endswith("?"):
            yield from (Block("question", value[0].strip()), Block("answer", value[1].strip()))
            return
        for element in value:
            yield from _blocks(element, depth + 1)
    elif isinstance(value, dict):
        yield from _turn(value) or _fields(value, depth)


def _turn(value: dict[str, Any]) -> list[Block]:
    """``{"from": "human", "value": "…"}`` or ``{"role": "user", "content": "…"}``."""
    role = value.get("from", value.get("role"))
    text = _text(value.get("value", value.get("content", value.get("text"))))
    kind = _KINDS.get(role.lower()) if isinstance(role, str) else None
    return [Block(kind, text)] if kind and text is not None else []


def _fields(value: dict[str, Any], depth: int) -> Iterator[Block]:
    kinds = {key: _KINDS.get(key.lower().strip(" _-0123456789")) for key in value}
    numbered = any(kind and key[-1:].isdigit() for key, kind in kinds.items())
    for key in value if numbered else sorted(value, key=lambda key: _ORDER[kinds[key]]):
        kind, held = kinds[key], value[key]
        text = _text(held)
        if kind and text is not None:
            yield Block(kind, text)
        elif isinstance(held, list | dict):
            if not _CONTAINER.match(key):
                yield Block("topic", key.strip())
            yield from _blocks(held, depth + 1)
        elif key.rstrip().endswith("?") and text is not None:
            yield from (Block("question", key.strip()), Block("answer", text))


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield plain(value).strip()
    elif isinstance(value, list) and depth <= _DEEPEST:
        for element in value:
            yield from _texts(element, depth + 1)
    elif isinstance(value, dict) and depth <= _DEEPEST:
        texts = {key: held for key, held in value.items() if isinstance(held, str)}
        named = [texts[key] for key in _NAMES_OF_TEXT if key in texts] or list(texts.values())
        if named:
            yield plain(named[0]).strip()
        for held in value.values():
            if not isinstance(held, str):
                yield from _texts(held, depth + 1)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return plain(value).strip()
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int | float):
        return json.dumps(value)
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return " ".join(plain(v).strip() for v in value)
    return None
