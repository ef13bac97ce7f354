"""What a training-data format is: a way to write tables of samples, and a way to read them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vlit.data.sample import Sample
from vlit.data.score import Quarantined


class Writer(Protocol):
    """Writes parts of a samples table as one file and returns how many samples it wrote."""

    def __call__(
        self, parts: Sequence[Path], path: Path, *, image_root: str | None = None, metadata: bool = True
    ) -> int:
        """Write ``parts`` to ``path``, whole or not at all."""
        ...


class Reader(Protocol):
    """Reads a file record by record; what cannot be used as it is comes out as a quarantine row."""

    def __call__(
        self, path: Path, image_root: str, *, open_images: bool = True
    ) -> Iterator[Sample | Quarantined]:
        """Samples of ``path``, whose images lie under ``image_root``; they need not be there unless opened."""
        ...


@dataclass(frozen=True)
class Format:
    """One training-data format.

    Args:
        name: As in the recipe.
        suffix: Of the file that ``write`` makes, with the dot.
        write: See :class:`Writer`; none for a format that is only read.
        read: See :class:`Reader`.
    """

    name: str
    suffix: str
    write: Writer | None
    read: Reader
