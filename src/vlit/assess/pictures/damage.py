"""Damage: noise, and the grid that strong JPEG compression leaves.

Noise follows Immerkær (1996): the mask [1 -2 1; -2 4 -2; 1 -2 1] takes out everything that is locally a plane,
and for Gaussian noise the mean absolute result is ``6 sigma sqrt(2 / pi)``. Texture would count as noise, so
the tenth percentile over blocks of 16 x 16 is taken: noise is everywhere, texture seldom. Blocks that are
nearly black or white are left out, where there are others: noise is cut off there. In photos without any
smooth place texture still counts as noise.

Blockiness compares the steps of luminance across each line of the 8 x 8 grid with the steps beside it:

    blockiness = median over lines of: mean |x(p) - x(p-1)| on the line / (its mean one pixel beside + 1/2) - 1

at least 0, steps cut off at 24. The median keeps edges of the picture apart from the grid, which is
everywhere. It is measured as decoded, before the photo is brought to working size; a JPEG that was reduced in
decoding has a grid of 4. The grid starts at the upper left corner: it is not found in a photo that was cut or
resized after it was compressed. JPEG of quality 30 has about 0.3, of 10 about 1.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vlit.assess.pictures.filters import block_sums
from vlit.assess.pictures.pixels import F32

_BLOCK, _GRID = 16, 8
_CUT = np.float32(24)
_QUIET = 0.5  #: added below, so that rounding in a flat photo is no grid


def noise(luminance: F32) -> float | None:
    """Standard deviation of the noise; ``None`` for a side under 18 pixels."""
    if min(luminance.shape) < _BLOCK + 2:
        return None
    second = luminance[:, :-2] - 2 * luminance[:, 1:-1] + luminance[:, 2:]
    second = second[:-2] - 2 * second[1:-1] + second[2:]
    area = _BLOCK * _BLOCK
    means = block_sums(luminance[1:-1, 1:-1], _BLOCK, _BLOCK) / area
    sigmas = block_sums(np.abs(second), _BLOCK, _BLOCK) / area * (math.sqrt(math.pi / 2) / 6)
    lit = (means > 8) & (means < 247)
    ranked = np.sort(sigmas[lit] if lit.any() else sigmas, axis=None)
    return float(ranked[len(ranked) // 10])


def blockiness(luminance: F32, reduction: int = 1) -> float | None:
    """How much larger steps are on the grid than beside it; ``None`` where there is no grid to see.

    Args:
        luminance: As decoded.
        reduction: By how much the decoder made the photo smaller.
    """
    grid = _GRID // reduction
    if grid < 4 or min(luminance.shape) < 4 * grid:
        return None
    found = []
    for x in (luminance, luminance.T):
        lines = np.arange(grid, x.shape[1] - 1, grid)
        before, at, after = (_steps(x, lines + shift) for shift in (-1, 0, 1))
        found.append(at / ((before + after) / 2 + _QUIET) - 1)
    return max(0.0, float(np.median(np.concatenate(found))))


def _steps(x: F32, columns: npt.NDArray[np.int64]) -> F32:
    """Mean step from the pixel before each column to the column, shape (columns,)."""
    steps: F32 = np.minimum(np.abs(x[:, columns] - x[:, columns - 1]), _CUT).mean(axis=0)
    return steps
