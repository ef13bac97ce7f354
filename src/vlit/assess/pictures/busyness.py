"""How much there is to see: colourfulness, entropy, edges, JPEG bits, segments and congestion.

    colourfulness  sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), rg = R - G, yb = (R + G) / 2 - B
                   (Hasler and Süsstrunk 2003; s standard deviations, m means)
    entropy        of the histogram of luminance, 256 bins, bits
    edges          share of inner pixels whose Sobel gradient is above 100 (a step of 25 levels)
    jpeg_bits      bits a pixel as JPEG, quality 75, 4:2:0 (Machado 2015: compression goes with complexity)
    segments       regions of at least 1/1000 of the picture, 4-connected, of one of 4 x 4 x 4 colours, in a
                   thumbnail of 96 pixels
    congestion     mean over three scales, and over cells of 4 x 4 pixels, of the root of the summed variances
                   of luminance and both opponent colours: the colour and contrast parts of feature congestion
                   (Rosenholtz 2007), without orientation and without her colour space

They see clutter, not meaning: a lawn is as complex as a crowd.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vlit.assess.pictures.filters import block_sums, halved
from vlit.assess.pictures.pixels import F32, U8, shrunk

if TYPE_CHECKING:
    import PIL.Image as PILImage

_STEEP = np.float32(100 * 100)
_CELL, _SCALES = 4, 3
_QUALITY = 75
_THUMBNAIL, _LEAST_PART = 96, 1000


def opponents(rgb: U8) -> tuple[F32, F32]:
    """Red against green and yellow against blue, each of shape (height, width)."""
    red, green, blue = (rgb[:, :, i].astype(np.float32) for i in range(3))
    return red - green, (red + green) * np.float32(0.5) - blue


def colourfulness(rg: F32, yb: F32) -> float:
    """Hasler and Süsstrunk's M3."""
    spread = float(rg.var(dtype=np.float64) + yb.var(dtype=np.float64))
    mean = float(rg.mean(dtype=np.float64) ** 2 + yb.mean(dtype=np.float64) ** 2)
    return float(np.sqrt(spread) + 0.3 * np.sqrt(mean))


def entropy(histogram: npt.ArrayLike) -> float:
    """Bits; 0 for one level alone."""
    counts = np.asarray(histogram, np.float64)
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def edges(luminance: F32) -> float:
    """Share of inner pixels with a steep gradient; 0 for an image without inner pixels."""
    if min(luminance.shape) < 3:
        return 0.0
    down = luminance[:-2] + 2 * luminance[1:-1] + luminance[2:]
    along = luminance[:, :-2] + 2 * luminance[:, 1:-1] + luminance[:, 2:]
    gx, gy = down[:, 2:] - down[:, :-2], along[2:] - along[:-2]
    return float((gx * gx + gy * gy > _STEEP).mean())


def jpeg_bits(picture: PILImage.Image) -> float:
    """Bits a pixel as JPEG of quality 75, without what the file's head costs."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, subsampling=2)
    data = out.getvalue()
    scan = data.rfind(b"\xff\xda")  # start of scan: tables before it cost the same in each file
    return 8 * (len(data) - scan) / (picture.width * picture.height)


def congestion(luminance: F32, rg: F32, yb: F32) -> float:
    """Mean local contrast of colour; 0 for an image smaller than a cell."""
    found, maps = [], [luminance, rg, yb]
    for _ in range(_SCALES):
        if min(maps[0].shape) < _CELL:
            break
        variance = sum((_variances(x) for x in maps), start=np.float32(0))
        found.append(float(np.sqrt(np.maximum(variance, 0)).mean(dtype=np.float64)))
        maps = [halved(x) for x in maps]
    return sum(found) / len(found) if found else 0.0


def _variances(x: F32) -> F32:
    """Of each cell."""
    mean = block_sums(x, _CELL, _CELL) * np.float32(1 / _CELL**2)
    return block_sums(x * x, _CELL, _CELL) * np.float32(1 / _CELL**2) - mean * mean


def segments(picture: PILImage.Image) -> int:
    """Number of regions of one colour that are not specks; at least 1."""
    levels = np.asarray(shrunk(picture, _THUMBNAIL)) >> 6
    colours = levels[:, :, 0] * 16 + levels[:, :, 1] * 4 + levels[:, :, 2]
    sizes = np.bincount(regions(colours).ravel())
    return max(1, int((sizes >= max(1, colours.size / _LEAST_PART)).sum()))


def regions(colours: U8) -> npt.NDArray[np.int32]:
    """Each pixel's region, named by its first pixel: 4-connected pixels of equal colour, shape (h, w).

    Names sink to the least of the neighbours', then to their names' names, until nothing changes.
    """
    h, w = colours.shape
    flat = np.arange(h * w, dtype=np.int32)
    names = flat.reshape(h, w)
    beside, below = colours[:, 1:] == colours[:, :-1], colours[1:] == colours[:-1]
    pairs = [(names[:, 1:][beside], names[:, :-1][beside]), (names[1:][below], names[:-1][below])]
    left = np.concatenate([p[0] for p in pairs])
    right = np.concatenate([p[1] for p in pairs])
    while len(left):
        low, high = np.minimum(flat[left], flat[right]), np.maximum(flat[left], flat[right])
        apart = low != high
        if not apart.any():
            break
        left, right, low, high = left[apart], right[apart], low[apart], high[apart]
        np.minimum.at(flat, high, low)
        while True:
            jumped = flat[flat]
            if (jumped == flat).all():
                break
            flat = jumped
    return flat.reshape(h, w)
