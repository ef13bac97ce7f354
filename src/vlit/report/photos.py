"""Photos for the page: small JPEGs as data URIs, each embedded once."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image

#: Longest side in pixels, and JPEG quality, of an embedded photo.
SIDE, QUALITY = 384, 80


@dataclass(frozen=True)
class Photo:
    """A photo as the page holds it; without ``data`` it could not be opened, and ``problem`` says why."""

    width: int  #: of the original, in pixels; boxes refer to it
    height: int
    data: str | None = None
    problem: str | None = None


def embed(image: Image) -> Photo:
    """Make a small JPEG of an image, upright and in RGB."""
    try:
        picture = open_rgb(image)
    except ImageProblem as problem:
        return Photo(image.width, image.height, problem=str(problem))
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    code = base64.b64encode(out.getvalue()).decode()
    return Photo(image.width, image.height, data=f"data:image/jpeg;base64,{code}")
