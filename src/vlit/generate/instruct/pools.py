"""Files that an instruction recipe names: few-shot examples, and instructions to draw from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlit.data.errors import VlitError


@dataclass(frozen=True)
class Example:
    """One few-shot example: what a teacher was told of an image, and the reply that is wanted."""

    clues: str
    reply: str


def load_examples(path: Path) -> list[Example]:
    """Examples, in the order of the file: a YAML list of ``{clues: ..., reply: ...}``.

    Raises:
        VlitError: With the number of the entry that is wrong.
    """
    found = [_example(item, f"{path}: entry {n}") for n, item in enumerate(_list(path), 1)]
    _all_differ([example.clues for example in found], path, "clues")
    return found


def load_instructions(path: Path) -> list[str]:
    """Instructions, in the order of the file: a YAML list of distinct texts, each on one line.

    Raises:
        VlitError: With the number of the entry that is wrong.
    """
    found = []
    for n, item in enumerate(_list(path), 1):
        if not isinstance(item, str) or not item.strip() or "\n" in item.strip():
            raise VlitError(
                f"an instruction is a text on one line, not {item!r}",
                where=f"{path}: entry {n}",
                todo="put quotes around a text that holds a colon or begins with a sign",
            )
        found.append(item.strip())
    _all_differ(found, path, "instruction")
    return found


def _list(path: Path) -> list[Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VlitError(f"this is not YAML in UTF-8: {error}", where=str(path)) from error
    if not isinstance(raw, list) or not raw:
        raise VlitError(
            "a list with at least one entry is needed", where=str(path), todo="begin each entry with `- `"
        )
    return raw


def _example(item: Any, where: str) -> Example:
    if not isinstance(item, dict) or item.keys() != {"clues", "reply"}:
        keys = ", ".join(map(str, item)) if isinstance(item, dict) else repr(item)
        raise VlitError(
            f"an example has the keys clues and reply, not {keys}",
            where=where,
            todo="write `- clues: |` with indented lines below it, then `reply: |`",
        )
    for key, text in item.items():
        if not isinstance(text, str) or not text.strip():
            raise VlitError(f"{key!r} has to be a text, not {text!r}", where=where, todo="write it after `|`")
    return Example(item["clues"].strip(), item["reply"].strip())


def _all_differ(texts: list[str], path: Path, what: str) -> None:
    first: dict[str, int] = {}
    for n, text in enumerate(texts, 1):
        if text in first:
            raise VlitError(
                f"the {what} of entry {n} is that of entry {first[text]}", where=str(path), todo="remove one"
            )
        first[text] = n
