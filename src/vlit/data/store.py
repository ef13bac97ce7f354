"""Tables on disk: a folder of Parquet parts, each written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from vlit.data.errors import VlitError
from vlit.data.scene import Row
from vlit.data.schema import from_table, schema_of

R = TypeVar("R", bound=Row)


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write a file so that it is there whole or not at all, also after a power cut.

    Yields a temporary path beside ``path``; on success it is synced and renamed.

    Raises:
        VlitError: When the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise unwritable(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(error: OSError, path: Path) -> VlitError:
    """Turn what the operating system says when it refuses to write into an error that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VlitError(
            "the disk is full", where=str(path), todo="free some space and run again: finished parts are kept"
        )
    return VlitError(
        f"cannot write here: {error.strerror or error}",
        where=str(path),
        todo="make the folder writable, or choose another with --runs",
    )


def write_part(path: Path, table: pa.Table) -> None:
    """Write one Parquet part atomically; the same table gives the same bytes."""
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=16_384)


def part_path(folder: Path, key: str, fingerprint: str) -> Path:
    """Name of a part: the shard's key, and the fingerprint of the stage that wrote it."""
    return folder / f"{key}-{fingerprint[:12]}.parquet"


def part_key(path: Path) -> str:
    """The shard's key in a part's name; parts with equal keys hold rows about the same samples."""
    return path.stem.rpartition("-")[0]


def is_sound(path: Path) -> bool:
    """Whether a part is there and whole, as far as its footer tells."""
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def count_rows(path: Path) -> int:
    """Rows of one part, from its footer alone."""
    with _readable(path):
        return int(pq.read_metadata(path).num_rows)


class Table(Generic[R]):
    """A folder of Parquet parts in order of their names, read part by part.

    Args:
        folder: Where the parts lie; an absent folder is an empty table.
        kind: The noun that a row is.
    """

    def __init__(self, folder: Path, kind: type[R]) -> None:
        self.folder, self.kind = folder, kind

    def parts(self) -> list[Path]:
        """Paths of the parts in order."""
        return sorted(p for p in self.folder.glob("*.parquet") if not p.name.startswith("."))

    def __len__(self) -> int:
        return sum(map(count_rows, self.parts()))

    def __iter__(self) -> Iterator[R]:
        for path in self.parts():
            yield from read_part(path, self.kind)

    def find(self, **equal: str) -> Iterator[R]:
        """Rows whose columns equal the given values, read without loading other rows."""
        for path in self.parts():
            with _readable(path):
                table = pq.read_table(path, filters=[(k, "==", v) for k, v in equal.items()])
            yield from from_table(table, self.kind)

    def ids(self, column: str = "id") -> Iterator[str]:
        """One string column, without the rest."""
        for path in self.parts():
            with _readable(path):
                table = pq.read_table(path, columns=[column])
            yield from table[column].to_pylist()


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise VlitError(
            f"cannot read this table part: {error}",
            where=str(path),
            todo="delete the file and run again: it will be made anew",
        ) from error


def read_part(path: Path, kind: type[R]) -> list[R]:
    """All rows of one part.

    Raises:
        VlitError: When the file is no part of that noun.
    """
    with _readable(path):
        table = pq.read_table(path)
    if not table.schema.equals(schema_of(kind)):
        raise VlitError(
            f"this part does not hold {kind.__name__} rows of this version of vlit",
            where=str(path),
            todo="delete the file and run again: it will be made anew",
        )
    return from_table(table, kind)
