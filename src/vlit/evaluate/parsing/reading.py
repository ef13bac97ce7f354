"""Readers of official benchmark files: records with their places, and a reason for each that cannot be used.

A wrong file stops with an error that teaches; a wrong record is counted and left out, never asked by half.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, probe
from vlit.data.sample import IMAGE_TOKEN
from vlit.data.scene import Image
from vlit.data.score import Quarantined, commonest, shown
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.parsing.json_text import value_of
from vlit.evaluate.question import Question
from vlit.run.fingerprint import file_digest
from vlit.run.inputs import files_below

#: What a field has to be, e.g. ``{"question": str, "answer": (str, int)}``.
Needs = Mapping[str, type | tuple[type, ...]]

_GZIP = b"\x1f\x8b"
_NAMES = {
    str: "text",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}


@dataclass(frozen=True)
class Record:
    """A record of an official file."""

    file: str  #: name of the file
    place: str  #: "line 3" of a file of lines, "record 3" of a list, the key in an object
    values: Mapping[str, Any]
    id: str = ""  #: as in the official file; empty until :meth:`Reading.usable` looked for it

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A field that may be absent; one that is there and null counts as absent."""
        found = self.values.get(name)
        return default if found is None else found


@dataclass
class Reading:
    """What is read for one benchmark: its files with their digests, and what was lost of them.

    Args:
        benchmark: Its name, for messages.
        base: Folder that relative paths are relative to.
    """

    benchmark: str
    base: Path
    files: dict[str, str] = field(default_factory=dict)  #: name -> digest
    lost: list[Quarantined] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def path(self, path: str | Path, *, folder: bool = False) -> Path:
        """A file (or folder) of the config that has to be there.

        Raises:
            VlitError: When it is not.
        """
        found = (self.base / Path(path).expanduser()).resolve()
        if not (found.is_dir() if folder else found.is_file()):
            kind = "folder" if folder else "file"
            raise self.wrong(
                f"there is no {kind} {str(path)!r}", found, f"correct the path, or fetch the official {kind}"
            )
        return found

    def wrong(self, what: str, where: Path | str, todo: str) -> VlitError:
        """An error about a file of this benchmark."""
        return VlitError(f"{self.benchmark}: {what}", where=str(where), todo=todo)

    def content(self, path: str | Path) -> bytes:
        """The bytes of a file, unpacked where it is gzip; its digest is noted.

        Raises:
            VlitError: When it is missing, cannot be read, or is damaged.
        """
        found = self.path(path)
        try:
            self.files[self._name_of(found)] = file_digest(found)
            data = found.read_bytes()
            return gzip.decompress(data) if data[:2] == _GZIP else data
        except (OSError, EOFError, zlib.error) as error:
            raise self.wrong(f"the file cannot be read: {error}", found, "fetch it again") from error

    def text(self, path: str | Path) -> str:
        """The text of a file; see :meth:`content`."""
        try:
            return self.content(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.wrong(
                f"this is no UTF-8 text: {error}", self.path(path), "take the official file"
            ) from error

    def json(self, path: str | Path) -> Any:
        """The value of a JSON file. A key that stands twice in an object is told; the last one counts.

        Raises:
            VlitError: When it is no JSON.
        """
        twice: list[str] = []
        try:
            value = value_of(self.text(path), twice)
        except ValueError as error:
            todo = "fetch the file again; one object per line needs the suffix .jsonl"
            raise self.wrong(f"this is no JSON: {error}", self.path(path), todo) from error
        for key in twice:
            self.lose(Path(path).name, key, "", key, "this key stands twice; the last is taken", repaired=True)
        return value

    def records(self, path: str | Path, under: str | None = None) -> list[Record]:
        """The records of a JSON list, of an object by key, or of JSONL (by the suffix); gzip or not.

        Args:
            path: Of the file.
            under: Key of the records in the file's object, e.g. "questions".

        Raises:
            VlitError: When it is no JSON, or laid out otherwise.
        """
        if Path(path).name.removesuffix(".gz").endswith(".jsonl"):
            return list(self.lines(path))
        value = self.json(path)
        if under is not None:
            if not isinstance(value, dict) or under not in value:
                raise self.wrong(
                    f"the file has no {under!r}", self.path(path), f"take the official file; {outline(value)}"
                )
            value = value[under]
        return self.of(value, path)

    def lines(self, path: str | Path) -> Iterator[Record]:
        """The records of a file with one object in each line, whatever its suffix; broken lines are lost."""
        name = Path(path).name
        for number, line in enumerate(self.text(path).split("\n"), start=1):
            if not line.strip():
                continue
            try:
                value = value_of(line)
            except ValueError as error:
                self.lose(name, f"line {number}", "", line, f"the line is no JSON: {error}")
                continue
            yield from self._record(name, f"line {number}", value)

    def of(self, value: Any, path: str | Path) -> list[Record]:
        """The records of a JSON value that was read: of a list, or of an object by key."""
        name = Path(path).name
        if isinstance(value, dict):
            return [r for key, one in value.items() for r in self._record(name, str(key), one, str(key))]
        if isinstance(value, list):
            return [r for i, one in enumerate(value, start=1) for r in self._record(name, f"record {i}", one)]
        raise self.wrong("records are expected", self.path(path), f"take the official file; {outline(value)}")

    def table(self, path: str | Path, delimiter: str = "\t", columns: Iterable[str] = ()) -> list[Record]:
        """The rows of a table with a header line, quoted as in CSV; empty cells are left out.

        Args:
            path: Of the file.
            delimiter: Tab by default.
            columns: That have to be there.

        Raises:
            VlitError: When a column is absent.
        """
        csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)  # photos as base64 are long
        reader = csv.reader(io.StringIO(self.text(path), newline=""), delimiter=delimiter)
        try:
            (_, header), *rows = [(reader.line_num, row) for row in reader] or [(0, [])]
        except csv.Error as error:
            raise self.wrong(f"this is no table: {error}", self.path(path), "take the official file") from error
        if absent := [name for name in columns if name not in header]:
            seen = ", ".join(header[:12]) or "nothing"
            raise self.wrong(
                f"the table has no column {absent[0]!r}",
                self.path(path),
                f"take the official file; its first line has {shown(seen)}",
            )
        name, found = Path(path).name, []
        for number, row in rows:
            place = f"line {number}"
            if len(row) != len(header):
                if row:
                    why = f"{len(row)} cells, and {len(header)} columns in the first line"
                    self.lose(name, place, "", row[0], why)
                continue
            found.append(
                Record(name, place, {key: cell for key, cell in zip(header, row, strict=True) if cell != ""})
            )
        return found

    def usable(self, records: Iterable[Record], id: str | None, needs: Needs) -> Iterator[Record]:
        """The records that have what they need, each id once. All others are lost, with the reason.

        Args:
            records: As they were read.
            id: Field of the id, text or a whole number; ``None``: the place, e.g. the key in an object.
            needs: Fields that have to be there, and of which type. Empty text is as good as none.
        """
        seen: dict[str, str] = {}
        for record in records:
            own = record.place if id is None else record.get(id)
            if isinstance(own, bool) or not isinstance(own, (str, int)) or own == "":
                self.lose(record.file, record.place, id or "", own, f"the record has no {id}")
                continue
            found = Record(record.file, record.place, record.values, str(own))
            if first := seen.get(found.id):
                self.lose_record(found, id or "id", found.id, f"the id stands twice: first at {first}")
                continue
            seen[found.id] = found.place
            if problem := lacking(found, needs):
                self.lose_record(found, problem[0], found.get(problem[0]), problem[1])
            else:
                yield found

    def lose(
        self, file: str, record: str, field: str, value: Any, reason: str, *, repaired: bool = False
    ) -> None:
        """Note that a record cannot be used, or was put right."""
        value = "" if value is None else shown(value)
        action = "repaired" if repaired else "dropped"
        self.lost.append(
            Quarantined(
                stage="evaluate",
                file=file,
                record=record,
                field=field,
                value=value,
                reason=reason,
                action=action,  # type: ignore[arg-type]
            )
        )

    def lose_record(self, record: Record, field: str, value: Any, reason: str) -> None:
        """Note that a record cannot be used: by its id, and the place where it stands."""
        where = record.id if record.id in ("", record.place) else f"{record.id} ({record.place})"
        self.lose(record.file, where or record.place, field, value, reason)

    def loaded(self, questions: Sequence[Question]) -> Loaded:
        """What was read. A question whose words hold the mark of an image, which is taken for one, is lost.

        Raises:
            VlitError: When no question can be asked.
        """
        placed = []
        for question in questions:
            if question.prompt.count(IMAGE_TOKEN) == len(question.images):
                placed.append(question)
                continue
            file = next(iter(self.files), "")
            self.lose(file, question.id, "question", question.prompt, f"the question holds {IMAGE_TOKEN}")
        if not placed:
            why = commonest(self.lost) or "the file is empty"
            raise self.wrong(f"no question can be asked: {why}", ", ".join(self.files), "correct these")
        return Loaded(placed, dict(self.files), list(self.lost), tuple(self.remarks))

    def photos(self, folder: str | Path) -> Photos:
        """The photos below a folder of the config."""
        return Photos(self.path(folder, folder=True))

    def photo(self, photos: Photos, name: str, record: Record, field: str = "image") -> Image | None:
        """The photo that a record shows; without one the record is lost, and ``None`` is returned."""
        try:
            return photos.find(name)
        except ImageProblem as problem:
            self.lose_record(record, field, name, f"photo: {problem}")
            return None

    def _name_of(self, found: Path) -> str:
        """A file's name, with its folder where another of this name was read."""
        taken = self.files.keys()
        return found.name if found.name not in taken else f"{found.parent.name}/{found.name}"

    def _record(self, file: str, place: str, value: Any, id: str = "") -> Iterator[Record]:
        if isinstance(value, dict):
            yield Record(file, place, value, id)
        else:
            self.lose(file, place, "", value, f"an object is expected, and this is {kind(value)}")


