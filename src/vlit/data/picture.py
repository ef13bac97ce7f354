"""Picture: what was seen when one photo was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlit.data.scene import Row

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Looks(Row, frozen=True, kw_only=True):
    """What was measured of the pixels of one photo; ``vlit.assess.pictures`` says how.

    Luminance is 0 to 255. Where nothing else is said, the photo was measured with its longest side at 384 pixels.
    """

    width: float  #: pixels as displayed
    height: float
    sharpness: float  #: variance of the Laplacian of luminance
    focus: float  #: 0 to 1, how much fine detail the sharpest parts have, whatever their contrast
    brightness: float  #: mean luminance
    contrast: float  #: standard deviation of luminance
    dark: float  #: share of pixels with a luminance below 5
    bright: float  #: share of pixels with a luminance above 250
    noise: float  #: standard deviation of the noise, in luminance
    blockiness: (
        float  #: how much more the luminance changes across the 8 x 8 grid of JPEG than beside it; 0 none
    )
    unnatural: float  #: distance of its local statistics from those of the reference photos
    colourfulness: float  #: Hasler and Süsstrunk 2003; 0 grey, above 80 vivid
    entropy: float  #: of luminance, bits, 0 to 8
    edges: float  #: share of pixels that lie on an edge
    jpeg_bits: float  #: bits a pixel as JPEG of fixed quality
    segments: float  #: regions of one colour
    congestion: float  #: mean local contrast of colour over three scales


class Picture(Row, frozen=True, kw_only=True):
    """One photo as it was looked at: measures and vectors, or why it could not be opened."""

    uri: str
    problem: str | None = None
    looks: Looks | None = None
    hash: str | None = None  #: perceptual hash, hexadecimal
    descriptor: bytes = (
        b""  #: float16, little-endian, unit length: colours and gradients; empty where there is none
    )
    vector: bytes = b""  #: float16, little-endian: embedding by a vision model; empty where there is none


def packed(vector: npt.ArrayLike) -> bytes:
    """A vector as float16, little-endian."""
    import numpy as np

    return np.asarray(vector, "<f2").tobytes()


def unpacked(data: bytes) -> npt.NDArray[np.float32]:
    """The vector of ``packed``, shape (d,); d is 0 for no bytes."""
    import numpy as np

    return np.frombuffer(data, "<f2").astype(np.float32)
