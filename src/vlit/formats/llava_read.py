"""Reading LLaVA JSON as it is found in the wild: record by record, each one used, put right, or quarantined."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, probe
from vlit.data.sample import IMAGE_TOKEN, Mark, Paradigm, Provenance, Role, Sample, Turn
from vlit.data.scene import Image, Row
from vlit.data.score import Quarantined, shown
from vlit.data.seeds import hash64
from vlit.formats.image_root import as_root

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_STANDARD = ("human", "gpt", "system")


class _Picture(Row, frozen=True, kw_only=True):
    """What the key ``vlit`` says of an image; its place is in ``image``."""

    width: int
    height: int
    sha256: str | None = None
    size: int | None = None
    format: str | None = None
    mode: str | None = None
    orientation: int = 1


class _Metadata(Row, frozen=True, kw_only=True):
    """The key ``vlit``: everything of a sample that LLaVA has no place for."""

    images: tuple[_Picture, ...] = ()
    task: str = "unknown"
    paradigm: Paradigm = "annotation_adaption"
    region: Box | None = None
    marks: tuple[Mark, ...] = ()
    provenance: Provenance = Provenance()


@dataclass
class _Problem(Exception):
    """One thing that is wrong with a record."""

    field: str
    value: object
    reason: str
    action: Literal["dropped", "repaired"] = "dropped"


def read_llava(path: Path, image_root: str, *, open_images: bool = True) -> Iterator[Sample | Quarantined]:
    """Read a LLaVA JSON file without holding its records in memory.

    Roles may be spelt ``human``/``gpt`` or ``user``/``assistant`` in any case; ``<image>`` may stand anywhere;
    keys that LLaVA does not know are passed over. What was put right is reported as a ``repaired`` row before
    its sample.

    Args:
        path: A JSON array of records.
        image_root: Folder (or fsspec URL) that the images' paths are relative to; ``""`` if they are absolute.
        open_images: Look at each image. Images that the key ``vlit`` describes are only checked to exist; the
            others are opened for size, hash and orientation. If false, no image is touched and the size of an
            image without description is 0 x 0.

    Yields:
        Samples, and a :class:`Quarantined` for each record that was dropped or repaired, in the file's order.

    Raises:
        VlitError: When the file as a whole is no JSON array.
    """
    # Neighbouring records often share a photo. One that cannot be used raises, which is not remembered.
    look = lru_cache(4_096)(lambda uri: probe(uri, decode=False))
    source = _Source(path, as_root(image_root), open_images, look)
    seen: dict[int, int] = {}
    for index, raw in enumerate(_records(path)):
        problems: list[_Problem] = []
        name = ""
        sample: Sample | None = None
        try:
            record = _object(raw)
            name = shown(record.get("id", ""))
            problems += _unique(record, raw, index, seen)
            sample = source.sample(record, problems.append)
        except _Problem as problem:
            problems.append(problem)
        for p in problems:
            yield Quarantined(
                stage="load",
                file=str(path),
                record=f"{name} (record {index})".lstrip(),
                field=p.field,
                value=shown(p.value),
                reason=p.reason,
                action=p.action,
            )
        if sample is not None:
            yield sample


@dataclass(frozen=True)
class _Source:
    path: Path
    root: str
    open_images: bool
    look: Callable[[str], Image]

    def sample(self, record: dict[str, Any], repaired: Callable[[_Problem], None]) -> Sample:
        """The record as a sample; raises the first problem that cannot be put right."""
        turns = _turns(record, repaired)
        names = _image_names(record)
        turns = _placed(turns, names, repaired)
        metadata = _metadata(record, len(names), repaired)
        described = metadata.images if metadata else ()
        images = tuple(self._image(n, described[i] if described else None) for i, n in enumerate(names))
        rest = metadata or _Metadata(provenance=Provenance(source=self.path.name), paradigm="data_mixing")
        return Sample(
            id=record["id"],
            turns=turns,
            images=images,
            task=rest.task,
            paradigm=rest.paradigm,
            region=rest.region,
            marks=rest.marks,
            provenance=rest.provenance,
        )

    def _image(self, name: str, described: _Picture | None) -> Image:
        if ".." in name.split("/"):
            raise _Problem("image", name, "the path leaves the image folder")
        absolute = name.startswith("/") or "://" in name
        if absolute and not name.startswith(self.root):
            raise _Problem("image", name, f"the path leaves the image folder {self.root}")
        uri = name if absolute else self.root + name
        if described is not None:
            if self.open_images and "://" not in uri and not Path(uri).is_file():
                raise _Problem("image", name, f"the file is missing (looked for {uri})")
            return Image(uri=uri, **msgspec.structs.asdict(described))
        if not self.open_images:
            return Image(uri=uri, width=0, height=0)
        try:
            return self.look(uri)
        except ImageProblem as problem:
            raise _Problem("image", name, f"{problem} (looked for {uri})") from None


def _records(path: Path) -> Iterator[bytes | memoryview]:
    """Each record's JSON text, as views of the mapped file."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise VlitError("the file is empty", where=str(path), todo="export or download it again")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        todo = "correct `path`; relative paths start at the recipe's folder"
        raise VlitError(f"cannot read this file: {error.strerror}", where=str(path), todo=todo) from error
    start = 3 if data[:3] == b"\xef\xbb\xbf" else 0
    try:
        records = msgspec.json.decode(memoryview(data)[start:], type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_an_array(path, bytes(data[start : start + 4_096]), error) from None
    for record in records:
        yield memoryview(record)


def _not_an_array(path: Path, head: bytes, error: Exception) -> VlitError:
    text = head.lstrip()
    if not text.startswith(b"{"):
        todo = "the file was cut off or edited by hand; download or export it again"
        return VlitError(f"this is no JSON array of records: {error}", where=str(path), todo=todo)
    first, _, rest = text.partition(b"\n")
    if first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{"):
        what, todo = "this is JSONL (one object a line), not a JSON array", f"jq -s . {path.name} > array.json"
    else:
        what = "this is one JSON object, not an array of records"
        todo = 'take the list out of it, e.g. jq \'.data\' (LLaVA files are [{"id": …, "conversations": …}, …])'
    return VlitError(what, where=str(path), todo=todo)


def _object(raw: bytes | memoryview) -> dict[str, Any]:
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Problem("", bytes(raw[:200]), f"not readable: {error}") from None
    if not isinstance(record, dict):
        raise _Problem("", record, "a record has to be an object")
    return record


def _unique(
    record: dict[str, Any], raw: bytes | memoryview, index: int, seen: dict[int, int]
) -> Iterator[_Problem]:
    """Make the id a string that no record before had; only hashes of ids and records are kept."""
    found = record.get("id")
    if isinstance(found, str) and found:
        name = found
    elif isinstance(found, int) and not isinstance(found, bool):
        name = str(found)
        yield _Problem("id", found, "the id was a number; it is text now", "repaired")
    else:
        name = f"record-{index}"
        yield _Problem("id", found, f"there was no usable id; it is {name!r} now", "repaired")
    content = hash64(raw)
    if seen.get(hash64(name)) == content:
        raise _Problem("id", found, "the same record again")
    if hash64(name) in seen:
        while hash64(name) in seen:
            name = f"{name}#{index}"
        yield _Problem("id", found, f"the id was taken by another record; it is {name!r} now", "repaired")
    seen[hash64(name)] = content
    record["id"] = name


def _turns(record: dict[str, Any], repaired: Callable[[_Problem], None]) -> tuple[Turn, ...]:
    found = record.get("conversations")
    if not isinstance(found, list):
        raise _Problem("conversations", found, "there are no conversations" if found is None else "not a list")
    if not found:
        raise _Problem("conversations", found, "there are no turns")
    turns = []
    odd: list[str] = []
    for place, item in enumerate(found):
        field = f"conversations[{place}]"
        if not isinstance(item, dict):
            raise _Problem(field, item, "a turn has to be an object with 'from' and 'value'")
        speaker, text = item.get("from"), item.get("value")
        role = _ROLES.get(speaker.strip().lower()) if isinstance(speaker, str) else None
        if role is None:
            raise _Problem(f"{field}.from", speaker, "unknown role; known are human, gpt and system")
        if not isinstance(text, str) or not text.strip():
            raise _Problem(f"{field}.value", text, "the turn is empty" if isinstance(text, str) else "not text")
        if str(speaker) not in _STANDARD and str(speaker) not in odd:
            odd.append(str(speaker))
        turns.append(Turn(role=role, text=text))
    _check_order(turns)
    if odd:
        reason = "roles are spelt human, gpt and system in LLaVA; taken as these"
        repaired(_Problem("conversations.from", ", ".join(odd), reason, "repaired"))
    return tuple(turns)


def _check_order(turns: list[Turn]) -> None:
    start = 1 if turns[0].role == "system" else 0
    for place, turn in enumerate(turns[start:]):
        expected = ("user", "assistant")[place % 2]
        if turn.role != expected:
            said = f"wrong order of roles: {turn.role} where {expected} was due"
            raise _Problem(f"conversations[{place + start}].from", turn.role, said)
    if turns[-1].role != "assistant":
        raise _Problem(f"conversations[{len(turns) - 1}].from", turns[-1].role, "the last turn has no answer")


def _image_names(record: dict[str, Any]) -> list[str]:
    found = record.get("image")
    names = [] if found is None else found if isinstance(found, list) else [found]
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise _Problem("image", found, "not the path of an image")
    return names


def _placed(
    turns: tuple[Turn, ...], names: list[str], repaired: Callable[[_Problem], None]
) -> tuple[Turn, ...]:
    """Turns with one ``<image>`` for each image."""
    tokens = sum(t.text.count(IMAGE_TOKEN) for t in turns)
    if tokens == len(names):
        return turns
    if not names:
        raise _Problem("image", None, f"the text has {tokens} {IMAGE_TOKEN} but the record has no image")
    if tokens:
        raise _Problem("image", ", ".join(names), f"{len(names)} images but {tokens} {IMAGE_TOKEN} in the text")
    first = next(i for i, t in enumerate(turns) if t.role == "user")
    seen = Turn(role="user", text=f"{IMAGE_TOKEN}\n" * len(names) + turns[first].text)
    reason = (
        f"there was no {IMAGE_TOKEN} in the text, so LLaVA would have left the image out; it comes first now"
    )
    repaired(_Problem("conversations", turns[first].text, reason, "repaired"))
    return (*turns[:first], seen, *turns[first + 1 :])


def _metadata(record: dict[str, Any], images: int, repaired: Callable[[_Problem], None]) -> _Metadata | None:
    if "vlit" not in record:
        return None
    try:
        found = msgspec.convert(record["vlit"], _Metadata)
    except msgspec.ValidationError as error:
        repaired(_Problem("vlit", record["vlit"], f"unusable and left out: {error}", "repaired"))
        return None
    if len(found.images) != images:
        reason = f"it describes {len(found.images)} images of {images} and was left out"
        repaired(_Problem("vlit.images", len(found.images), reason, "repaired"))
        return None
    return found