class Photos:
    """The photos below a folder, by name. Each is opened once, however many questions show it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, Image | str] = {}

    def find(self, name: str) -> Image:
        """The photo of a name: in the folder, below a sub folder of it, or with the suffix that the name lacks.

        Raises:
            ImageProblem: When there is none, several, or it is no photo that can be opened.
        """
        if name not in self._known:
            try:
                self._known[name] = probe(str(self._path(name)), decode=False)
            except ImageProblem as problem:
                self._known[name] = str(problem)
        found = self._known[name]
        if isinstance(found, str):
            raise ImageProblem(found)
        return found

    def _path(self, name: str) -> Path:
        parts = name.replace("\\", "/").split("/")
        if not name or "\0" in name or name.startswith("/") or ".." in parts:
            raise ImageProblem("this is no file name below the image folder")
        straight = self.root / name
        try:
            if straight.is_file():
                return straight
        except OSError as error:  # such as a name that is too long
            raise ImageProblem(f"this is no file name: {error.strerror}") from None
        # Folders in the name have to agree: "8/image.png" must never show the photo of "4/image.png".
        named = self._by_name.get(parts[-1]) or self._by_stem.get(parts[-1]) or []
        found = [
            path for path in named if list(path.parent.parts[len(path.parts) - len(parts) :]) == parts[:-1]
        ]
        if not found:
            raise ImageProblem("there is no such photo below the image folder")
        if len(found) > 1:
            raise ImageProblem(f"{len(found)} photos have this name, in different folders")
        return found[0]

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(files_below(self.root)):
            found.setdefault(path.name, []).append(path)
        return found

    @cached_property
    def _by_stem(self) -> Mapping[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for paths in self._by_name.values():
            for path in paths:
                found.setdefault(path.stem, []).append(path)
        return found


def lacking(record: Record, needs: Needs) -> tuple[str, str] | None:
    """The first field that a record lacks, with the reason; ``None`` where it has all."""
    for name, wanted in needs.items():
        value = record.get(name)
        types = wanted if isinstance(wanted, tuple) else (wanted,)
        if value is None or (isinstance(value, str) and not value.strip()) or value == []:
            return name, f"{name} is missing"
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join(dict.fromkeys(_NAMES.get(t, t.__name__) for t in types))
            return name, f"{name} should be {names}, and is {kind(value)}"
    return None


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def outline(value: Any) -> str:
    """What a file has in its place, for an error message."""
    if isinstance(value, dict):
        return f"this one is an object with {shown(', '.join(map(str, list(value)[:8])) or 'nothing')}"
    if isinstance(value, list):
        inner = f" of {kind(value[0])}" if value else ""
        return f"this one is a list{inner}"
    return f"this one is {kind(value)}"
