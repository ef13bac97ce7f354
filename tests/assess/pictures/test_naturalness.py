from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFilter

from tests.assess.pictures.drawn import looks
from vlit.assess.pictures.naturalness import Reference, _sides, features, mscn, shipped, unnatural
from vlit.assess.pictures.pixels import pixels_of

GRAIN = np.random.default_rng(0)


@pytest.mark.parametrize(("name", "shape"), [("normal", 2.0), ("laplace", 1.0)])
def test_the_shape_of_known_distributions_is_found(name: str, shape: float) -> None:
    x = getattr(GRAIN, name)(0, 3, (300, 400)).astype(np.float32)
    (found,) = _sides(x, 1, 1)
    assert found[0] == pytest.approx(shape, rel=0.03)
    assert found[1] == pytest.approx(0, abs=0.05)  # even on both sides
    assert found[2] == pytest.approx(found[3], abs=0.05)
    assert found[4] == pytest.approx(np.log(x.var()), abs=0.01)


def test_uneven_sides_are_told_apart() -> None:
    x = np.abs(GRAIN.normal(0, 1, (300, 400))).astype(np.float32)
    wide = GRAIN.random(x.shape) < 3 / 4  # both sides start at the same height: the wide one holds more
    x[wide] *= 3
    x[~wide] *= -1
    (found,) = _sides(x, 1, 1)
    assert found[2] == pytest.approx(0, abs=0.03) and found[3] == pytest.approx(np.log(9), abs=0.03)
    assert found[0] == pytest.approx(2, rel=0.05)
    assert found[1] > 0


def test_normalised_luminance_does_not_depend_on_light() -> None:
    x = GRAIN.uniform(80, 120, (64, 64)).astype(np.float32)
    assert mscn(x).shape == (58, 58)
    assert np.abs(mscn(x + 50) - mscn(x)).max() < 1e-3


def test_too_small_and_flat_have_no_statistics() -> None:
    assert unnatural(np.zeros((31, 400), np.float32)) is None
    assert unnatural(np.full((200, 200), 9, np.float32)) is None
    assert features(GRAIN.normal(100, 9, (32, 33)).astype(np.float32)) is not None


def test_the_distance_is_that_of_mahalanobis() -> None:
    luminance = GRAIN.normal(100, 9, (64, 64)).astype(np.float32)
    found = features(luminance)
    assert found is not None and found.shape == (1, 36)
    reference = Reference(found[0] - 2, np.eye(36) / 9)
    assert unnatural(luminance, reference) == pytest.approx((36 * 4 / 9) ** 0.5)


def test_the_shipped_reference_is_that_of_the_shipped_photos(demo: Path) -> None:
    found = [features(pixels_of(str(p)).luminance()) for p in sorted((demo / "images").glob("*.jpg"))]
    patches = np.concatenate([f for f in found if f is not None])
    assert np.allclose(patches.mean(axis=0), shipped().mean, rtol=1e-3, atol=1e-3)
    covariance = np.linalg.inv(shipped().precision)
    assert np.allclose(np.diag(covariance), np.diag(np.cov(patches.T)), rtol=1e-2)


def test_damage_leads_away_from_the_reference(demo: Path, tmp_path: Path) -> None:
    photo = pixels_of(str(demo / "images" / "000000000790.jpg")).working
    whole = looks(photo, tmp_path / "a.png").unnatural
    blurred = looks(photo.filter(ImageFilter.GaussianBlur(2)), tmp_path / "b.png").unnatural
    assert whole is not None and blurred is not None and blurred > 3 * whole
