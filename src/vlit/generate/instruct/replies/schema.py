"""The form of a reply as a JSON schema, for servers that can be held to one."""

from __future__ import annotations

from typing import Any

import orjson

from vlit.generate.instruct.recipe import ReplyConfig


def schema(reply: ReplyConfig) -> str:
    """The JSON schema of a reply, as text; equal contracts have equal schemas.

    Only keywords that OpenAI's strict mode, vLLM and llama.cpp all take. How many pairs there are is left to
    the contract: not all of them take ``minItems``.
    """
    return orjson.dumps(_SCHEMAS[reply.form], option=orjson.OPT_SORT_KEYS).decode()


def shape(reply: ReplyConfig) -> str:
    """How the reply is told in the prompt."""
    return _SHAPES[reply.form]


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
_PAIRS = _list(_object(question=_TEXT, answer=_TEXT))
_SCHEMAS = {
    "pairs": _object(pairs=_PAIRS),
    "topics": _object(conversations=_list(_object(topic=_TEXT, pairs=_PAIRS))),
    "text": _object(text=_TEXT),
    "list": _object(items=_list(_TEXT)),
}
_PAIR = '{"question": "...", "answer": "..."}'
_SHAPES = {
    "pairs": f'{{"pairs": [{_PAIR}, ...]}}',
    "topics": f'{{"conversations": [{{"topic": "...", "pairs": [{_PAIR}, ...]}}, ...]}}',
    "text": '{"text": "..."}',
    "list": '{"items": ["...", ...]}',
}
