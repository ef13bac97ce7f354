"""Boxes: pixels of the image, xyxy, float, everywhere inside; every other form is made and read here.

Coordinates are continuous: a box that covers a whole 640x480 image is ``(0, 0, 640, 480)``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import msgspec

#: ``[0.726, 0.547, 0.758, 0.643]``: four numbers in brackets, the spelling of LLaVA and SVIT.
#: Unlike the upstream pattern it takes signs, exponents and any spacing.
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
BOX_TEXT = re.compile(rf"\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]")


class Box(msgspec.Struct, frozen=True, gc=False):
    """A rectangle in pixels of the image: left, top, right, bottom."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Horizontal extent in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Vertical extent in pixels."""
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for a box without extent."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def center(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def clipped(self, width: float, height: float) -> Box:
        """The part of the box inside a ``width`` x ``height`` image (without area if there is none)."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def scaled(self, sx: float, sy: float) -> Box:
        """The box on an image that was resized by ``sx`` and ``sy``."""
        return Box(self.x1 * sx, self.y1 * sy, self.x2 * sx, self.y2 * sy)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1; 0 where both are without area."""
        overlap = (
            max(0.0, min(self.x2, other.x2) - max(self.x1, other.x1))
            * max(0.0, min(self.y2, other.y2) - max(self.y1, other.y1))
        )  # fmt: skip
        union = self.area + other.area - overlap
        return overlap / union if union > 0 else 0.0

    def problem(self) -> str | None:
        """Why this is no box (not finite, without area), or ``None``."""
        if not all(map(math.isfinite, (self.x1, self.y1, self.x2, self.y2))):
            return "a coordinate is not a finite number"
        if self.width <= 0 or self.height <= 0:
            return "the box has no area"
        return None


def from_xywh(xywh: Sequence[float]) -> Box:
    """COCO's ``[left, top, width, height]``.

    Raises:
        ValueError: When there are not exactly four values.
    """
    x, y, w, h = xywh
    return Box(x, y, x + w, y + h)


def to_xywh(box: Box) -> tuple[float, float, float, float]:
    """COCO's ``[left, top, width, height]``."""
    return box.x1, box.y1, box.width, box.height


def to_normalised(box: Box, width: float, height: float) -> tuple[float, float, float, float]:
    """Fractions of the image, 0 to 1, three decimals: the form of LLaVA's and SVIT's texts."""
    return (
        round(box.x1 / width, 3),
        round(box.y1 / height, 3),
        round(box.x2 / width, 3),
        round(box.y2 / height, 3),
    )


def from_normalised(values: Sequence[float], width: float, height: float) -> Box:
    """Pixels from fractions of the image; the inverse of :func:`to_normalised` up to its rounding."""
    x1, y1, x2, y2 = values
    return Box(x1 * width, y1 * height, x2 * width, y2 * height)


def to_padded_square(box: Box, width: float, height: float) -> tuple[float, float, float, float]:
    """Fractions, three decimals, of the square that LLaVA-1.5 pads an image to.

    The shorter side is centred with a floored offset, as the padding code of LLaVA-1.5 does. Boxes are
    converted one by one: SVIT's own tool replaces strings in the text and so can convert a box twice.
    """
    side, dx, dy = _padding(width, height)
    return to_normalised(Box(box.x1 + dx, box.y1 + dy, box.x2 + dx, box.y2 + dy), side, side)


def from_padded_square(values: Sequence[float], width: float, height: float) -> Box:
    """Pixels of the unpadded image from fractions of its padded square."""
    side, dx, dy = _padding(width, height)
    x1, y1, x2, y2 = values
    return Box(x1 * side - dx, y1 * side - dy, x2 * side - dx, y2 * side - dy)


def _padding(width: float, height: float) -> tuple[float, float, float]:
    side = max(width, height)
    return side, (side - width) // 2, (side - height) // 2


def format_box(values: Sequence[float]) -> str:
    """``[0.100, 0.200, 0.300, 0.400]``: four fractions as text, always three decimals."""
    return "[" + ", ".join(f"{v:.3f}" for v in values) + "]"


def find_boxes(text: str) -> list[tuple[float, float, float, float]]:
    """Every four-number box written in ``text``, in order, as written (not converted)."""
    return [
        (float(m[1]), float(m[2]), float(m[3]), float(m[4])) for m in BOX_TEXT.finditer(text)
    ]  # fmt: skip


def oriented(box: Box, orientation: int, width: float, height: float) -> Box:
    """Move a box from the stored pixels to the displayed image.

    Args:
        box: In pixels of the image as stored.
        orientation: EXIF orientation, 1 to 8.
        width: Stored width in pixels.
        height: Stored height in pixels.
    """
    x1, y1, x2, y2 = box.x1, box.y1, box.x2, box.y2
    if orientation in (2, 3, 6, 7):  # these mirror what becomes the horizontal axis
        if orientation in (2, 3):
            x1, x2 = width - x2, width - x1
        else:
            y1, y2 = height - y2, height - y1
    if orientation in (3, 4, 7, 8):
        if orientation in (3, 4):
            y1, y2 = height - y2, height - y1
        else:
            x1, x2 = width - x2, width - x1
    return Box(y1, x1, y2, x2) if orientation >= 5 else Box(x1, y1, x2, y2)
