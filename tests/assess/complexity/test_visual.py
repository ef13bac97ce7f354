from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import PIL.Image as PILImage
import pydantic
import pytest

from tests.assess.image_readability.test_heuristic import GOOD
from tests.assess.pictures.drawn import image, tiles
from tests.assess.small import sample
from vlit.assess.complexity.visual import VisualComplexity, VisualComplexityConfig, complexity
from vlit.assess.complexity.visual_model import VisualComplexityModel, VisualComplexityModelConfig
from vlit.assess.pictures.look import look_all
from vlit.assess.seen import Part, Pictures
from vlit.data.errors import VlitError
from vlit.data.score import Score

CONFIG = VisualComplexityConfig()


def score(*uris: Path) -> Score:
    images = tuple(image(uri) for uri in uris)
    part = Part([sample("a", "b", images=images)], pictures=Pictures(look_all(images)))
    (found,) = VisualComplexity(CONFIG).score(part, None)
    return found


def test_the_formula_by_hand() -> None:
    looks = msgspec.structs.replace(
        GOOD, edges=0.22, jpeg_bits=5.1, segments=81.0, congestion=0.0, entropy=math.log2(176)
    )
    # 1/2, 5.1 / (5.1 + 1.7) = 3/4, 80 / 160, 0, 175 / 350
    assert complexity(looks, CONFIG) == pytest.approx(100 * (0.5 + 0.75 + 0.5 + 0 + 0.5) / 5)


def test_an_empty_picture_is_near_0_and_noise_near_100(tmp_path: Path) -> None:
    PILImage.new("RGB", (300, 200), "navy").save(tmp_path / "empty.png")
    grain = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    PILImage.fromarray(grain).save(tmp_path / "grain.png")
    tiles((300, 200)).save(tmp_path / "tiles.png")
    empty, middle, full = (score(tmp_path / f"{name}.png").value for name in ("empty", "tiles", "grain"))
    assert empty is not None and middle is not None and full is not None
    assert empty < 2 < 20 < middle < full < 100


def test_ordinary_photos_have_about_50(demo: Path) -> None:
    values = [score(path).value or 0 for path in sorted((demo / "images").glob("*.jpg"))]
    assert 45 < np.median(values) < 55
    assert max(values) - min(values) > 15


def test_several_images_have_their_mean(tmp_path: Path) -> None:
    tiles().save(tmp_path / "a.png")
    PILImage.new("RGB", (300, 200)).save(tmp_path / "b.png")
    a, b = score(tmp_path / "a.png").value, score(tmp_path / "b.png").value
    both = score(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "gone.png")
    assert a is not None and b is not None
    assert both.value == pytest.approx((a + b) / 2)
    assert both.reason == "mean of 2 of 3 images"
    gone = score(tmp_path / "gone.png")
    assert gone.value is None and "the file is missing" in (gone.reason or "")
    assert score().reason == "the sample has no image"


def test_the_set_has_the_mean_and_tells_the_formula(tmp_path: Path) -> None:
    found = VisualComplexity(CONFIG).summarise(
        [Score(sample="1", indicator="visual_complexity", value=v) for v in (40.0, 60.0, None)]
    )
    assert found is not None and (found.value, found.n) == (50, 2)
    assert orjson.loads(found.detail) == {"form": "embedded", **CONFIG.model_dump()}


MODULE = """
def brightness(pictures):
    assert all(p.mode == "RGB" for p in pictures)
    return [p.convert("L").getpixel((0, 0)) / 255 for p in pictures]

def short(pictures):
    return [1.0]

def broken(pictures):
    return [float("nan") for _ in pictures]

number = 3
"""


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Score]]:
    """Scores of samples on the images of given greys, by a function of a module that lies in a folder."""
    (tmp_path / "my_scorer.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_scorer", raising=False)

    def run(function: str, *greys: tuple[int, ...]) -> list[Score]:
        samples: list[Any] = []
        for number, of_sample in enumerate(greys):
            for grey in of_sample:
                PILImage.new("L", (20, 20), grey).save(tmp_path / f"{grey}.png")
            images = tuple(image(tmp_path / f"{grey}.png") for grey in of_sample)
            samples.append(sample("a", "b", id=str(number), images=images))
        indicator = VisualComplexityModel(VisualComplexityModelConfig(scorer=f"my_scorer:{function}"))
        return list(indicator.score(Part(samples), None))

    return run


def test_a_function_of_ones_own_is_asked_once_for_each_photo(scored: Callable[..., list[Score]]) -> None:
    found = scored("brightness", (51,), (51, 255), (), *((g,) for g in range(60, 90)))
    assert [s.value for s in found[:3]] == [pytest.approx(20), pytest.approx(60), None]
    assert found[2].reason == "the sample has no image"
    assert [s.value for s in found[3:]] == [pytest.approx(100 * g / 255) for g in range(60, 90)]


def test_what_a_function_does_wrong_is_told(scored: Callable[..., list[Score]]) -> None:
    with pytest.raises(VlitError, match="gave 1 numbers for 2 pictures"):
        scored("short", (1, 2))
    (found,) = scored("broken", (1,))
    assert found.value is None and (found.reason or "").endswith("my_scorer:broken gave nan")
    with pytest.raises(VlitError, match="no function my_scorer:missing"):
        scored("missing", (1,))
    with pytest.raises(VlitError, match="my_scorer:number is no function"):
        scored("number", (1,))


def test_a_missing_package_stops_at_the_start_and_an_odd_name_in_the_config() -> None:
    with pytest.raises(VlitError, match="install its package"):
        VisualComplexityModel(VisualComplexityModelConfig(scorer="not_there.at_all:score"))
    with pytest.raises(pydantic.ValidationError):
        VisualComplexityModelConfig(scorer="no colon")


def test_the_file_of_the_function_is_part_of_the_fingerprint(scored: Callable[..., list[Score]]) -> None:
    indicator = VisualComplexityModel(VisualComplexityModelConfig(scorer="my_scorer:brightness"))
    (line,) = indicator.outside()
    assert "my_scorer.py" in line


def test_a_bad_photo_is_a_reason(scored: Callable[..., list[Score]], tmp_path: Path) -> None:
    scored("brightness", (1,))
    indicator = VisualComplexityModel(VisualComplexityModelConfig(scorer="my_scorer:brightness"))
    samples = [sample("a", "b", images=(image(tmp_path / "gone.png"),))]
    (found,) = indicator.score(Part(samples), None)
    assert found.value is None and "the file is missing" in (found.reason or "")
