"""Reading records as they are found in the wild: each one used, put right, or quarantined with its reason."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, probe
from vlit.data.sample import Sample
from vlit.data.scene import Image
from vlit.data.score import Quarantined, shown
from vlit.data.seeds import hash64
from vlit.formats.image_root import as_root

Raw = bytes | memoryview


@dataclass
class Problem(Exception):
    """One thing that is wrong with a record."""

    field: str
    value: object
    reason: str
    action: Literal["dropped", "repaired"] = "dropped"


#: Takes what was put right in a record that is used.
Repaired = Callable[[Problem], None]


@dataclass(frozen=True)
class Found:
    """A record of a file.

    Args:
        place: Where it stands: ``"record 5"``.
        raw: Its bytes; the same id with the same bytes is the same record again.
        record: Decodes it; raises a :class:`Problem` where that cannot be done.
    """

    place: str
    raw: Raw
    record: Callable[[], dict[str, Any]]


def read_records(
    path: Path, found: Iterable[Found], sample: Callable[[dict[str, Any], Repaired], Sample]
) -> Iterator[Sample | Quarantined]:
    """Turn records into samples with ids of their own.

    Args:
        path: Their file, for quarantine rows.
        found: The records in order.
        sample: Makes a sample of a record whose ``id`` is text that no record before had; raises a
            :class:`Problem` where the record cannot be used.

    Yields:
        Samples, and a :class:`Quarantined` for each record that was dropped or repaired, in the file's order.
    """
    seen = Seen()
    for index, item in enumerate(found):
        problems: list[Problem] = []
        name = ""
        made: Sample | None = None
        try:
            record = item.record()
            name = shown(record.get("id", ""))
            problems += _unique(record, item.raw, index, seen)
            made = sample(record, problems.append)
        except Problem as problem:
            problems.append(problem)
        for p in problems:
            yield Quarantined(
                stage="load",
                file=str(path),
                record=f"{name} ({item.place})".lstrip(),
                field=p.field,
                value=shown(p.value),
                reason=p.reason,
                action=p.action,
            )
        if made is not None:
            yield made


def _unique(record: dict[str, Any], raw: Raw, index: int, seen: Seen) -> Iterator[Problem]:
    """Make the id a string that no record before had; only hashes of ids and records are kept."""
    found = record.get("id")
    if isinstance(found, str) and found:
        name = found
    elif isinstance(found, int) and not isinstance(found, bool):
        name = str(found)
        yield Problem("id", found, "the id was a number; it is text now", "repaired")
    else:
        name = f"record-{index}"
        yield Problem("id", found, f"there was no usable id; it is {name!r} now", "repaired")
    content = hash64(raw)
    before = seen.get(hash64(name))
    if before == content:
        raise Problem("id", found, "the same record again")
    if before is not None:
        while seen.get(hash64(name)) is not None:
            name = f"{name}#{index}"
        yield Problem("id", found, f"the id was taken by another record; it is {name!r} now", "repaired")
    seen.add(hash64(name), content)
    record["id"] = name


class Seen:
    """Pairs of 64-bit numbers, in a fifth of the memory that a dict takes: open addressing in two arrays."""

    def __init__(self) -> None:
        self._count = 0
        self._resize(1 << 10)

    def get(self, key: int) -> int | None:
        """The number that was added under the key."""
        at = self._slot(key)
        return self._values[at] if self._keys[at] else None

    def add(self, key: int, value: int) -> None:
        """Add a pair whose key is new."""
        at = self._slot(key)
        self._keys[at], self._values[at] = key or 1, value
        self._count += 1
        if self._count * 3 > len(self._keys) * 2:
            self._grow()

    def _slot(self, key: int) -> int:
        key, keys, mask = key or 1, self._keys, len(self._keys) - 1
        at = key & mask
        while keys[at] and keys[at] != key:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._resize(len(keys) * 2)
        for key, value in zip(keys, values, strict=True):
            if key:
                at = self._slot(key)
                self._keys[at], self._values[at] = key, value

    def _resize(self, size: int) -> None:
        self._keys, self._values = array("Q", bytes(8 * size)), array("Q", bytes(8 * size))


class ImageFolder:
    """The images that a file's records name.

    Args:
        root: Folder (or fsspec URL) that the names are relative to; ``""`` if they are absolute.
        open_images: Look at each image. Images that are described already are only checked to exist; the others
            are opened for size, hash and orientation. If false, no image is touched and the size of an image
            without description is 0 x 0.
    """

    def __init__(self, root: str, open_images: bool) -> None:
        self.root, self.open_images = as_root(root), open_images
        # Neighbouring records often share a photo. One that cannot be used raises, which is not remembered.
        self._look = lru_cache(4_096)(lambda uri: probe(uri, decode=False))

    def image(self, name: str, described: Callable[[str], Image] | None = None) -> Image:
        """The image of that name.

        Args:
            name: As in the record.
            described: Makes an image of its URI where the record describes it.

        Raises:
            Problem: When it cannot be used.
        """
        if ".." in name.split("/"):
            raise Problem("image", name, "the path leaves the image folder")
        absolute = name.startswith("/") or "://" in name
        if absolute and not name.startswith(self.root):
            raise Problem("image", name, f"the path leaves the image folder {self.root}")
        uri = name if absolute else self.root + name
        if described is not None:
            if self.open_images and "://" not in uri and not Path(uri).is_file():
                raise Problem("image", name, f"the file is missing (looked for {uri})")
            return described(uri)
        if not self.open_images:
            return Image(uri=uri, width=0, height=0)
        try:
            return self._look(uri)
        except ImageProblem as problem:
            raise Problem("image", name, f"{problem} (looked for {uri})") from None


def mapped(path: Path) -> memoryview:
    """A file's bytes without its byte order mark, mapped into memory.

    Raises:
        VlitError: When it cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise VlitError("the file is empty", where=str(path), todo="export or download it again")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        todo = "correct `path`; relative paths start at the recipe's folder"
        raise VlitError(f"cannot read this file: {error.strerror}", where=str(path), todo=todo) from error
    return memoryview(data)[3 if data[:3] == b"\xef\xbb\xbf" else 0 :]


def array_records(path: Path, example: str) -> Iterator[memoryview]:
    """Each record's JSON text of an array of records, as views of the mapped file.

    Args:
        path: The file.
        example: How a right file begins, for the error.

    Raises:
        VlitError: When the file as a whole is no JSON array.
    """
    data = mapped(path)
    try:
        records = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_an_array(path, bytes(data[:4_096]), error, example) from None
    records.reverse()
    while records:  # what was read is let go
        yield memoryview(records.pop())


def _not_an_array(path: Path, head: bytes, error: Exception, example: str) -> VlitError:
    text = head.lstrip()
    if not text.startswith(b"{"):
        todo = "the file was cut off or edited by hand; download or export it again"
        return VlitError(f"this is no JSON array of records: {error}", where=str(path), todo=todo)
    first, _, rest = text.partition(b"\n")
    if first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{"):
        what, todo = "this is JSONL (one object a line), not a JSON array", f"jq -s . {path.name} > array.json"
    else:
        what = "this is one JSON object, not an array of records"
        todo = f"take the list out of it, e.g. jq '.data' ({example})"
    return VlitError(what, where=str(path), todo=todo)


def object_of(raw: Raw) -> dict[str, Any]:
    """A record as a dict.

    Raises:
        Problem: When it is no JSON object.
    """
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("", bytes(raw[:200]), f"not readable: {error}") from None
    if not isinstance(record, dict):
        raise Problem("", record, "a record has to be an object")
    return record
