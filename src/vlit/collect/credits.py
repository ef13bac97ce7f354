"""Licence and attribution of photos from a CSV file: ``file_name, flickr_url, license``, a row a photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlit.collect.importer import Piece, lost
from vlit.collect.table import read_rows
from vlit.data.errors import VlitError
from vlit.data.score import Quarantined

FILE = ("file_name", "filename", "file", "image", "photo")
LICENCE = ("licence", "license")
CREDIT = ("attribution", "credit", "author", "flickr_url", "url", "source")


def is_credits(columns: list[str]) -> bool:
    """Whether a table of these columns tells licences of photos."""
    return any(c in columns for c in FILE) and any(c in columns for c in LICENCE)


def read_credits(path: Path, origin: str) -> Iterator[Piece | Quarantined]:
    """A piece without annotations for each photo.

    Raises:
        VlitError: When there are no such columns.
    """
    for line, row in read_rows(path):
        if isinstance(row, str):
            yield lost(origin, f"line {line}", "", "", row)
            continue
        if not is_credits(list(row)):
            raise VlitError(
                f"columns of photo and licence are needed, found: {', '.join(row)}",
                where=str(path),
                todo="name them file_name and license; flickr_url or attribution is taken as the credit",
            )
        file = next((row[c] for c in FILE if row.get(c)), None)
        if file is None:
            yield lost(origin, f"line {line}", "file_name", "", "the row names no photo")
            continue
        yield Piece(
            origin=origin,
            file=file,
            licence=next((row[c] for c in LICENCE if row.get(c)), None),
            attribution=next((row[c] for c in CREDIT if row.get(c)), None),
        )
