"""COCO captions and instances, in the layouts of 2014 and 2017 and of every tool that writes the same keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, Self

import msgspec
import pydantic

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of, pixels
from vlit.collect.jsonfile import Broken, load
from vlit.data.boxes import from_xywh
from vlit.data.scene import Caption, Object
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

Id = int | str


class _Licence(msgspec.Struct, gc=False):
    id: Id
    name: str | None = None
    url: str | None = None


class _Image(msgspec.Struct, gc=False):
    id: Id
    file_name: str | None = None
    width: float | None = None  # some tools write 640.0
    height: float | None = None
    license: Id | None = None
    flickr_url: str | None = None
    coco_url: str | None = None


class _Caption(msgspec.Struct, gc=False):
    id: Id
    image_id: Id
    caption: str | None


class _Xywh(msgspec.Struct, gc=False, array_like=True, forbid_unknown_fields=True):
    x: float
    y: float
    w: float
    h: float


class _Instance(msgspec.Struct, gc=False):
    id: Id
    image_id: Id
    category_id: Id
    bbox: _Xywh
    iscrowd: bool | Literal[0, 1] = 0


class _Category(msgspec.Struct, gc=False):
    id: Id
    name: str


class _Captions(msgspec.Struct):
    annotations: list[_Caption]
    images: list[_Image] = []
    licenses: list[_Licence] = []


class _Instances(msgspec.Struct):
    annotations: list[_Instance]
    categories: list[_Category]
    images: list[_Image] = []
    licenses: list[_Licence] = []


class Coco(Importer):
    """Captions and instances with COCO's keys. Segmentations are skipped; crowds keep their box."""

    kind: Literal["coco"] = "coco"
    captions: Paths = ()
    instances: Paths = ()

    @pydantic.model_validator(mode="after")
    def _some(self) -> Self:
        if not self.captions and not self.instances:
            raise ValueError("give `captions:`, `instances:`, or both")
        return self

    def files(self, setting: Setting) -> list[Path]:
        """Caption files, then instance files."""
        return [existing(setting, path) for path in (*self.captions, *self.instances)]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each image that a file lists or annotates."""
        for path in self.captions:
            file = existing(setting, path)
            yield from _captions(file, origin_of(setting, file))
        for path in self.instances:
            file = existing(setting, path)
            yield from _instances(file, origin_of(setting, file))


class _ByImage(dict[Id, Piece]):
    """A piece for each image of one file; an image that the file does not list gets one as well."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin

    def __missing__(self, image: Id) -> Piece:
        piece = self[image] = Piece(origin=self.origin, image=str(image))
        return piece

    def listed(self, images: Iterable[_Image], licences: Iterable[_Licence]) -> Iterator[Quarantined]:
        """Take in the file's list of images."""
        names = {entry.id: entry.name or entry.url for entry in licences}
        for image in images:
            if image.id in self:
                yield lost(
                    self.origin,
                    f"image:{image.id}",
                    "id",
                    image.file_name,
                    "an image of this id is listed before",
                )
                continue
            self[image.id] = Piece(
                origin=self.origin,
                image=str(image.id),
                file=image.file_name,
                width=pixels(image.width),
                height=pixels(image.height),
                licence=None if image.license is None else names.get(image.license),
                attribution=image.flickr_url or image.coco_url,
            )

    def bad(self, broken: Broken, prefix: str) -> Quarantined:
        """The quarantine row of a record that could not be decoded; ``prefix`` names the file's annotations."""
        ident, kind = broken.fields.get("id"), broken.record.partition("[")[0]
        named = {"annotations": prefix, "images": "image", "categories": "category"}.get(kind, kind)
        record = f"{named}:{ident}" if isinstance(ident, int | str) else broken.record
        return lost(self.origin, record, broken.field, broken.value, broken.reason)


def _captions(path: Path, origin: str) -> Iterator[Piece | Quarantined]:
    data, broken = load(path, _Captions)
    pieces = _ByImage(origin)
    yield from pieces.listed(data.images, data.licenses)
    yield from (pieces.bad(b, "caption") for b in broken)
    for record in data.annotations:
        text = " ".join((record.caption or "").split())
        pieces[record.image_id].captions.append(Caption(id=f"caption:{record.id}", text=text))
    del data
    yield from pieces.values()


def _instances(path: Path, origin: str) -> Iterator[Piece | Quarantined]:
    data, broken = load(path, _Instances)
    pieces = _ByImage(origin)
    yield from pieces.listed(data.images, data.licenses)
    labels: dict[Id, str] = {}
    for category in data.categories:
        name = " ".join(category.name.split())
        if labels.setdefault(category.id, name) != name:
            reason = f"the category of this id before it is {labels[category.id]!r}"
            yield lost(origin, f"category:{category.id}", "id", name, reason)
    every = tuple(dict.fromkeys(labels.values()))
    for b in broken:
        yield pieces.bad(b, "object")
        image, label = b.fields.get("image_id"), labels.get(_known(b.fields.get("category_id")))
        if isinstance(image, int | str) and b.record.startswith("annotations"):
            # An instance was lost: its label, or any label if that cannot be read, is not counted any more.
            pieces[image].uncertain += (label,) if label else every
    for record in data.annotations:
        label, box = labels.get(record.category_id), record.bbox
        if label is None:
            yield lost(
                origin, f"object:{record.id}", "category_id", record.category_id, "no category has this id"
            )
            continue
        pieces[record.image_id].objects.append(
            Object(
                id=f"object:{record.id}",
                label=label,
                box=from_xywh((box.x, box.y, box.w, box.h)),
                crowd=bool(record.iscrowd),
            )
        )
    del data
    for piece in pieces.values():
        piece.searched = every
        yield piece


def _known(value: object) -> Id:
    return value if isinstance(value, int | str) else ""
