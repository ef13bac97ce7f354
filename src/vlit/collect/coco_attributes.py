"""COCO Attributes: 204 attributes of COCO's objects, each with the share of people who saw it.

Two layouts are published. In one, ``ann_vecs`` and ``patch_id_to_ann_id`` give the values and the id of COCO's
object by the id of a patch; in the other, ``ann_attrs`` gives both by the object's id. Values stand in the
order of the attributes' ids: 0 to 1, and -1 where nobody was asked.

The published files are pickles, which can run any program when they are opened, so they are never read here:
docs/collect.md shows how to make JSON of one. The file names no images; objects are found by their id.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import pydantic

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of
from vlit.collect.jsonfile import Broken, load
from vlit.data.errors import VlitError
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

_VALUES = msgspec.json.Decoder(list[float])


class _Attribute(msgspec.Struct, gc=False):
    id: int
    name: str


class _Values(msgspec.Struct, gc=False):
    attrs_vector: msgspec.Raw


class _File(msgspec.Struct):
    attributes: list[_Attribute]
    ann_vecs: dict[str, msgspec.Raw] = {}
    patch_id_to_ann_id: dict[str, int] = {}
    ann_attrs: dict[str, _Values] = {}


class CocoAttributes(Importer):
    """Attributes of the objects of COCO instances."""

    kind: Literal["coco_attributes"] = "coco_attributes"
    name: str = "coco"
    path: Paths
    #: An attribute is present from this share of people on who saw it.
    threshold: float = pydantic.Field(default=0.5, gt=0, le=1)

    def files(self, setting: Setting) -> list[Path]:
        """The annotation files."""
        return [existing(setting, path) for path in self.path]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each file, of objects wherever they are."""
        for file in self.files(setting):
            yield from _read(file, origin_of(setting, file), self.threshold)


def _read(path: Path, origin: str, threshold: float) -> Iterator[Piece | Quarantined]:
    data, broken = load(path, _File)
    attributes = _ordered(path, data.attributes, broken)
    for b in broken:
        yield lost(origin, b.record, b.field, b.value, b.reason)
    if not data.ann_attrs and not (data.ann_vecs and data.patch_id_to_ann_id):
        raise VlitError(
            "there are no values of attributes",
            where=str(path),
            todo="give a file with `ann_vecs` and `patch_id_to_ann_id`, or with `ann_attrs`",
        )
    for attribute in attributes:
        if not attribute.name:
            yield lost(origin, f"attribute:{attribute.id}", "name", "", "the name is empty")
    piece = Piece(origin=origin)
    for record, ident, raw in _values(data):
        problem, values = ("no object is named for this patch", []) if ident is None else _decoded(raw)
        if not problem and len(values) != len(attributes):
            problem = f"{len(values)} values, but there are {len(attributes)} attributes"
        if not problem and ident in piece.attributes:
            problem = "an annotation of this object comes before it"
        if problem or ident is None:
            yield lost(origin, record, "", bytes(memoryview(raw)[:60]).decode(errors="replace"), problem)
            continue
        seen = zip(attributes, values, strict=True)
        piece.attributes[ident] = tuple(a.name for a, value in seen if value >= threshold and a.name)
    piece.attributes = {ident: names for ident, names in piece.attributes.items() if names}
    yield piece


def _ordered(path: Path, attributes: list[_Attribute], broken: list[Broken]) -> list[_Attribute]:
    """The attributes in the order of the values.

    Raises:
        VlitError: When one is missing or has no id of its own: then no value can be told from the next.
    """
    for b in broken:
        if b.record.startswith("attributes["):
            raise VlitError(
                f"{b.record} cannot be read: {b.field or 'it'}: {b.reason}",
                where=str(path),
                todo="correct it: without it no value can be told from the next",
            )
    ordered = sorted(attributes, key=lambda a: a.id)
    for one, other in itertools.pairwise(ordered):
        if one.id == other.id:
            raise VlitError(
                f"the attributes {one.name!r} and {other.name!r} have the same id {one.id}",
                where=str(path),
                todo="correct it: the values stand in the order of the ids",
            )
    return [_Attribute(id=a.id, name=" ".join(a.name.split())) for a in ordered]


def _values(data: _File) -> Iterator[tuple[str, str | None, msgspec.Raw]]:
    """How a record is named, its object's id, its values, not decoded: 180,000 times 204 numbers are much."""
    for patch, raw in data.ann_vecs.items():
        number = data.patch_id_to_ann_id.get(patch)
        yield f"patch:{patch}", None if number is None else f"object:{number}", raw
    for key, values in data.ann_attrs.items():
        yield f"object:{key}", f"object:{key}", values.attrs_vector


def _decoded(raw: msgspec.Raw) -> tuple[str, list[float]]:
    try:
        return "", _VALUES.decode(raw)
    except msgspec.ValidationError as error:
        said = str(error)
        return said[:1].lower() + said[1:], []
