"""Damaged photos: blurred, dark, noisy, squeezed by JPEG; each with a strength of its own, plain to see."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image, ImageFilter, ImageOps

from benchmarks.planted_defects.defect import Plant, Scratch
from vlit.data.sample import Sample

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Damage = Callable[["Picture", random.Random], "Picture"]


def blurred(photo: Picture, rand: random.Random) -> Picture:
    """Gaussian blur with a radius of 0.6 to 2 % of the longest side (2.3 to 7.7 pixels of 384)."""
    return photo.filter(ImageFilter.GaussianBlur(rand.uniform(0.006, 0.02) * max(photo.size)))


def darkened(photo: Picture, rand: random.Random) -> Picture:
    """Every value times 0.05 to 0.2, and rounded."""
    factor = rand.uniform(0.05, 0.2)
    return photo.point(lambda v: int(v * factor + 0.5))


def noisy(photo: Picture, rand: random.Random) -> Picture:
    """Gaussian noise with a standard deviation of 20 to 60 of 255."""
    values = np.random.default_rng(rand.getrandbits(64)).normal(0, rand.uniform(20, 60), (*photo.size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(photo, np.float64) + values, 0, 255).astype(np.uint8))


def damaging(damage: Damage, quality: tuple[int, int] | None = None) -> Plant:
    """A defect of the photo's file.

    Args:
        damage: Done to the pixels.
        quality: Lowest and highest quality of the JPEG that is written; without it a PNG is.
    """

    def plant(sample: Sample, scratch: Scratch) -> Sample | None:
        if len(sample.images) != 1:
            return None
        image = sample.images[0]
        with Image.open(image.uri) as opened:
            photo = damage(ImageOps.exif_transpose(opened).convert("RGB"), scratch.rand)
        name = hashlib.blake2b(sample.id.encode(), digest_size=8).hexdigest()
        path = scratch.folder / f"{name}.{'jpg' if quality else 'png'}"
        if quality:
            photo.save(path, quality=scratch.rand.randint(*quality))
        else:
            photo.save(path, compress_level=1)
        changed = msgspec.structs.replace(image, uri=str(path), sha256=name, orientation=1)
        return msgspec.structs.replace(sample, images=(changed,))

    return plant


def as_it_is(photo: Picture, rand: random.Random) -> Picture:
    """No damage but that of the file's format."""
    return photo
