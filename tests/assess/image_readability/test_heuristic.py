from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image as PILImage
import pytest
from PIL import ImageFilter

from tests.assess.pictures.drawn import image, tiles
from tests.assess.small import sample
from vlit.assess.image_readability.heuristic import ImageReadability, readability
from vlit.assess.indicator import NoConfig
from vlit.assess.pictures.look import look, look_all
from vlit.assess.seen import Part, Pictures
from vlit.data.picture import Looks
from vlit.data.score import Score

GOOD = Looks(
    width=640.0, height=480.0, sharpness=2000.0, focus=0.45, brightness=110.0, contrast=57.0, dark=0.0,
    bright=0.0, noise=0.5, blockiness=0.03, unnatural=1.9, colourfulness=33.0, entropy=7.4, edges=0.2,
    jpeg_bits=1.7, segments=80.0, congestion=17.0,
)  # fmt: skip


def score(*uris: Path) -> Score:
    images = tuple(image(uri) for uri in uris)
    part = Part([sample("a", "b", images=images)], pictures=Pictures(look_all(images)))
    (found,) = ImageReadability(NoConfig()).score(part, None)
    return found


def with_(**fields: float | None) -> dict[str, float]:
    return readability(msgspec.structs.replace(GOOD, **fields))


def test_a_good_photo_has_nearly_one_in_every_part() -> None:
    parts = readability(GOOD)
    assert list(parts) == ["sharpness", "exposure", "size", "noise", "blocks", "nature"]
    assert all(part > 0.9 for part in parts.values())


@pytest.mark.parametrize(
    ("part", "half"),
    [
        ("sharpness", {"focus": 0.2}),
        ("noise", {"noise": 6.0}),
        ("blocks", {"blockiness": 0.7}),
        ("size", {"width": 300.0, "height": 75.0}),
    ],
)
def test_each_part_is_a_half_at_its_half_way_point_and_moves_alone(part: str, half: dict[str, float]) -> None:
    good, found = readability(GOOD), with_(**half)
    assert found[part] == pytest.approx(0.5)
    assert {k: v for k, v in found.items() if k != part} == {k: v for k, v in good.items() if k != part}


def test_exposure_and_nature_by_hand() -> None:
    # sqrt(1 - 0.36 - 0.28) * 1/2 (contrast 15) * 1/2 (240 is 15 below white)
    assert with_(dark=0.36, bright=0.28, contrast=15.0, brightness=240.0)["exposure"] == pytest.approx(0.15)
    assert with_(unnatural=8.0)["nature"] == pytest.approx(0.75)
    assert with_(unnatural=1000.0)["nature"] == pytest.approx(0.5)  # it alone condemns no picture


def test_what_could_not_be_measured_is_left_out() -> None:
    assert list(with_(focus=None, noise=None, blockiness=None, unnatural=None)) == ["exposure", "size"]


def worsened(photo: PILImage.Image) -> dict[str, PILImage.Image]:
    grain = np.random.default_rng(0).normal(0, 25, (photo.height, photo.width, 3))
    noisy = np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8)
    small = photo.copy()
    small.thumbnail((64, 64))
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=10)
    return {
        "blur 2": photo.filter(ImageFilter.GaussianBlur(2)),
        "blur 4": photo.filter(ImageFilter.GaussianBlur(4)),
        "dark": photo.point(lambda v: v * 0.15),
        "noise": PILImage.fromarray(noisy),
        "jpeg 10": PILImage.open(out).convert("RGB"),
        "64 px": small,
    }


def test_planted_damage_is_told_from_the_photos_that_ship(demo: Path, tmp_path: Path) -> None:
    """Area under the curve, every fourth photo: the best separation that there is, or nearly."""
    photos = sorted((demo / "images").glob("*.jpg"))[::4]
    good = [score(path).value for path in photos]
    assert min(v for v in good if v is not None) > 0.5
    bad: dict[str, list[float]] = {}
    for path in photos:
        for name, picture in worsened(PILImage.open(path).convert("RGB")).items():
            picture.save(tmp_path / "bad.png", compress_level=1)
            bad.setdefault(name, []).append(score(tmp_path / "bad.png").value or 0)
    areas = {k: float(np.mean(np.array(v)[:, None] < np.array(good)[None])) for k, v in bad.items()}
    assert min(areas[k] for k in ("blur 2", "blur 4", "dark", "noise", "64 px")) > 0.99, areas
    assert areas["jpeg 10"] > 0.95, areas


def test_blur_is_monotone(tmp_path: Path) -> None:
    values = []
    for radius in (0, 0.5, 1, 1.5, 2):
        tiles().filter(ImageFilter.GaussianBlur(radius)).save(tmp_path / "a.png")
        looks = look(image(tmp_path / "a.png")).looks
        assert looks is not None
        values.append(readability(looks)["sharpness"])
    assert values == sorted(values, reverse=True)


def test_a_vanished_image_has_a_reason_and_the_worst_image_counts(tmp_path: Path) -> None:
    tiles().save(tmp_path / "good.png")
    tiles().filter(ImageFilter.GaussianBlur(6)).save(tmp_path / "bad.png")
    good, bad = score(tmp_path / "good.png"), score(tmp_path / "bad.png")
    assert good.value is not None and bad.value is not None and 0 < bad.value < good.value < 1
    assert (good.reason or "").startswith("sharpness 0.")
    assert score(tmp_path / "good.png", tmp_path / "bad.png").value == bad.value
    gone = score(tmp_path / "good.png", tmp_path / "gone.png")
    assert gone.value is None and "the file is missing" in (gone.reason or "")
    assert score().reason == "the sample has no image"


def test_a_photo_that_was_not_looked_at_has_a_reason() -> None:
    (found,) = ImageReadability(NoConfig()).score(Part([sample("a", "b")]), None)
    assert (found.value, found.reason) == (None, "/photos/1.jpg: it was not looked at")


def test_extreme_images_have_values(tmp_path: Path) -> None:
    for name, size in (("dot", (1, 1)), ("line", (2000, 1))):
        PILImage.new("RGB", size).save(tmp_path / f"{name}.png")
        assert score(tmp_path / f"{name}.png").value == 0
