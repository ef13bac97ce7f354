"""Where the weights of a model are: in a folder or on the hub, and whether they can be had at all.

A name may have ``#cls`` behind it, as ``sentences`` tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlit.weights.device import load


def located(name: str, base: Path) -> str:
    """The absolute path of a folder or file that is named relative to ``base``; a hub id stays as it is."""
    source, mark, pooling = name.partition("#")
    path = base / Path(source).expanduser()
    return f"{path.resolve()}{mark}{pooling}" if path.exists() else name


def folder_lines(name: str, base: Path) -> Iterator[str]:
    """A line for each file of a model in a folder: name, size and time; nothing for a hub id."""
    folder = Path(_source(located(name, base)))
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                about = path.stat()
                yield f"{path.relative_to(folder)} {about.st_size} {about.st_mtime_ns}"


def check_reachable(name: str) -> None:
    """Refuse a model that cannot be had, before hours of work lead up to it.

    Of a hub id no more than its small ``config.json`` is fetched, or found in the cache.

    Args:
        name: As ``located`` tells.

    Raises:
        VlitError: When it is neither a folder nor on the hub, or the hub cannot be reached.
    """
    source = _source(name)
    if not Path(source).is_dir():
        load(name, lambda: _fetch_config(source))


def _fetch_config(source: str) -> None:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    from transformers.utils.hub import cached_file

    try:
        cached_file(source, "config.json")
    except OSError as error:
        missing = isinstance(error.__cause__, EntryNotFoundError)
        if not missing or isinstance(error.__cause__, LocalEntryNotFoundError):
            raise
        # The hub has the model, which keeps its config in the folder of a module.


def _source(name: str) -> str:
    return name.partition("#")[0]
