"""Photos on disk for the tests of models."""

from __future__ import annotations

from pathlib import Path

import PIL.Image as PILImage

from vlit.data.images import probe
from vlit.data.scene import Image


def painted(folder: Path, name: str, seed: int = 0, size: tuple[int, int] = (48, 40)) -> Image:
    """A photo of stripes; equal seeds give equal photos."""
    picture = PILImage.new("RGB", size)
    picture.putdata(
        [
            ((x * seed * 7) % 256, (y * 31 + seed * 50) % 256, seed * 40 % 256)
            for y in range(size[1])
            for x in range(size[0])
        ]
    )
    path = folder / f"{name}.png"
    picture.save(path)
    return probe(str(path))
