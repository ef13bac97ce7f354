"""Rows of small tables that people write: CSV with any usual delimiter, TSV, JSON Lines."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec

from vlit.data.errors import VlitError

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
MORE = "(more)"  #: key of what a row has beyond its header
JSONL_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header, each with the number of the line that it ends in.

    Column names are lower-cased; a row that is too short lacks columns, what is too much is under ``MORE``.

    Raises:
        VlitError: When the file is no such table.
    """
    with _opened(path) as handle:
        try:
            header = handle.readline()
            if not header.strip():
                raise VlitError(
                    "the table has no header line", where=str(path), todo="name the columns in line 1"
                )
            handle.seek(0)
            reader = csv.DictReader(handle, delimiter=delimiter(header), restkey=MORE, restval=None)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            for row in reader:
                yield reader.line_num, {k: _text(v) for k, v in row.items() if v is not None}
        except (csv.Error, UnicodeDecodeError) as error:
            raise VlitError(
                f"not a table in UTF-8: {error}", where=str(path), todo="save it as UTF-8 CSV"
            ) from error


def columns_of(path: Path) -> list[str]:
    """Column names of a CSV file, keys of the first object of a JSON Lines file; lower-cased.

    Raises:
        VlitError: When the file cannot be read.
    """
    if path.name.lower().endswith(JSONL_SUFFIXES):
        first = next((row for _, row in read_lines(path)), "")
        return [] if isinstance(first, str) else [key.lower() for key in first]
    with _opened(path) as handle:
        try:
            header = handle.readline()
        except UnicodeDecodeError:
            return []
    return [name.strip().strip('"').lower() for name in header.split(delimiter(header))]


def delimiter(header: str) -> str:
    """The delimiter that occurs most often in a header line; a comma where none does."""
    return max(",\t;|", key=header.count)


def read_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Objects of a JSON Lines file with their line number; a string tells why a line is none.

    Raises:
        VlitError: When the file cannot be read as text.
    """
    with _opened(path) as handle:
        try:
            for number, line in enumerate(handle, start=1):
                if not line.strip():
                    continue
                try:
                    yield number, msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.DecodeError as error:
                    yield number, f"not a JSON object: {error}"
        except UnicodeDecodeError as error:
            raise VlitError(f"not UTF-8: {error}", where=str(path), todo="save it as UTF-8") from error


def _text(value: Any) -> str:
    return " ".join(value).strip() if isinstance(value, list) else str(value).strip()


def _opened(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return cast(TextIO, io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8-sig"), newline=""))
        return path.open(encoding="utf-8-sig", newline="")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise VlitError(f"cannot read the file: {error}", where=str(path)) from error
