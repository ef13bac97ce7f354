"""Perceptual hash: what a photo is recognised by when it was scaled, stored anew or cut by a little.

The photo is brought to 64 x 64 pixels of luminance; of its cosine transform the 16 x 16 lowest frequencies,
without the mean, are compared with their median: 255 bits after a zero, in whole numbers, so that it is the
same on every machine. Two hashes are as far apart as they have unequal bits;
``vlit.assess.pictures.fingerprint`` tells how far photos are from their copies and from others.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import PIL.Image as PILImage

HASH_BITS = 256
_SIDE, _FREQUENCIES = 64, 16


def perceptual_hash(picture: PILImage.Image) -> str:
    """64 hexadecimal digits."""
    import PIL.Image as PILImage

    small = picture.convert("L").resize((_SIDE, _SIDE), PILImage.Resampling.BILINEAR, reducing_gap=3)
    waves = _cosines()
    transform = waves @ np.asarray(small).astype(np.int64) @ waves.T
    found = transform.ravel() > np.median(transform.ravel()[1:])
    found[0] = False
    return np.packbits(found).tobytes().hex()


@functools.cache
def _cosines() -> npt.NDArray[np.int64]:
    """Rows of the cosine transform in steps of 1/4096, shape (16, 64)."""
    rows = [
        [round(4096 * math.cos(math.pi * (2 * x + 1) * u / (2 * _SIDE))) for x in range(_SIDE)]
        for u in range(_FREQUENCIES)
    ]
    return np.array(rows, np.int64)
