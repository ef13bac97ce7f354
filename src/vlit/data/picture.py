"""Picture: what was seen when one photo was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlit.data.scene import Row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Looks(Row, frozen=True, kw_only=True):
    """What was measured of the pixels of one photo; ``vlit.assess.pictures`` says how.

    Luminance is 0 to 255. Where nothing else is said, the longest side was brought to 384 pixels before. A
    measure is ``None`` where the photo is too small for it.
    """

    width: float  #: pixels as displayed
    height: float
    sharpness: float  #: variance of the Laplacian of luminance
    focus: float | None  #: fine over coarse detail where there is most, whatever the contrast; 0.1 is blurred
    brightness: float  #: mean luminance
    contrast: float  #: standard deviation of luminance
    dark: float  #: share of pixels with a luminance below 5
    bright: float  #: share of pixels with a luminance above 250
    noise: float | None  #: standard deviation of the noise, in luminance
    blockiness: float | None  #: how far the 8 x 8 grid of JPEG stands out of the luminance; 0 not at all
    unnatural: float | None  #: distance of its local statistics from those of the reference photos
    colourfulness: float  #: Hasler and Süsstrunk 2003; 0 grey, above 80 vivid
    entropy: float  #: of luminance, bits, 0 to 8
    edges: float  #: share of pixels that lie on an edge
    jpeg_bits: float  #: bits a pixel as JPEG of fixed quality
    segments: float  #: regions of one colour
    congestion: float  #: mean local contrast of colour over three scales


class Picture(Row, frozen=True, kw_only=True):
    """One photo as it was looked at: measures and vectors, or the problem why it could not be opened."""

    uri: str
    problem: str | None = None
    looks: Looks | None = None
    hash: str | None = None  #: perceptual hash, hexadecimal
    descriptor: bytes = b""  #: colours and gradients, unit length; float16, little-endian; empty for none
    vector: bytes = b""  #: embedding by a vision model; float16, little-endian; empty for none
    encoder: str | None = None  #: the vision model that made the vector


def packed(vector: npt.ArrayLike) -> bytes:
    """A vector as float16, little-endian."""
    import numpy as np

    return np.asarray(vector, "<f2").tobytes()


def unpacked(data: bytes) -> npt.NDArray[np.float32]:
    """The vector of ``packed``, shape (d,); d is 0 for no bytes."""
    import numpy as np

    return np.frombuffer(data, "<f2").astype(np.float32)
