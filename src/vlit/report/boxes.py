"""Boxes over photos, and where their labels stand so that they do not cover each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlit.data.boxes import Box
from vlit.report.shown import Shown

#: Of more boxes than this, only the first with each label is named.
_TAGS = 4

#: The frame of an example in pixels; a letter of a label and its height, and the padding at both ends.
_FRAME = (340.0, 255.0)
_LETTER, _HEIGHT, _PADDING = 6.9, 17.5, 10.0
#: A label is cut off at this share of the photo's width, in per cent; as in page.css.
_WIDEST = 60.0

#: Left, top, right, bottom in per cent of the photo.
_Area = tuple[float, float, float, float]


@dataclass(frozen=True)
class Drawn:
    """A box over a photo, in per cent of it, with its place in the palette."""

    label: str
    x: float
    y: float
    width: float
    height: float
    colour: int
    tag: str | None  #: where the label stands, as CSS; None for a box that is not named again


def drawn(shown: Shown) -> list[Drawn]:
    """Boxes over the sample's first photo: those it speaks of, else those of its annotations.

    Equal labels share a colour. Nothing is drawn over a photo of unknown size.
    """
    images = shown.sample.images
    if not images or images[0].width <= 0 or images[0].height <= 0:
        return []
    width, height = images[0].width, images[0].height
    found = _found(shown)
    colours: dict[str, int] = {}
    taken: list[_Area] = []
    out = []
    for label, box in found:
        named = label not in colours or len(found) <= _TAGS
        colour = colours.setdefault(label, len(colours) % 6)
        inside = box.clipped(width, height)
        area = (
            100 * inside.x1 / width,
            100 * inside.y1 / height,
            100 * inside.x2 / width,
            100 * inside.y2 / height,
        )
        tag = _tag(label, area, width / height, taken) if named else None
        out.append(Drawn(label, area[0], area[1], area[2] - area[0], area[3] - area[1], colour, tag))
    return out


def _found(shown: Shown) -> list[tuple[str, Box]]:
    sample = shown.sample
    marks = [(m.label, m.box) for m in sample.marks]
    if sample.region is not None:
        marks.insert(0, ("region", sample.region))
    return marks or [
        (a.text if a.kind == "object" else a.kind, box) for a in shown.annotations for box in a.boxes
    ]


def _tag(label: str, box: _Area, aspect: float, taken: list[_Area]) -> str:
    """The first place at the box where the label covers no other one, else where it covers least."""
    across, down = (_FRAME[0], _FRAME[0] / aspect) if aspect > 4 / 3 else (_FRAME[1] * aspect, _FRAME[1])
    width = min(_WIDEST, 100 * (_PADDING + _LETTER * len(label)) / across)
    places = list(_places(box, width, 100 * _HEIGHT / down))
    area, style = min(places, key=lambda place: _covered(place[0], taken))
    taken.append(area)
    return style


def _places(box: _Area, width: float, height: float) -> Iterator[tuple[_Area, str]]:
    """Areas for a label in the order of preference: above, inside at the top, below, inside at the bottom."""
    x1, y1, x2, y2 = box
    columns = [(x1, f"left:{x1:.2f}%"), (x2 - width, f"right:{100 - x2:.2f}%")]
    columns = [c for c in columns if c[0] >= 0 and c[0] + width <= 100] or [(0.0, "left:0")]
    rows = [
        (y1 - height, f"bottom:{100 - y1:.2f}%"),
        (y1, f"top:{y1:.2f}%"),
        (y2, f"top:{y2:.2f}%"),
        (y2 - height, f"bottom:{100 - y2:.2f}%"),
    ]
    rows = [r for r in rows if r[0] >= 0 and r[0] + height <= 100] or [(0.0, "top:0")]
    for top, vertical in rows:
        for left, horizontal in columns:
            yield (left, top, left + width, top + height), f"{horizontal};{vertical}"


def _covered(area: _Area, taken: Sequence[_Area]) -> float:
    return sum(
        max(0.0, min(area[2], t[2]) - max(area[0], t[0])) * max(0.0, min(area[3], t[3]) - max(area[1], t[1]))
        for t in taken
    )
