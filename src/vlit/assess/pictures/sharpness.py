"""Sharpness: the variance of the Laplacian, and focus, which does not depend on contrast.

Focus compares second differences of luminance over one pixel with those over four pixels, along rows and
columns, as sums over blocks of 32 x 32:

    focus = sum |2 x(p) - x(p-1) - x(p+1)| / sum |2 x(p) - x(p-4) - x(p+4)|

over the quarter of the blocks with the largest denominator: those that have something to be sharp. A step has
1/4; texture has more, up to 1; a ramp that is 4 or more pixels wide has 1/16 and less. A photo whose
background is blurred on purpose has sharp blocks all the same. Noise counts as detail.
"""

from __future__ import annotations

import numpy as np

from vlit.assess.pictures.filters import block_sums
from vlit.assess.pictures.pixels import F32

_BLOCK, _FAR = 32, 4
_LEAST = 2 * _FAR + _BLOCK // 2  #: pixels of a side below which focus is not defined


def laplacian_variance(luminance: F32) -> float:
    """Variance of the 4-neighbour Laplacian over inner pixels; 0 for an image without inner pixels."""
    if min(luminance.shape) < 3:
        return 0.0
    inner = luminance[1:-1, 1:-1]
    around = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    return float((around - 4 * inner).var())


def focus(luminance: F32) -> float | None:
    """Fine over coarse differences where the coarse ones are largest; ``None`` for a side under 24 pixels.

    Without any difference the value is 0: nothing is sharp in it.
    """
    if min(luminance.shape) < _LEAST:
        return None
    block = min(_BLOCK, *(n - 2 * _FAR for n in luminance.shape))
    fine = block_sums(_differences(luminance, 1), block, block).ravel()
    coarse = block_sums(_differences(luminance, _FAR), block, block).ravel()
    strong = coarse >= np.sort(coarse)[len(coarse) - (len(coarse) + 3) // 4]
    total = float(coarse[strong].sum())
    return float(fine[strong].sum()) / total if total > 0 else 0.0


def _differences(x: F32, far: int) -> F32:
    """Absolute second differences over ``far`` pixels, rows and columns added; inner part for ``_FAR``."""
    inner, m = 2 * x[_FAR:-_FAR, _FAR:-_FAR], _FAR
    h, w = x.shape
    along = inner - x[m:-m, m - far : w - m - far] - x[m:-m, m + far : w - m + far]
    across = inner - x[m - far : h - m - far, m:-m] - x[m + far : h - m + far, m:-m]
    found: F32 = np.abs(along, out=along)
    found += np.abs(across, out=across)
    return found
