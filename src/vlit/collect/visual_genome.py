"""Visual Genome: objects, attributes, relationships, region descriptions, questions; versions 1.0, 1.2 and 1.4.

Each file is a list with one record an image, which holds a list; a bad entry of that list costs only itself.
Ids of annotations start with ``vg``, since COCO counts the same images' annotations with the same numbers.

An object is the same in all files if it has the same id, or an id that was merged into it (1.4), or the same
name and box (1.0 counts anew in each file); one that occurs only in attributes or relationships is added once.
The label is the first name; synsets are not read. Capitals of predicates (``ON``, ``WEARING``) become small.
Answers lose their full stop: those of other sources have none. Nothing was annotated exhaustively, so
``Scene.searched`` stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import msgspec

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of, pixels
from vlit.collect.jsonfile import ABSENT, Broken, entries, load
from vlit.data.boxes import Box, from_xywh
from vlit.data.scene import Answer, Object, Question, Region, Relation
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

#: The end of a photo's official URL; version 1.0 has others, of which no photo on disk has the name.
_PHOTO = re.compile(r"VG_100K(?:_2)?/(\d+)\.jpg$")
_AGAIN = "an image of this id comes before it"


class _Record(msgspec.Struct, gc=False, kw_only=True):
    """One image's record. Version 1.0 says ``id`` everywhere, later ones ``id`` in some files."""

    image_id: int | None = None
    id: int | None = None

    @property
    def image(self) -> int | None:
        return self.id if self.image_id is None else self.image_id


class _ImageData(_Record, gc=False, kw_only=True):
    url: str | None = None
    width: float | None = None
    height: float | None = None
    coco_id: int | float | str | None = None  # tools that know no null in a column of numbers write NaN


class _Objects(_Record, gc=False, kw_only=True):
    entries: msgspec.Raw = msgspec.field(name="objects")


class _Attributes(_Record, gc=False, kw_only=True):
    entries: msgspec.Raw = msgspec.field(name="attributes")


class _Relationships(_Record, gc=False, kw_only=True):
    entries: msgspec.Raw = msgspec.field(name="relationships")


class _Regions(_Record, gc=False, kw_only=True):
    entries: msgspec.Raw = msgspec.field(name="regions")


class _Questions(_Record, gc=False, kw_only=True):
    entries: msgspec.Raw = msgspec.field(name="qas")


class _Thing(msgspec.Struct, gc=False):
    """An object, as all files write it."""

    x: float
    y: float
    w: float
    h: float
    object_id: int | None = None
    id: int | None = None
    names: list[str] = []
    object_names: list[str] = []
    name: str | None = None
    attributes: list[str] | None = None
    merged_object_ids: list[int] = []

    @property
    def ident(self) -> int | None:
        return self.id if self.object_id is None else self.object_id

    @property
    def label(self) -> str:
        return _clean(next(iter(self.names or self.object_names), self.name or ""))

    @property
    def box(self) -> Box:
        return from_xywh((self.x, self.y, self.w, self.h))


class _Relationship(msgspec.Struct, gc=False):
    subject: _Thing
    predicate: str
    object: _Thing
    relationship_id: int | None = None
    id: int | None = None


class _Region(msgspec.Struct, gc=False):
    x: float
    y: float
    width: float
    height: float
    phrase: str
    region_id: int | None = None
    id: int | None = None


class _Question(msgspec.Struct, gc=False):
    question: str
    answer: str
    qa_id: int | None = None
    id: int | None = None


_List = _Objects | _Attributes | _Relationships | _Regions | _Questions
_Held = dict[
    int, dict[str, tuple[str, msgspec.Raw]]
]  #: list by file, by image: with the file's name, not decoded

#: Shape of a record by option.
_FILES: dict[str, type[_List]] = {
    "objects": _Objects,
    "attributes": _Attributes,
    "relationships": _Relationships,
    "regions": _Regions,
    "questions": _Questions,
}


