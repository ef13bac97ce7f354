import numpy as np
import PIL.Image as PILImage
import pytest
from PIL import ImageFilter

from tests.assess.small import sample
from vlit.assess.image_readability.heuristic import ImageReadability, laplacian_variance, readability
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part
from vlit.data.scene import Image


def picture(size=(400, 300)):
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    return PILImage.fromarray(noise).resize(size, PILImage.Resampling.NEAREST)


def score(*uris):
    images = tuple(Image(uri=str(u), width=1, height=1) for u in uris)
    (found,) = ImageReadability(NoConfig()).score(Part([sample("a", "b", images=images)]), None)
    return found


def test_blur_darkness_and_smallness_each_lower_their_part_alone():
    good = readability(picture())
    blurred = readability(picture().filter(ImageFilter.GaussianBlur(4)))
    dark = readability(picture().point(lambda v: v // 40))
    small = readability(picture((100, 80)))
    assert blurred["sharpness"] < good["sharpness"] / 2
    assert dark["exposure"] < good["exposure"] / 2
    assert small["size"] < good["size"] / 2
    assert blurred["size"] == good["size"]
    assert all(0 <= part <= 1 for parts in (good, blurred, dark, small) for part in parts.values())


def test_blur_is_monotone():
    values = [readability(picture().filter(ImageFilter.GaussianBlur(r)))["sharpness"] for r in (0, 1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)


def test_laplacian_by_hand():
    step = np.zeros((3, 4), np.float32)
    step[:, 2:] = 8
    assert laplacian_variance(step) == pytest.approx(64)  # +8 and -8 beside the step
    assert laplacian_variance(np.zeros((2, 9), np.float32)) == 0


def test_a_vanished_image_has_a_reason_and_the_worst_image_counts(tmp_path):
    picture().save(tmp_path / "good.png")
    picture().filter(ImageFilter.GaussianBlur(6)).save(tmp_path / "bad.png")
    good, bad = score(tmp_path / "good.png"), score(tmp_path / "bad.png")
    assert 0 < bad.value < good.value < 1
    assert good.reason.startswith("sharpness 0.")
    assert score(tmp_path / "good.png", tmp_path / "bad.png").value == bad.value
    gone = score(tmp_path / "good.png", tmp_path / "gone.png")
    assert gone.value is None and "the file is missing" in gone.reason
    assert score().reason == "the sample has no image"


def test_extreme_images_have_values(tmp_path):
    for name, size in (("dot", (1, 1)), ("line", (2000, 1))):
        PILImage.new("RGB", size).save(tmp_path / f"{name}.png")
        assert score(tmp_path / f"{name}.png").value == 0
