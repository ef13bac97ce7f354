"""Question texts and images of benchmark files, whatever their layout.

Read are JSON, JSON lines (also under the name ``.json``), CSV, TSV and other tab-separated text with or without
a header, and Parquet. In records, texts under the names of ``FIELDS`` are questions, at any depth, and of a
dialogue the human's turns; in a table without a header every cell is. Images are 64 hex digits (SHA-256 of a
file), binary columns, and base64 in a column ``image``. XLSX is not read: save it as CSV.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from vlit.data.errors import VlitError
from vlit.run.inputs import files_below, photos_below

#: Names of fields that hold questions, in lower case.
FIELDS = ("question", "questions", "text", "prompt", "input", "query", "instruction", "problem", "sent")
SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".parquet"})
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HUMAN = frozenset({"human", "user"})
_OTHER_COLUMNS = ("id", "image", "index", "question_id")  #: that tell a header as well
_LEAST_BASE64 = 200  #: characters; shorter texts in a column "image" are names


@dataclass
class Benchmark:
    """What a file asks, and the SHA-256 of its images."""

    questions: list[str] = field(default_factory=list)
    images: set[str] = field(default_factory=set)

    def take(self, record: Any, fields: Collection[str]) -> None:
        """Take in what a record holds, at any depth."""
        waiting = [(record, False)]
        while waiting:
            value, asks = waiting.pop()
            if isinstance(value, dict):
                human = str(value.get("from") or value.get("role") or "").lower() in _HUMAN
                for name, inner in reversed(value.items()):
                    known = str(name).lower()
                    spoken = human and known in ("value", "content")
                    self._image(known, inner)
                    waiting.append((inner, spoken or known in fields))
            elif isinstance(value, list | tuple):
                waiting += [(inner, asks) for inner in reversed(value)]
            elif isinstance(value, str):
                if _SHA256.fullmatch(value):
                    self.images.add(value.lower())
                elif asks and value.strip():
                    self.questions.append(value)

    def _image(self, name: str, value: Any) -> None:
        if isinstance(value, bytes):
            self.images.add(hashlib.sha256(value).hexdigest())
        elif name == "image" and isinstance(value, str) and len(value) >= _LEAST_BASE64:
            try:
                data = base64.b64decode(value, validate=True)
            except binascii.Error:
                return
            self.images.add(hashlib.sha256(data).hexdigest())


def benchmark_files(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and the readable ones below folders, in order.

    Raises:
        VlitError: For what is not there, and for folders that hold nothing to read.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(p for p in files_below(path) if p.suffix.lower() in SUFFIXES)
            if not below and not any(photos_below(path)):
                raise VlitError("no benchmark files or images in this folder", where=str(path), todo=_TODO)
            found += below
        elif not path.is_file():
            raise VlitError(
                "no such benchmark file", where=str(path), todo="correct assess.indicators.contamination"
            )
        else:
            found.append(path)
    return found


_TODO = f"name files that end with one of: {', '.join(sorted(SUFFIXES))}"


def read_benchmark(path: Path, fields: Collection[str] = FIELDS) -> Benchmark:
    """Questions and images of one file.

    Args:
        path: The file.
        fields: Names of the fields that hold questions, in lower case.

    Raises:
        VlitError: When it cannot be read, or is of another kind.
    """
    found = Benchmark()
    suffix, names = path.suffix.lower(), frozenset(fields)
    if suffix not in SUFFIXES:
        raise VlitError(f"a benchmark file cannot end with {suffix!r}", where=str(path), todo=_TODO)
    try:
        for record in _records(path, suffix, names):
            found.take(record, names)
    except (OSError, UnicodeDecodeError, orjson.JSONDecodeError, csv.Error, pa.ArrowException) as error:
        raise VlitError(f"cannot read the benchmark: {error}", where=str(path)) from error
    return found


def _records(path: Path, suffix: str, fields: frozenset[str]) -> Iterator[Any]:
    if suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(256):
            yield from batch.to_pylist()
        return
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if suffix in (".csv", ".tsv", ".txt"):
        yield from _rows(data.decode("utf-8"), "," if suffix == ".csv" else "\t", fields)
        return
    try:
        yield orjson.loads(data)
    except orjson.JSONDecodeError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        yield from map(orjson.loads, lines)


def _rows(text: str, delimiter: str, fields: frozenset[str]) -> Iterator[Mapping[str, str | list[str]]]:
    """Rows of a table by their header; without one, all cells as questions."""
    csv.field_size_limit(1 << 30)  # images as base64
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows, [])]
    if fields.union(_OTHER_COLUMNS).isdisjoint(names):
        asked = min(fields)  # any of them
        yield from ({asked: line.split(delimiter)} for line in text.splitlines())
    else:
        yield from (dict(zip(names, row, strict=False)) for row in rows)
