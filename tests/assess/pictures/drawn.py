"""Pictures for the tests of this folder, drawn by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image as PILImage

from vlit.assess.pictures.look import look
from vlit.data.picture import Looks, Picture
from vlit.data.scene import Image


def tiles(size: tuple[int, int] = (400, 300), seed: int = 0, tile: int = 20) -> PILImage.Image:
    """Tiles of random colours: sharp edges and smooth places."""
    shape = (size[1] // tile, size[0] // tile, 3)
    colours = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return PILImage.fromarray(colours).resize(size, PILImage.Resampling.NEAREST)


def image(path: Path | str) -> Image:
    """As the photo of a sample."""
    return Image(uri=str(path), width=1, height=1)


def saved(picture: PILImage.Image, path: Path, **how: object) -> Picture:
    """Write a picture and look at the file."""
    picture.save(path, **how)
    return look(image(path))


def looks(picture: PILImage.Image, path: Path, **how: object) -> Looks:
    """What is measured of a picture that is written to a file."""
    found = saved(picture, path, **how).looks
    assert found is not None
    return found
