"""JSON as official files have it: read, or refused with a reason; what is read can be written again."""

from __future__ import annotations

import json
from typing import Any

from vlit.data.score import legible


def value_of(text: str, twice: list[str] | None = None) -> Any:
    r"""The value of a JSON text; halves of characters (a lone surrogate) are written out, as ``\ud83d``.

    Args:
        text: Of a file or of a line.
        twice: Is given each key that stands twice in its object; the last value counts.

    Raises:
        ValueError: When it is no JSON, is nested too deep, or holds a number that is too long, and where.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if twice is not None and len(made) != len(found):
            names = [name for name, _ in found]
            twice.extend(sorted({name for name in names if names.count(name) > 1}))
        return made

    try:
        value = json.loads(text, object_pairs_hook=pairs if twice is not None else None)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return _whole(value) if "\\ud" in text.lower() else value


def _whole(value: Any) -> Any:
    """A value without halves of characters: no table and no file of answers could hold them."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return value
