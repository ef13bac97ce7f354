"""Image readability: is the picture sharp, well exposed and large enough to be read?

Three parts, each 0 to 1, monotone and smooth; the value is their geometric mean:

    sharpness  v / (v + 100), v = variance of the 4-neighbour Laplacian of luminance (0..255)
    exposure   (1 - share of pixels below 5 or above 250) * c / (c + 20), c = standard deviation of luminance
    size       p / (p + 224 * 224), p = pixels of the image as displayed

Luminance is Rec. 601. Sharpness and exposure are measured with the longest side at 384 pixels, so that
resolution enters through ``size`` alone; smaller images are not enlarged. The half-way constants are ours:
100 is a soft photo, 20 a flat one, 224 the smallest input of common vision towers. Limits: noise looks sharp,
a clear sky and a night scene look blurred and badly exposed; it does not see compression, tilt or what the
picture is of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import PIL.Image as PILImage

from vlit.assess.indicator import Indicator, Need, NoConfig
from vlit.assess.seen import Part
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image
from vlit.data.score import Score

_WORKING_SIDE = 384
_SOFT, _FLAT, _SMALL = 100.0, 20.0, 224.0 * 224.0


class ImageReadability(Indicator[NoConfig]):
    """Geometric mean of sharpness, exposure and size; the lowest of the images where there are several."""

    name: ClassVar[str] = "image_readability"
    principle = "image readability"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("images",)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Measure each image of the part once."""
        known: dict[str, tuple[float | None, str]] = {}
        for sample in part.samples:
            for image in sample.images:
                if image.uri not in known:
                    known[image.uri] = _measured(image)
            found = [known[image.uri] for image in sample.images]
            if not found:
                yield self.of(sample, None, "the sample has no image")
                continue
            value, reason = min(found, key=lambda f: -1.0 if f[0] is None else f[0])
            yield self.of(sample, value, reason)


def _measured(image: Image) -> tuple[float | None, str]:
    try:
        parts = readability(open_rgb(image))
    except ImageProblem as problem:
        return None, f"{image.uri}: {problem}"
    value = float(np.prod(list(parts.values())) ** (1 / len(parts)))
    return value, ", ".join(f"{name} {part:.2f}" for name, part in parts.items())


def readability(picture: PILImage.Image) -> dict[str, float]:
    """The three parts, each 0 to 1, by name.

    Args:
        picture: RGB as displayed.
    """
    pixels = picture.width * picture.height
    scale = _WORKING_SIDE / max(picture.size)
    grey = picture.convert("L")
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        grey = grey.resize(size, PILImage.Resampling.BOX)
    luminance = np.asarray(grey, dtype=np.float32)
    variance, contrast = laplacian_variance(luminance), float(luminance.std())
    clipped = float(((luminance < 5) | (luminance > 250)).mean())
    return {
        "sharpness": variance / (variance + _SOFT),
        "exposure": (1 - clipped) * contrast / (contrast + _FLAT),
        "size": pixels / (pixels + _SMALL),
    }


def laplacian_variance(luminance: npt.NDArray[np.float32]) -> float:
    """Variance of the 4-neighbour Laplacian over inner pixels; 0 for an image without inner pixels."""
    if min(luminance.shape) < 3:
        return 0.0
    inner = luminance[1:-1, 1:-1]
    around = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    return float((around - 4 * inner).var())
