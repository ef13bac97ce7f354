"""A scratch file of records: written once in order, read anywhere. Only eight bytes a record stay in memory."""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from vlit.data.store import unwritable

#: Bytes that are gathered before they are written.
_BUFFER = 1 << 20


class Spool:
    """Writes records.

    Its file has the name of a half-written one, so that a run that is started again removes what a killed one
    left behind; it goes when this object does.

    Args:
        folder: Where the file lies.
        name: Of what is in it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f".{name}.{os.getpid()}.tmp"
        self._ends = array("q", [0])
        try:
            self._file = self.path.open("wb", buffering=_BUFFER)
        except OSError as error:
            raise unwritable(error, self.path) from error
        self.remove = weakref.finalize(self, _remove, self.path)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, record: bytes) -> int:
        """Append a record and return its number.

        Raises:
            VlitError: When the disk is full.
        """
        try:
            self._file.write(record)
        except OSError as error:
            raise unwritable(error, self.path) from error
        self._ends.append(self._ends[-1] + len(record))
        return len(self._ends) - 2

    def flush(self) -> None:
        """Make what was added readable.

        Raises:
            VlitError: When the disk is full.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise unwritable(error, self.path) from error

    def spans(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where records stand in the file: their first byte and the one after their last; shape (n, 2)."""
        ends = np.frombuffer(self._ends, np.int64)
        return np.stack([ends[numbers], ends[numbers + 1]], axis=1)


class SpoolReader:
    """Reads records of a spool, also in another process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def __enter__(self) -> SpoolReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self._file.close()

    def read(self, spans: Sequence[tuple[int, int]] | npt.NDArray[np.int64]) -> Iterator[bytes]:
        """The records at these places, in their order."""
        for start, end in spans:
            yield os.pread(self._file.fileno(), int(end - start), int(start))


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
