"""The pixels of a photo in the forms in which it is measured; the file is read and decoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from vlit.data.images import ImageProblem, opened, read_bytes, to_rgb

if TYPE_CHECKING:
    import PIL.Image as PILImage

F32: TypeAlias = npt.NDArray[np.float32]
U8: TypeAlias = npt.NDArray[np.uint8]

#: Pixels of the longest side at which photos are measured, so that figures of large and small files compare.
SIDE = 384
#: Pixels of the longest side that a JPEG is decoded to at least: enough for a mean over pixels to follow.
_DECODED = 640


@dataclass(frozen=True)
class Pixels:
    """One photo, upright, as 8-bit RGB.

    Attributes:
        width: Of the file, as displayed.
        height: Of the file, as displayed.
        decoded: As it came out of the decoder: whole, or a JPEG reduced by ``reduction`` while it was decoded.
        reduction: 1, 2, 4 or 8.
        working: With the longest side at most ``SIDE``; smaller photos are not enlarged.
    """

    width: int
    height: int
    decoded: PILImage.Image
    reduction: int
    working: PILImage.Image

    def luminance(self) -> F32:
        """Rec. 601 luminance of the working pixels, 0 to 255, shape (height, width)."""
        return np.asarray(self.working.convert("L"), dtype=np.float32)


def pixels_of(uri: str) -> Pixels:
    """Read and decode a photo; a large JPEG is decoded no larger than needed.

    Raises:
        ImageProblem: When it cannot be used, with the reason.
    """
    picture = opened(read_bytes(uri))
    try:
        return _decoded(picture)
    except ImageProblem:
        raise
    except Exception as error:  # each decoder of Pillow has errors of its own for broken data
        raise ImageProblem(f"truncated or corrupt image data: {error}") from error


def _decoded(picture: PILImage.Image) -> Pixels:
    width, height = whole = picture.size
    if picture.getexif().get(0x0112, 1) in range(5, 9):
        width, height = height, width
    picture.draft(None, _fitted(picture, _DECODED))
    reduction = max(1, round(max(whole) / max(picture.size)))
    rgb = to_rgb(picture)
    return Pixels(width, height, rgb, reduction, shrunk(rgb, SIDE))


def shrunk(picture: PILImage.Image, side: int) -> PILImage.Image:
    """The picture with its longest side at most ``side``, each pixel the mean of those that it stands for."""
    import PIL.Image as PILImage

    size = _fitted(picture, side)
    return picture if size == picture.size else picture.resize(size, PILImage.Resampling.BOX)


def _fitted(picture: PILImage.Image, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(picture.size))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
