"""One look at each photo: every measure and vector of it from one decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from vlit.assess.pictures import busyness, damage, fingerprint, naturalness, sharpness
from vlit.assess.pictures.pixels import Pixels, pixels_of
from vlit.data.images import ImageProblem
from vlit.data.picture import Looks, Picture, packed
from vlit.data.scene import Image

if TYPE_CHECKING:
    import numpy.typing as npt
    import PIL.Image as PILImage

_BATCH = 32  #: photos that an encoder is shown at once, and that are held in memory


class Encoder(Protocol):
    """A vision model."""

    name: str

    def images(self, pictures: Sequence[PILImage.Image]) -> npt.NDArray[np.float32]:
        """Vectors of RGB pictures, shape (n, d)."""


def look(image: Image) -> Picture:
    """Open a photo once and measure it; a photo that cannot be used has a problem instead."""
    return _seen(image)[0]


def look_all(images: Sequence[Image], encoder: Encoder | None = None) -> list[Picture]:
    """Look at photos, each file opened once, in their order.

    Args:
        images: Photos.
        encoder: Gives each a vector as well. It is shown photos of at most 384 pixels.
    """
    found: list[Picture] = []
    for start in range(0, len(images), _BATCH):
        found += _embedded([_seen(image) for image in images[start : start + _BATCH]], encoder)
    return found


def _embedded(seen: Sequence[tuple[Picture, Any]], encoder: Encoder | None) -> Iterator[Picture]:
    """The pictures, with vectors for those that could be opened."""
    good = [picture for _, picture in seen if picture is not None]
    vectors = iter(encoder.images(good) if encoder is not None and good else ())
    for row, picture in seen:
        vector = next(vectors, None) if picture is not None else None
        # A zero row stands for a vector that is not finite.
        if encoder is not None and vector is not None and vector.any():
            row = msgspec.structs.replace(row, vector=packed(vector), encoder=encoder.name)
        yield row


def _seen(image: Image) -> tuple[Picture, PILImage.Image | None]:
    try:
        pixels = pixels_of(image.uri)
    except ImageProblem as problem:
        return Picture(uri=image.uri, problem=str(problem)), None
    row = Picture(
        uri=image.uri,
        looks=looks_of(pixels),
        hash=fingerprint.perceptual_hash(pixels.working),
        descriptor=packed(fingerprint.descriptor(pixels.working)),
    )
    return row, pixels.working


def looks_of(pixels: Pixels) -> Looks:
    """All measures."""
    luminance = pixels.luminance()
    histogram = np.bincount(luminance.astype(np.uint8).ravel(), minlength=256)
    rg, yb = busyness.opponents(np.asarray(pixels.working))
    decoded = pixels.decoded.convert("L")
    return Looks(
        width=float(pixels.width),
        height=float(pixels.height),
        sharpness=sharpness.laplacian_variance(luminance),
        focus=sharpness.focus(luminance),
        brightness=float(luminance.mean(dtype=np.float64)),
        contrast=float(luminance.std(dtype=np.float64)),
        dark=float(histogram[:5].sum() / luminance.size),
        bright=float(histogram[251:].sum() / luminance.size),
        noise=damage.noise(luminance),
        blockiness=damage.blockiness(np.asarray(decoded, np.float32), pixels.reduction),
        unnatural=naturalness.unnatural(luminance),
        colourfulness=busyness.colourfulness(rg, yb),
        entropy=busyness.entropy(histogram),
        edges=busyness.edges(luminance),
        jpeg_bits=busyness.jpeg_bits(pixels.working),
        segments=float(busyness.segments(pixels.working)),
        congestion=busyness.congestion(luminance, rg, yb),
    )
