"""Models that lie in a folder: where it is, and the lines by which a fingerprint sees that it changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def located(name: str, base: Path) -> str:
    """The absolute path of a folder that is named relative to ``base``; a hub id stays as it is."""
    folder = base / Path(name).expanduser()
    return str(folder.resolve()) if folder.is_dir() else name


def folder_lines(name: str, base: Path) -> Iterator[str]:
    """A line for each file of a model in a folder: name, size and time; nothing for a hub id."""
    folder = Path(located(name, base))
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                about = path.stat()
                yield f"{path.relative_to(folder)} {about.st_size} {about.st_mtime_ns}"