class VisualGenome(Importer):
    """Visual Genome in its official files, plain or ``.gz``."""

    kind: Literal["visual_genome"] = "visual_genome"
    image_data: Paths
    objects: Paths = ()
    attributes: Paths = ()
    relationships: Paths = ()
    regions: Paths = ()
    questions: Paths = ()
    #: With ``coco``, images that have a ``coco_id`` take it, and become one scene with what COCO says of them.
    join: Literal["coco"] | None = None

    def title(self, setting: Setting) -> str:
        """The given name, else that of the set that is joined."""
        return self.name or self.join or self.kind

    def files(self, setting: Setting) -> list[Path]:
        """All files, the list of images first."""
        return [existing(setting, path) for name in ("image_data", *_FILES) for path in getattr(self, name)]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each image and file. Only the lists of one image are decoded at a time."""
        images = _Images(self.join is not None)
        for path in self.image_data:
            file = existing(setting, path)
            yield from images.take(file, origin_of(setting, file))
        held: _Held = {image: {} for image in images.known}
        for name, shape in _FILES.items():
            for path in getattr(self, name):
                file = existing(setting, path)
                yield from _hold(file, origin_of(setting, file), name, shape, held)
        for image, lists in held.items():
            reader = _Reader(image, images.piece(image))
            for name, (origin, raw) in lists.items():
                yield from getattr(reader, name)(origin, raw)
            if not lists:
                yield reader.bare


class _Images:
    """What the list of images says."""

    def __init__(self, join: bool) -> None:
        self.join = join
        self.known: dict[int, tuple[str, _ImageData]] = {}
        self.coco: dict[str, int] = {}  # image by COCO's id
        self.ids: dict[int, str] = {}  # COCO's id by image

    def take(self, path: Path, origin: str) -> Iterator[Quarantined]:
        """Take in one file."""
        data, broken = load(path, list[_ImageData])
        for b in broken:
            yield lost(origin, b.record, b.field, b.value, b.reason)
        for n, found in enumerate(data):
            image = found.image
            if image is None:
                yield lost(origin, f"record[{n}]", "image_id", "", ABSENT)
            elif image in self.known:
                yield lost(origin, f"image:{image}", "image_id", image, _AGAIN)
            else:
                self.known[image] = origin, found
                if self.join and found.coco_id is not None:
                    yield from self._joined(image, found.coco_id, origin)

    def _joined(self, image: int, value: float | str, origin: str) -> Iterator[Quarantined]:
        coco = _coco_id(value)
        if coco is None:
            problem = "this is no id of COCO"
        elif coco in self.coco:
            problem = f"image {self.coco[coco]} has the same"
        else:
            self.coco[coco], self.ids[image] = image, coco
            return
        reason = f"{problem}: the image is a scene of its own"
        yield lost(origin, f"image:{image}", "coco_id", value, reason, repaired=True)

    def piece(self, image: int) -> Piece:
        """A piece without annotations, from which those of this image are made."""
        origin, data = self.known.get(image, ("", _ImageData()))
        found = _PHOTO.search(data.url or "")
        photo = found[0] if found and found[1] == str(image) else f"{image}.jpg"
        joined = image in self.ids
        return Piece(
            origin=origin,
            image=self.ids.get(image, f"vg{image}" if self.join else str(image)),
            file=None if joined else photo,
            alias=photo if joined else None,
            width=pixels(data.width),
            height=pixels(data.height),
        )


def _hold(path: Path, origin: str, name: str, shape: type[_List], held: _Held) -> Iterator[Quarantined]:
    """Sort the records of one file by image."""
    records, broken = load(path, list[shape])  # type: ignore[valid-type]
    for b in broken:
        yield lost(origin, b.record, b.field, b.value, b.reason)
    for n, record in enumerate(cast(list[_List], records)):
        image = record.image
        if image is None:
            yield lost(origin, f"record[{n}]", "image_id", "", ABSENT)
        elif name in held.setdefault(image, {}):
            yield lost(origin, f"image:{image}", "image_id", image, _AGAIN)
        else:
            held[image][name] = origin, record.entries


class _Reader:
    """Reads the lists of one image; they have to come in the order of ``_FILES``."""

    def __init__(self, image: int, bare: Piece) -> None:
        self.image, self.bare = image, bare
        self.listed = False  # whether there is a list of the objects
        self.ids: dict[int, str] = {}  # annotation id by any id of an object
        self.same: dict[tuple[str, Box], str] = {}  # annotation id by label and box

    def objects(self, origin: str, raw: msgspec.Raw) -> Iterator[Piece | Quarantined]:
        """Labelled boxes."""
        piece, self.listed = self._piece(origin), True
        things, broken = entries(raw, _Thing, "objects")
        yield from self._lost(origin, broken, "object", "object_id")
        for n, thing in enumerate(things):
            if thing.ident is None:
                yield self._nameless(origin, f"objects[{n}]", "object_id")
            else:
                self._add(piece, thing, thing.ident)
        yield piece

    def attributes(self, origin: str, raw: msgspec.Raw) -> Iterator[Piece | Quarantined]:
        """Attributes of the objects, and objects that only this file has."""
        piece = self._piece(origin)
        things, broken = entries(raw, _Thing, "attributes")
        yield from self._lost(origin, broken, "object", "object_id")
        for n, thing in enumerate(things):
            if self.listed and not thing.attributes:
                continue  # it repeats an object, to say nothing of it
            ident = self._known(piece, thing)
            if ident is None:
                yield self._nameless(origin, f"attributes[{n}]", "object_id")
                continue
            said = dict.fromkeys(name for a in thing.attributes or () if (name := _clean(a)))
            if said:
                piece.attributes[ident] = (*piece.attributes.get(ident, ()), *said)
        yield piece

    def relationships(self, origin: str, raw: msgspec.Raw) -> Iterator[Piece | Quarantined]:
        """Relations, and objects that only this file has."""
        piece = self._piece(origin)
        relations, broken = entries(raw, _Relationship, "relationships")
        yield from self._lost(origin, broken, "relation", "relationship_id")
        for n, found in enumerate(relations):
            number = found.id if found.relationship_id is None else found.relationship_id
            ends = self._known(piece, found.subject), self._known(piece, found.object)
            if number is None or ends[0] is None or ends[1] is None:
                field = "relationship_id" if number is None else "object_id"
                yield self._nameless(origin, f"relationships[{n}]", field)
                continue
            predicate = _clean(found.predicate)
            piece.relations.append(
                Relation(
                    id=f"relation:vg{number}",
                    subject=ends[0],
                    predicate=predicate.lower() if predicate.isupper() else predicate,
                    object=ends[1],
                )
            )
        yield piece

    def regions(self, origin: str, raw: msgspec.Raw) -> Iterator[Piece | Quarantined]:
        """Phrases about parts of the image."""
        piece = self._piece(origin)
        regions, broken = entries(raw, _Region, "regions")
        yield from self._lost(origin, broken, "region", "region_id")
        for n, found in enumerate(regions):
            number = found.id if found.region_id is None else found.region_id
            if number is None:
                yield self._nameless(origin, f"regions[{n}]", "region_id")
                continue
            box = from_xywh((found.x, found.y, found.width, found.height))
            piece.regions.append(Region(id=f"region:vg{number}", phrase=_clean(found.phrase), box=box))
        yield piece

    def questions(self, origin: str, raw: msgspec.Raw) -> Iterator[Piece | Quarantined]:
        """Questions, each answered once by one person."""
        piece = self._piece(origin)
        questions, broken = entries(raw, _Question, "qas")
        yield from self._lost(origin, broken, "question", "qa_id")
        for n, found in enumerate(questions):
            number = found.id if found.qa_id is None else found.qa_id
            if number is None:
                yield self._nameless(origin, f"qas[{n}]", "qa_id")
                continue
            text = _clean(found.answer)
            short = text[:-1].rstrip() if text.count(".") == 1 and text.endswith(".") else text
            answers = (Answer(text=short, count=1),) if short else ()
            ident = f"question:vg{number}"
            piece.questions.append(Question(id=ident, text=_clean(found.question), answers=answers))
        yield piece

    def _piece(self, origin: str) -> Piece:
        return msgspec.structs.replace(
            self.bare, origin=origin, objects=[], regions=[], relations=[], questions=[], attributes={}
        )

    def _add(self, piece: Piece, thing: _Thing, number: int) -> str:
        ident = f"object:vg{number}"
        piece.objects.append(Object(id=ident, label=thing.label, box=thing.box))
        self.same.setdefault((thing.label, thing.box), ident)
        for known in (number, *thing.merged_object_ids):
            self.ids.setdefault(known, ident)
        return ident

    def _known(self, piece: Piece, thing: _Thing) -> str | None:
        """The id of an object that may be known; it is added where it is not. ``None`` if it has no number."""
        if thing.ident is None:
            return None
        found = self.ids.get(thing.ident) or self.same.get((thing.label, thing.box))
        if found is None:
            return self._add(piece, thing, thing.ident)
        self.ids[thing.ident] = found
        return found

    def _nameless(self, origin: str, record: str, field: str) -> Quarantined:
        return lost(origin, f"{record} of image {self.image}", field, "", ABSENT)

    def _lost(self, origin: str, broken: list[Broken], kind: str, key: str) -> Iterator[Quarantined]:
        for b in broken:
            number = b.fields.get(key, b.fields.get("id"))
            record = f"{kind}:vg{number}" if isinstance(number, int) else f"{b.record} of image {self.image}"
            yield lost(origin, record, b.field, b.value, b.reason)


def _clean(text: str) -> str:
    return " ".join(text.split())


def _coco_id(value: float | str) -> str | None:
    """COCO's image id as COCO writes it; ``None`` for what is none."""
    if isinstance(value, str):
        return str(int(value)) if value.isascii() and value.isdigit() and int(value) else None
    return str(int(value)) if value > 0 and value == int(value) else None
