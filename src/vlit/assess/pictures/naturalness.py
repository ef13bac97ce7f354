"""Natural-scene statistics: how far the local luminance of a photo is from that of photos as they should be.

Luminance is normalised by the mean and the standard deviation around each pixel (MSCN, Ruderman 1994). In
natural photos the result is close to a generalised Gaussian, and products of neighbours to asymmetric ones;
blur, noise, compression and drawing change their shapes. The features are those of BRISQUE and NIQE (Mittal
2012, 2013): of each patch 18 at each of two scales. The value is a Mahalanobis distance, as NIQE's:

    sqrt((m - mu)' S^-1 (m - mu))      m: mean of the features over the patches of the photo

with the mean ``mu`` and the covariance ``S`` of the patches of the reference photos. Differences to NIQE: a
binomial window, logarithms of scale features, no choice of sharp patches, and S alone instead of the mean of
both covariances (a small photo has fewer patches than features).

The reference is fitted on the 44 photos that ship with vlit (``scripts/fit_natural_scenes.py``): everyday
photos of 384 pixels, JPEG of good quality. It is small, and all of one kind: other kinds (drawings, scans,
night, medical pictures) are far from it without being bad, and so are photos that were resized or compressed
in another way. Left out of the fit one by one, the 44 have a median of 2.0 and a 95th percentile of 3.1; 54
other photos of COCO, read at 640 pixels, have 2.8 and 4.8.
"""

from __future__ import annotations

import functools
import json
import math
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlit.assess.pictures.filters import halved, smoothed
from vlit.assess.pictures.pixels import F32

F64 = npt.NDArray[np.float64]

PATCH = 96  #: pixels of a patch at the first scale, about
_LEAST = 32  #: pixels of a side below which there is nothing to measure
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below, and both diagonals


class Reference(NamedTuple):
    """Features of good photos: their mean, shape (36,), and inverse covariance, shape (36, 36)."""

    mean: F64
    precision: F64


def unnatural(luminance: F32, reference: Reference | None = None) -> float | None:
    """Distance from the reference; ``None`` for a photo too small or too flat to have statistics."""
    found = features(luminance)
    if found is None:
        return None
    mean, precision = reference or shipped()
    difference = found.mean(axis=0) - mean
    return float(np.sqrt((difference[:, None] * precision * difference).sum()))


@functools.cache
def shipped() -> Reference:
    """The reference that ships with vlit."""
    data = json.loads(files("vlit.assess.pictures").joinpath("natural_scenes.json").read_text())
    return Reference(np.array(data["mean"]), np.array(data["precision"]))


def features(luminance: F32) -> F64 | None:
    """Features of each patch, shape (patches, 36); ``None`` where the photo is too small or flat."""
    if min(luminance.shape) < _LEAST:
        return None
    rows, columns = (max(1, round((n - 6) / PATCH)) for n in luminance.shape)
    first = _of_scale(luminance, rows, columns)
    second = _of_scale(halved(luminance), rows, columns)
    both = np.concatenate([first, second], axis=1)
    whole = np.isfinite(both).all(axis=1)
    return both[whole] if whole.any() else None


def mscn(luminance: F32) -> F32:
    """Mean-subtracted, contrast-normalised luminance of the inner part, shape (h - 6, w - 6)."""
    mean = smoothed(luminance)
    variance = smoothed(luminance * luminance) - mean * mean
    spread: F32 = np.sqrt(np.maximum(variance, 0, dtype=np.float32)) + np.float32(1)
    return (luminance[3:-3, 3:-3] - mean) / spread


def _of_scale(luminance: F32, rows: int, columns: int) -> F64:
    """18 features of each patch, shape (rows * columns, 18); not finite for flat patches."""
    normal = mscn(luminance)
    height, width = normal.shape
    parts = [_sides(normal, rows, columns)[:, [0, 4]]]
    for down, right in _SHIFTS:
        if right >= 0:
            product = normal[: height - down, : width - right] * normal[down:, right:]
        else:
            product = normal[: height - down, -right:] * normal[down:, : width + right]
        parts.append(_sides(product, rows, columns)[:, :4])
    return np.concatenate(parts, axis=1)


def _sides(x: F32, rows: int, columns: int) -> F64:
    """Fit of an asymmetric generalised Gaussian to each patch, by moments (Lasmar 2009), shape (patches, 5).

    Shape, mean, log variance of the negative side and of the positive side, log variance of both.
    """
    negative = np.minimum(x, 0)
    below = _sums((x < 0).astype(np.float32), rows, columns)
    number = _sums(np.ones_like(x), rows, columns)
    absolute = _sums(x, rows, columns) - 2 * _sums(negative, rows, columns)
    square, low_square = _sums(x * x, rows, columns), _sums(negative * negative, rows, columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = low_square / below, (square - low_square) / (number - below)
        skew = np.sqrt(low / high)
        ratio = absolute**2 / (number * square) * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
        shapes, ratios = _gammas()
        shape = np.interp(ratio, ratios, shapes)
        # The mean's factor G(2/a) / G(1/a) * sqrt(G(1/a) / G(3/a)) is the root of the ratio of that shape.
        mean = (np.sqrt(high) - np.sqrt(low)) * np.sqrt(np.clip(ratio, ratios[0], ratios[-1]))
        return np.stack([shape, mean, np.log(low), np.log(high), np.log(square / number)], axis=1)


def _sums(x: F32, rows: int, columns: int) -> F64:
    """Sums over a grid of patches that covers all of x, shape (rows * columns,)."""
    top = np.arange(rows) * x.shape[0] // rows
    left = np.arange(columns) * x.shape[1] // columns
    return np.add.reduceat(np.add.reduceat(x, top, axis=0), left, axis=1).astype(np.float64).ravel()


@functools.cache
def _gammas() -> tuple[F64, F64]:
    """Shapes ``a`` from 0.2 to 10, and ``G(2/a)^2 / (G(1/a) G(3/a))``, which grows with them."""
    shapes = np.arange(200, 10_001) / 1000
    one, two, three = (np.array([math.lgamma(k / a) for a in shapes]) for k in (1, 2, 3))
    return shapes, np.exp(2 * two - one - three)
