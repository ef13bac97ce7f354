"""How photos become square, pixel by pixel, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest

from vlit.data.errors import VlitError
from vlit.tune.models.pictures import square

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
MEAN, STD = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
SIDE = 6


def clip() -> Any:
    kind = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    return kind(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def noise(width: int, height: int) -> PIL.Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


def normal(pixels: Any) -> Any:
    return ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1)


def made(how: Any, picture: PIL.Image.Image) -> Any:
    return square(clip(), how)(picture, return_tensors="np")["pixel_values"][0]


@pytest.mark.parametrize(
    ("width", "height", "left", "top"), [(6, 3, 0, 1), (3, 6, 1, 0), (6, 5, 0, 0), (6, 6, 0, 0)]
)
def test_padding_puts_the_mean_colour_around_the_middle(width: int, height: int, left: int, top: int) -> None:
    picture = noise(width, height)
    wanted = np.tile(
        np.array([122, 116, 104], dtype=np.uint8), (SIDE, SIDE, 1)
    )  # int(mean x 255), as LLaVA-1.5
    wanted[top : top + height, left : left + width] = np.asarray(picture)
    assert np.allclose(made("pad", picture), normal(wanted), atol=1e-5)


def test_a_padded_photo_is_resized_after_padding() -> None:
    picture = noise(12, 8)
    wanted = PIL.Image.new("RGB", (12, 12), (122, 116, 104))
    wanted.paste(picture, (0, 2))
    small = wanted.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC)
    assert np.allclose(made("pad", picture), normal(np.asarray(small)), atol=1e-5)


def test_cropping_keeps_the_middle_and_resizing_keeps_all() -> None:
    picture = noise(24, 12)
    small = np.asarray(picture.resize((12, SIDE), PIL.Image.Resampling.BICUBIC))
    assert np.allclose(made("crop", picture), normal(small[:, 3:9]), atol=1e-5)
    whole = np.asarray(picture.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC))
    assert np.allclose(made("resize", picture), normal(whole), atol=1e-5)


def test_colours_of_siglip_are_kept() -> None:
    kind = getattr(transformers, "SiglipImageProcessorPil", transformers.SiglipImageProcessor)
    found = square(kind(size={"height": SIDE, "width": SIDE}), "pad")(noise(6, 2), return_tensors="np")
    grey = (int(0.5 * 255) / 255 - 0.5) / 0.5
    assert np.allclose(found["pixel_values"][0][:, 0, 0], grey, atol=1e-6)


def test_a_processor_that_makes_no_squares_is_refused() -> None:
    kind = getattr(transformers, "SiglipImageProcessorPil", transformers.SiglipImageProcessor)
    with pytest.raises(VlitError, match="no squares"):
        square(kind(size={"height": 4, "width": 8}), "pad")
