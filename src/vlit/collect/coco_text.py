"""COCO-Text, versions 1 and 2: words that can be read in photos of COCO train2014.

An illegible text has no string: it says that there is something to read, not what. Its authors marked tens of
thousands so; they are no mistakes to list one by one, but are counted in one row of the quarantine for each
file. A legible text whose string is missing or empty is a mistake, and has a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of, pixels
from vlit.collect.jsonfile import load
from vlit.data.boxes import from_xywh
from vlit.data.scene import SceneText
from vlit.data.score import Quarantined
from vlit.run.stage import Setting


class _Image(msgspec.Struct, gc=False):
    id: int
    file_name: str | None = None
    width: float | None = None
    height: float | None = None


class _Xywh(msgspec.Struct, gc=False, array_like=True, forbid_unknown_fields=True):
    x: float
    y: float
    w: float
    h: float


class _Text(msgspec.Struct, gc=False):
    id: int
    image_id: int
    bbox: _Xywh
    legibility: Literal["legible", "illegible"]
    utf8_string: str | None = None


class _File(msgspec.Struct):
    anns: dict[str, _Text]
    imgs: dict[str, _Image] = {}


class CocoText(Importer):
    """Legible texts with their boxes, joined with COCO captions and instances by image id."""

    kind: Literal["coco_text"] = "coco_text"
    name: str = "coco"
    path: Paths

    def files(self, setting: Setting) -> list[Path]:
        """The annotation files."""
        return [existing(setting, path) for path in self.path]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each image that a file lists or annotates."""
        for file in self.files(setting):
            yield from _read(file, origin_of(setting, file))


def _read(path: Path, origin: str) -> Iterator[Piece | Quarantined]:
    data, broken = load(path, _File)
    for b in broken:
        number = b.fields.get("id")
        kind = "text" if b.record.startswith("anns") else "image"
        record = f"{kind}:{number}" if isinstance(number, int) else b.record
        yield lost(origin, record, b.field, b.value, b.reason)
    pieces: dict[int, Piece] = {}
    for image in data.imgs.values():
        if image.id in pieces:
            yield lost(
                origin, f"image:{image.id}", "id", image.file_name, "an image of this id is listed before"
            )
            continue
        pieces[image.id] = Piece(
            origin=origin,
            image=str(image.id),
            file=image.file_name,
            width=pixels(image.width),
            height=pixels(image.height),
        )
    illegible = 0
    for found in data.anns.values():
        if found.legibility == "illegible":
            illegible += 1
            continue
        ident = found.image_id
        piece = pieces.get(ident) or pieces.setdefault(ident, Piece(origin=origin, image=str(ident)))
        text = " ".join((found.utf8_string or "").split())
        box = from_xywh((found.bbox.x, found.bbox.y, found.bbox.w, found.bbox.h))
        piece.texts.append(SceneText(id=f"text:{found.id}", text=text, box=box))
    if illegible:
        reason = f"{illegible:,} of {len(data.anns):,} texts are illegible: they have a box, but no string"
        yield lost(origin, "", "legibility", "illegible", reason)
    yield from pieces.values()
