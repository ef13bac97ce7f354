"""Rows of small tables that people write: CSV with any usual delimiter, TSV, JSON Lines."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec

from vlit.data.errors import VlitError

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
MORE = "(more)"  #: key of what a row has beyond its header
JSONL_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Rows of a CSV file with a header, each with the number of the line that it ends in.

    Column names are lower-cased; a row that is too short lacks columns, what is too much is under ``MORE``. A
    string tells why lines are no row, such as a quote that is never closed.

    Raises:
        VlitError: When the file is no such table.
    """
    with _opened(path) as handle, _utf8(path):
        header = handle.readline()
        if not header.strip():
            raise VlitError("the table has no header line", where=str(path), todo="name the columns in line 1")
        handle.seek(0)
        reader = csv.DictReader(handle, delimiter=delimiter(header), restkey=MORE, restval=None, strict=True)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        if twice := {name for name in names if name and names.count(name) > 1}:
            raise VlitError(
                f"columns of the same name: {', '.join(sorted(twice))}",
                where=str(path),
                todo="rename or remove one",
            )
        reader.fieldnames = names
        lines = reader.reader  # it counts the lines of rows that fail, too
        while True:
            before = lines.line_num
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                span = f"lines {before + 1} to {lines.line_num}" if lines.line_num > before + 1 else "the line"
                yield lines.line_num, f"{span} cannot be split into columns: {error}; inner quotes are doubled"
                continue
            yield reader.line_num, {k: _text(v) for k, v in row.items() if v is not None}


def columns_of(path: Path) -> list[str]:
    """Column names of a CSV file, keys of the first object of a JSON Lines file; lower-cased.

    Raises:
        VlitError: When the file cannot be read.
    """
    if path.name.lower().endswith(JSONL_SUFFIXES):
        first = next((row for _, row in read_lines(path) if not isinstance(row, str)), {})
        return [key.lower() for key in first]
    with _opened(path) as handle, _utf8(path):
        header = handle.readline()
    return [name.strip().strip('"').lower() for name in header.split(delimiter(header))]


def delimiter(header: str) -> str:
    """The delimiter that occurs most often in a header line; a comma where none does."""
    return max(",\t;|", key=header.count)


def read_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Objects of a JSON Lines file with their line number; a string tells why a line is none.

    Raises:
        VlitError: When the file cannot be read as text.
    """
    with _opened(path) as handle, _utf8(path):
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                yield number, msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError as error:
                yield number, f"not a JSON object: {error}"


@contextlib.contextmanager
def _utf8(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error


def _not_utf8(path: Path, error: UnicodeDecodeError) -> VlitError:
    near = error.object[max(0, error.start - 20) : error.start + 20]
    return VlitError(
        f"not UTF-8: byte 0x{error.object[error.start]:02x} in {near!r}",
        where=str(path),
        todo="save it as UTF-8 (in a spreadsheet: CSV UTF-8)",
    )


def _text(value: Any) -> str:
    return " ".join(value).strip() if isinstance(value, list) else str(value).strip()


def _opened(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return cast(TextIO, io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8-sig"), newline=""))
        return path.open(encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except (OSError, EOFError, zlib.error) as error:
        raise VlitError(f"cannot read the file: {error}", where=str(path), todo="download it again") from error
