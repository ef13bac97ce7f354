"""Where in a journal the records of a request are, and what all of them cost."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError
from vlit.data.store import atomic
from vlit.teacher.records import Call, Fail, Record, Reply, decode

#: Kinds of records, the lowest bits of a place.
CALL, REPLY, FINAL, FAIL = range(4)
#: Records that are kept in a dictionary before they are sorted into the arrays.
RECENT = 50_000

_NAME = "index.bin"
_MAGIC = b"vlit-ix1"
_SEGMENT = re.compile(r"\d{5}\.jsonl")
_SEEN = 256  # bytes before the end of what is covered that are held against the file

Integers = npt.NDArray[np.uint64]


class Totals(msgspec.Struct, gc=False):
    """What was asked of one model and what it cost, over all runs that share the journal."""

    calls: int = 0
    replies: int = 0  #: calls that were answered
    failed: int = 0  #: calls that were not
    prompt: int = 0  #: tokens
    completion: int = 0  #: tokens; what failed calls cost counts here, as the dearer kind
    unknown: int = 0  #: tokens reserved by calls whose outcome or cost is not known: in flight, killed, lost

    @property
    def most(self) -> int:
        """Tokens that were spent at most; what a budget is held against."""
        return self.prompt + self.completion + self.unknown


class Covered(msgspec.Struct, frozen=True):
    """How far a segment is in the index."""

    bytes: int = 0
    lines: int = 0
    check: int = 0  #: CRC-32 of the last bytes


class State(msgspec.Struct):
    """What an index knows beside the places."""

    segments: dict[str, Covered] = {}
    totals: dict[str, Totals] = {}
    damaged: list[str] = []  #: lines that are no record: ``"00001.jsonl, line 7"``
    retried: int = 0  #: place of the last ``Retry``


def pack(segment: int, offset: int, kind: int) -> int:
    """A place as one number. Later records have higher ones."""
    return segment << 48 | offset << 2 | kind


def unpack(place: int) -> tuple[int, int]:
    """Segment and offset of a place."""
    return place >> 48, (place & 0xFFFF_FFFF_FFFF) >> 2


def segment_path(folder: Path, number: int) -> Path:
    """``00001.jsonl``."""
    return folder / f"{number:05d}.jsonl"


def segments(folder: Path) -> list[Path]:
    """The segments in order."""
    return sorted(path for path in folder.glob("*.jsonl") if _SEGMENT.fullmatch(path.name))


class Index:
    """Key -> places, in 16 bytes a record: sorted arrays, and a small dictionary of what came last.

    The arrays are mapped from a file that can always be made anew from the segments.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = State()
        self._keys: Integers = np.empty(0, np.uint64)
        self._places: Integers = np.empty(0, np.uint64)
        self._recent: dict[int, tuple[int, ...]] = {}
        self._folding: dict[int, tuple[int, ...]] = {}
        self._added = 0
        if not (self._load() and self._fits()):
            self.state = State()
            self._keys = self._places = np.empty(0, np.uint64)
        for path in segments(folder):
            self._catch_up(path)

    def find(self, key: str) -> list[int]:
        """Places of records whose keys begin like this one, earliest first."""
        prefix = int(key[:16], 16)
        places = [*self._recent.get(prefix, ()), *self._folding.get(prefix, ())]
        if len(self._keys):
            wanted = np.uint64(prefix)
            first = int(self._keys.searchsorted(wanted))
            if first < len(self._keys) and self._keys[first] == wanted:
                last = int(self._keys.searchsorted(wanted, "right"))
                places += self._places[first:last].tolist()
        return sorted(places)

    def take(self, record: Record, segment: int, offset: int) -> None:
        """Count a record and remember where it is."""
        if isinstance(record, Reply):
            totals = self._totals(record.model)
            totals.replies += 1
            totals.unknown -= record.most
            totals.prompt += record.usage.prompt
            totals.completion += record.usage.completion
            self._add(record.key, pack(segment, offset, REPLY))
        elif isinstance(record, Call):
            totals = self._totals(record.model)
            totals.calls += 1
            totals.unknown += record.most
            if record.whole:
                self._add(record.key, pack(segment, offset, CALL))
        elif isinstance(record, Fail):
            totals = self._totals(record.model)
            totals.failed += bool(record.most)  # without a reserve: the verdict on calls counted before
            if record.cost is not None:
                totals.unknown -= record.most
                totals.completion += record.cost
            self._add(record.key, pack(segment, offset, FINAL if record.final else FAIL))
        else:
            self.state.retried = pack(segment, offset, FAIL)

    @property
    def full(self) -> bool:
        """Whether it is time to fold."""
        return self._added >= RECENT

    def fold(self) -> None:
        """Sort what came last into the arrays."""
        self.set_aside()
        self.adopt(*self.sorted_in())

    def set_aside(self) -> bytes:
        """Begin to fold: returns the state that goes with the arrays that ``sorted_in`` will make."""
        self._folding, self._recent, self._added = self._recent, {}, 0
        return msgspec.json.encode(self.state)

    def sorted_in(self) -> tuple[Integers, Integers]:
        """The arrays with what was set aside. Takes long, and may be done while others use the index."""
        added = sum(map(len, self._folding.values()))
        keys = np.fromiter((k for k, places in self._folding.items() for _ in places), np.uint64, added)
        places = np.fromiter(chain.from_iterable(self._folding.values()), np.uint64, added)
        order = np.lexsort((places, keys))
        keys, places = keys[order], places[order]
        at = self._keys.searchsorted(keys, "right")
        return np.insert(self._keys, at, keys), np.insert(self._places, at, places)

    def adopt(self, keys: Integers, places: Integers) -> None:
        """End to fold."""
        self._keys, self._places, self._folding = keys, places, {}

    def cover(self, path: Path, size: int, lines: int) -> None:
        """Say that all records of a segment up to ``size`` bytes are here."""
        with path.open("rb") as file:
            check = _check(file.fileno(), size)
        self.state.segments[path.name] = Covered(size, lines, check)

    def save(self, state: bytes, keys: Integers, places: Integers) -> None:
        """Write a state and its arrays beside the segments.

        Raises:
            VlitError: When the disk refuses it.
        """
        head = struct.pack("<8sII", _MAGIC, len(state), zlib.crc32(state)) + state
        with atomic(self.folder / _NAME) as temporary, temporary.open("wb") as file:
            file.write(head + b" " * (-len(head) % 8))
            file.write(keys.data)
            file.write(places.data)

    def _totals(self, model: str) -> Totals:
        totals = self.state.totals.get(model)
        if totals is None:
            totals = self.state.totals[model] = Totals()
        return totals

    def _add(self, key: str, place: int) -> None:
        prefix = int(key[:16], 16)
        self._recent[prefix] = (*self._recent.get(prefix, ()), place)
        self._added += 1

    def _load(self) -> bool:
        """Map the saved index; false where there is none that is whole."""
        path = self.folder / _NAME
        try:
            with path.open("rb") as file:
                magic, size, check = struct.unpack("<8sII", file.read(16))
                state = file.read(size)
                start = 16 + size + (-(16 + size) % 8)
                places, rest = divmod(os.fstat(file.fileno()).st_size - start, 16)
            if magic != _MAGIC or zlib.crc32(state) != check or rest or places < 0:
                return False
            self.state = msgspec.json.decode(state, type=State)
        except (OSError, struct.error, msgspec.DecodeError):
            return False
        if places:
            both = np.memmap(path, np.uint64, "r", start, (2, places))
            self._keys, self._places = np.asarray(both[0]), np.asarray(both[1])
        return True

    def _fits(self) -> bool:
        """Whether the segments are still those that the index was made of."""
        for name, covered in self.state.segments.items():
            try:
                with (self.folder / name).open("rb") as file:
                    if os.fstat(file.fileno()).st_size < covered.bytes:
                        return False
                    if _check(file.fileno(), covered.bytes) != covered.check:
                        return False
            except OSError:
                return False
        return True

    def _catch_up(self, path: Path) -> None:
        """Take what a segment has and the index has not: the work of a session that was killed."""
        done = self.state.segments.get(path.name, Covered())
        if path.stat().st_size == done.bytes:
            return
        size, lines = done.bytes, done.lines
        for offset, line, record in lines_of(path, done.bytes):
            whole = line.endswith(b"\n")
            if record is None and not whole:
                break  # torn by a kill or a full disk, or just being written
            size, lines = offset + len(line), lines + whole
            if record is not None:
                self.take(record, int(path.stem), offset)
            elif line.strip():
                self.state.damaged.append(f"{path.name}, line {lines}")
            if self.full:
                self.fold()
        self.cover(path, size, lines)


def lines_of(path: Path, start: int = 0) -> Iterator[tuple[int, bytes, Record | None]]:
    """Offset, line, and record of each line; ``None`` where it is damaged or torn."""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            file.seek(start)
            for line in file:
                yield start, line, decode(line)
                start += len(line)
    except OSError as error:
        raise VlitError(f"cannot read the journal: {error.strerror or error}", where=str(path)) from error


def _check(descriptor: int, size: int) -> int:
    seen = min(size, _SEEN)
    return zlib.crc32(os.pread(descriptor, seen, size - seen))
