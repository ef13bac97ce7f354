"""Captions and boxes as LLaVA's authors gave them to their teacher: a JSON object a line, boxes as fractions.

    {"id": "000000296284", "image": "000000296284.jpg", "captions": ["A donut shop."],
     "instances": [{"category": "donut", "bbox": [0.37, 0.584, 0.504, 0.709]}]}

A line does not tell the photo's size. Boxes follow the photo where it is opened, or the size that another
source tells. Where neither is so (``images: skip``), they are pixels of a nominal size: three decimals come out
again as they went in, but the width and height of such a scene are made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import pydantic

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of
from vlit.collect.photos import coco_id
from vlit.collect.table import read_lines
from vlit.data.boxes import from_normalised
from vlit.data.scene import Caption, Object
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

#: A fraction beyond it is no box that overhangs the image, but one in other units.
_MOST = 2.0


class _Xyxy(msgspec.Struct, gc=False, array_like=True, forbid_unknown_fields=True):
    x1: float
    y1: float
    x2: float
    y2: float


class _Instance(msgspec.Struct, gc=False):
    category: str
    bbox: _Xyxy


def is_caps_boxes(columns: list[str]) -> bool:
    """Whether JSON Lines of these keys hold captions and boxes."""
    return {"image", "captions", "instances"} <= set(columns)


class CapsBoxes(Importer):
    """Captions and boxes, joined with other sources by COCO's image id where the photo's name holds it."""

    kind: Literal["caps_boxes"] = "caps_boxes"
    name: str = "coco"
    path: Paths
    #: Width and height in pixels, for scenes of which nothing tells the size.
    nominal_size: tuple[pydantic.PositiveInt, pydantic.PositiveInt] = (1000, 1000)

    def files(self, setting: Setting) -> list[Path]:
        """The JSON Lines files."""
        return [existing(setting, path) for path in self.path]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each line."""
        seen: set[str] = set()
        for path in self.files(setting):
            origin = origin_of(setting, path)
            for number, row in read_lines(path):
                record = f"line {number}"
                if isinstance(row, str):
                    yield lost(origin, record, "", "", row)
                    continue
                file = row.get("image")
                if not isinstance(file, str) or not file:
                    yield lost(origin, record, "image", file, "the line names no image file")
                    continue
                image = coco_id(file) or file
                if image in seen:
                    yield lost(origin, record, "image", file, "a line of this image comes before it")
                    continue
                seen.add(image)
                piece = Piece(origin=origin, image=image, file=file, nominal=self.nominal_size)
                yield from _captions(piece, record, row)
                yield from self._instances(piece, record, row)
                yield piece

    def _instances(self, piece: Piece, record: str, row: Mapping[str, Any]) -> Iterator[Quarantined]:
        found = row.get("instances")
        if not isinstance(found, list):
            yield lost(piece.origin, record, "instances", found, "this is no list")
            return
        for n, item in enumerate(found, start=1):
            try:
                instance = msgspec.convert(item, _Instance)
            except msgspec.ValidationError as error:
                reason = str(error)[:1].lower() + str(error)[1:]
                yield lost(piece.origin, f"{record}, instance {n}", "instances", item, reason)
                continue
            box = instance.bbox
            fractions = box.x1, box.y1, box.x2, box.y2
            if max(map(abs, fractions)) > _MOST:
                reason = "these are no fractions of the image, which go from 0 to 1"
                yield lost(piece.origin, f"{record}, instance {n}", "bbox", list(fractions), reason)
                continue
            piece.objects.append(
                Object(
                    id=f"object:cb{n}",
                    label=" ".join(instance.category.split()),
                    box=from_normalised(fractions, *self.nominal_size),
                )
            )


def _captions(piece: Piece, record: str, row: Mapping[str, Any]) -> Iterator[Quarantined]:
    found = row.get("captions")
    if not isinstance(found, list):
        yield lost(piece.origin, record, "captions", found, "this is no list")
        return
    for n, text in enumerate(found, start=1):
        if isinstance(text, str):
            piece.captions.append(Caption(id=f"caption:cb{n}", text=" ".join(text.split())))
        else:
            yield lost(piece.origin, f"{record}, caption {n}", "captions", text, "the caption is no text")
