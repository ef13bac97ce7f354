"""A reference corpus: what the n-gram model learns from in place of the set, so that sets can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from vlit.data.errors import VlitError

_RECORDS = frozenset({".json", ".jsonl"})


def reference_texts(path: Path) -> Iterator[str]:
    """Texts of a corpus, in the order of the file: lines of a text file, or turns of LLaVA records.

    Args:
        path: ``.json`` or ``.jsonl`` in LLaVA's layout; anything else is UTF-8 text, one text a line.

    Raises:
        VlitError: When it cannot be read, or holds no text.
    """
    found = False
    for text in _turns(path) if path.suffix.lower() in _RECORDS else _lines(path):
        found = True
        yield text
    if not found:
        raise VlitError("there is no text in it", where=str(path), todo="name another file as `reference`")


class _Turn(msgspec.Struct):
    value: str
    role: str = msgspec.field(name="from", default="")


class _Record(msgspec.Struct):
    conversations: list[_Turn]


def _turns(path: Path) -> Iterator[str]:
    decode = msgspec.json.Decoder(_Record).decode
    for number, raw in enumerate(_records(path), start=1):
        try:
            record = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise VlitError(
                f"record {number} is not in LLaVA's layout: {error}",
                where=str(path),
                todo='records are {"conversations": [{"from": "human", "value": "..."}, ...]}',
            ) from error
        yield from (t.value for t in record.conversations if t.role != "system" and t.value.strip())


def _records(path: Path) -> Iterator[memoryview | str]:
    if path.suffix.lower() == ".jsonl":
        yield from _lines(path)
        return
    from vlit.formats.records import array_records

    yield from array_records(path, 'LLaVA files are [{"id": …, "conversations": …}, …]')


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except OSError as error:
        raise VlitError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise VlitError(
            f"this is no UTF-8 text: {error.reason} at byte {error.start}",
            where=str(path),
            todo="convert it, or name a .json or .jsonl file in LLaVA's layout",
        ) from error
