from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image as PILImage
import pytest

from tests.assess.pictures.drawn import tiles
from vlit.assess.pictures.fingerprint import descriptor, perceptual_hash
from vlit.assess.pictures.pixels import SIDE, pixels_of, shrunk

NAMES = ("000000000790", "000000084284", "000000343937", "000000520707")


def distance(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


@pytest.fixture(params=NAMES)
def photo(request: pytest.FixtureRequest, demo: Path) -> PILImage.Image:
    return pixels_of(str(demo / "images" / f"{request.param}.jpg")).working


def test_a_hash_survives_resizing_and_recompression(photo: PILImage.Image) -> None:
    whole = perceptual_hash(photo)
    assert len(whole) == 64
    for share in (0.25, 0.5, 2):
        other = photo.resize((round(photo.width * share), round(photo.height * share)))
        assert distance(whole, perceptual_hash(shrunk(other, SIDE))) <= 15
    for quality in (50, 10):
        out = io.BytesIO()
        photo.save(out, "JPEG", quality=quality)
        assert distance(whole, perceptual_hash(PILImage.open(out).convert("RGB"))) <= 15


def test_a_cut_by_two_per_cent_is_within_31_bits_and_the_descriptor_within_a_cosine_of_0_97(
    photo: PILImage.Image,
) -> None:
    w, h = photo.size
    cut = photo.crop((w // 100, h // 100, w - w // 100, h - h // 100))
    assert distance(perceptual_hash(photo), perceptual_hash(cut)) <= 31
    assert float(descriptor(photo) @ descriptor(cut)) > 0.97


def test_different_photos_are_far_apart(demo: Path) -> None:
    photos = [pixels_of(str(p)).working for p in sorted((demo / "images").glob("*.jpg"))]
    hashes, vectors = [perceptual_hash(p) for p in photos], np.stack([descriptor(p) for p in photos])
    assert min(distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 80
    cosines = vectors @ vectors.T - np.eye(len(photos))
    assert cosines.max() < 0.8


def test_the_hash_of_half_black_half_white_by_hand() -> None:
    # Luminance changes along x only: every frequency with a vertical part is 0, so it is above the median where
    # it is positive. Left black and right white gives the odd frequencies -, +, -, + ... and the even ones 0.
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 32:] = 255
    found = perceptual_hash(PILImage.fromarray(pixels).convert("RGB"))
    signs = "".join("1" if u % 4 == 3 else "0" for u in range(16))
    assert found == f"{int(signs, 2):04x}" + "0" * 60


@pytest.mark.parametrize("colour", ["black", "white", "grey", "red", (128, 128, 128)])
def test_flat_pictures_have_a_direction(colour: str | tuple[int, int, int]) -> None:
    picture = PILImage.new("RGB", (50, 70), colour)
    assert perceptual_hash(picture) == "0" * 64
    assert np.linalg.norm(descriptor(picture)) == pytest.approx(1)


def test_the_descriptor_has_241_numbers_of_unit_length() -> None:
    found = descriptor(tiles())
    assert found.shape == (241,) and found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1)
    assert float(found @ descriptor(tiles(seed=1))) < 0.9


def test_gradients_of_upright_stripes_lie_in_one_orientation() -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 8::16] = 255
    cells = descriptor(PILImage.fromarray(pixels).convert("RGB"))[48:144].reshape(16, 6)
    assert (cells.argmax(axis=1) == 0).all()
