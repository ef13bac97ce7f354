"""Which format a file is in, by its first record."""

from __future__ import annotations

import re
from pathlib import Path

from vlit.data.errors import VlitError
from vlit.formats.registry import FORMATS

_HEAD = 65_536
_SUFFIXES = (".json", ".jsonl")
#: Characters at the beginning of a strange file whose keys are told.
_SHOWN = 1_000
_KEY = re.compile(r'"(\w{1,40})"\s*:')
_TURNS = re.compile(r'"(messages|conversations|output|answer|response|caption)"\s*:')


def recognise(path: Path) -> tuple[Path, str]:
    """The file of a set and the name of its format.

    Args:
        path: A training-data file, or a folder that holds one.

    Raises:
        VlitError: When there is no such file, or several, or its layout is none that is known.
    """
    file = _only_file(path) if path.is_dir() else path
    try:
        with file.open("rb") as handle:
            head = handle.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise VlitError(
            f"cannot read this: {error.strerror}", where=str(path), todo="correct the path"
        ) from error
    head = head.lstrip()
    if head in ("", "[]", "{}"):
        raise VlitError("the file holds no record", where=str(file), todo="export or download it again")
    return file, _format(file, head)


def _only_file(folder: Path) -> Path:
    found = sorted(p for p in folder.iterdir() if p.suffix in _SUFFIXES and p.is_file())
    if len(found) != 1:
        names = ", ".join(p.name for p in found[:5]) or "none"
        raise VlitError(
            f"the folder should hold one .json or .jsonl file; found: {names}",
            where=str(folder),
            todo="name the file itself",
        )
    return found[0]


def _format(file: Path, head: str) -> str:
    if head.startswith("{") and re.match(r'\{\s*"(meta|data)"\s*:\s*\{', head):
        return "mimicit"
    if head.startswith("[") and re.search(r'"conversations"\s*:\s*\[\s*\{\s*"content"\s*:', head):
        return "svit"
    if head.startswith("[") and re.search(r'"from"\s*:', head):
        return "llava"
    if head.startswith(("[", "{")) and _TURNS.search(head):
        return "chat"
    keys = ", ".join(dict.fromkeys(_KEY.findall(head[:_SHOWN])))
    raise VlitError(
        "the layout of this file is not known" + (f"; it begins with the keys {keys}" if keys else ""),
        where=str(file),
        todo=f"name its format with --format ({', '.join(FORMATS.names())}), or write it as LLaVA JSON",
    )
