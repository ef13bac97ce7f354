"""Reading LLaVA JSON as it is found in the wild: record by record, each one used, put right, or quarantined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.boxes import Box
from vlit.data.sample import IMAGE_TOKEN, Mark, Paradigm, Provenance, Role, Sample, Turn
from vlit.data.scene import Image, Row
from vlit.data.score import Quarantined
from vlit.formats.records import Found, ImageFolder, Problem, Repaired, array_records, object_of, read_records

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

    def image(self, uri: str) -> Image:
        """The image at that place."""
        return Image(uri=uri, **msgspec.structs.asdict(self))


class _Metadata(Row, frozen=True, kw_only=True):
    """The key ``vlit``: everything of a sample that LLaVA has no place for."""

    images: tuple[_Picture, ...] = ()
    task: str = "unknown"
    paradigm: Paradigm = "annotation_adaption"
    region: Box | None = None
    marks: tuple[Mark, ...] = ()
    provenance: Provenance = Provenance()


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
    found = (
        Found(f"record {index}", raw, partial(object_of, raw))
        for index, raw in enumerate(array_records(path, 'LLaVA files are [{"id": …, "conversations": …}, …]'))
    )
    yield from read_records(path, found, LlavaRecords(path, ImageFolder(image_root, open_images)).sample)


@dataclass(frozen=True)
class LlavaRecords:
    """Makes samples of records in LLaVA's layout, which readers of other layouts bring theirs into.

    Args:
        path: The file, source of samples that name none.
        images: Where its images are.
    """

    path: Path
    images: ImageFolder

    def sample(self, record: dict[str, Any], repaired: Repaired) -> Sample:
        """The record as a sample.

        Raises:
            Problem: The first one that cannot be put right.
        """
        turns = _turns(record, repaired)
        names = _image_names(record)
        turns = _placed(turns, names, repaired)
        metadata = _metadata(record, len(names), repaired)
        described = metadata.images if metadata else ()
        images = tuple(
            self.images.image(name, described[i].image if described else None) for i, name in enumerate(names)
        )
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


def _turns(record: dict[str, Any], repaired: Repaired) -> tuple[Turn, ...]:
    found = record.get("conversations")
    if not isinstance(found, list):
        raise Problem("conversations", found, "there are no conversations" if found is None else "not a list")
    if not found:
        raise Problem("conversations", found, "there are no turns")
    turns = []
    odd: list[str] = []
    for place, item in enumerate(found):
        field = f"conversations[{place}]"
        if not isinstance(item, dict):
            raise Problem(field, item, "a turn has to be an object with 'from' and 'value'")
        speaker, text = item.get("from"), item.get("value")
        role = _ROLES.get(speaker.strip().lower()) if isinstance(speaker, str) else None
        if role is None:
            raise Problem(f"{field}.from", speaker, "unknown role; known are human, gpt and system")
        if not isinstance(text, str) or not text.strip():
            raise Problem(f"{field}.value", text, "the turn is empty" if isinstance(text, str) else "not text")
        if str(speaker) not in _STANDARD and str(speaker) not in odd:
            odd.append(str(speaker))
        turns.append(Turn(role=role, text=text))
    _check_order(turns)
    if odd:
        reason = "roles are spelt human, gpt and system in LLaVA; taken as these"
        repaired(Problem("conversations.from", ", ".join(odd), reason, "repaired"))
    return tuple(turns)


def _check_order(turns: list[Turn]) -> None:
    start = 1 if turns[0].role == "system" else 0
    for place, turn in enumerate(turns[start:]):
        expected = ("user", "assistant")[place % 2]
        if turn.role != expected:
            said = f"wrong order of roles: {turn.role} where {expected} was due"
            raise Problem(f"conversations[{place + start}].from", turn.role, said)
    if turns[-1].role != "assistant":
        raise Problem(f"conversations[{len(turns) - 1}].from", turns[-1].role, "the last turn has no answer")


def _image_names(record: dict[str, Any]) -> list[str]:
    found = record.get("image")
    names = [] if found is None else found if isinstance(found, list) else [found]
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise Problem("image", found, "not the path of an image")
    return names


def _placed(turns: tuple[Turn, ...], names: list[str], repaired: Repaired) -> tuple[Turn, ...]:
    """Turns with one ``<image>`` for each image."""
    tokens = sum(t.text.count(IMAGE_TOKEN) for t in turns)
    if tokens == len(names):
        return turns
    if not names:
        raise Problem("image", None, f"the text has {tokens} {IMAGE_TOKEN} but the record has no image")
    if tokens:
        raise Problem("image", ", ".join(names), f"{len(names)} images but {tokens} {IMAGE_TOKEN} in the text")
    first = next(i for i, t in enumerate(turns) if t.role == "user")
    seen = Turn(role="user", text=f"{IMAGE_TOKEN}\n" * len(names) + turns[first].text)
    reason = (
        f"there was no {IMAGE_TOKEN} in the text, so LLaVA would have left the image out; it comes first now"
    )
    repaired(Problem("conversations", turns[first].text, reason, "repaired"))
    return (*turns[:first], seen, *turns[first + 1 :])


def _metadata(record: dict[str, Any], images: int, repaired: Repaired) -> _Metadata | None:
    if "vlit" not in record:
        return None
    try:
        found = msgspec.convert(record["vlit"], _Metadata)
    except msgspec.ValidationError as error:
        repaired(Problem("vlit", record["vlit"], f"unusable and left out: {error}", "repaired"))
        return None
    if len(found.images) != images:
        reason = f"it describes {len(found.images)} images of {images} and was left out"
        repaired(Problem("vlit.images", len(found.images), reason, "repaired"))
        return None
    return found
