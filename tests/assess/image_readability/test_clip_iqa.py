import math

import numpy as np
import pytest

from tests.assess.encoders import tiny
from tests.assess.encoders.photos import painted
from tests.assess.small import sample
from vlit.assess.encoders.vision import vision_encoder
from vlit.assess.image_readability.clip_iqa import (
    ImageReadabilityClip,
    ImageReadabilityClipConfig,
    goodness,
)
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.images import open_rgb
from vlit.data.scene import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    place = tmp_path_factory.mktemp("photos")
    return [painted(place, str(i), seed=i) for i in range(3)]


def scored(folder, samples, **options):
    config = ImageReadabilityClipConfig(model=str(folder), device="cpu", **options)
    return list(ImageReadabilityClip(config).score(Part(samples), None))


def test_by_hand():
    photo = np.array([1, 0], np.float32)
    prompts = np.array([[0.6, 0.8], [0.5, math.sqrt(0.75)]], np.float32)
    assert goodness(photo, prompts, 10) == pytest.approx(1 / (1 + math.exp(-1)))  # 10 * (0.6 - 0.5)
    assert goodness(photo, prompts[::-1], 10) == pytest.approx(1 / (1 + math.exp(1)))
    assert goodness(photo, np.concatenate([prompts, prompts[::-1]]), 10) == pytest.approx(0.5)
    assert 0 <= goodness(photo, np.array([[-1, 0], [1, 0]], np.float32), 1e6) < 1e-300


def test_softmax_of_the_model_s_cosines_and_the_lowest_image(folder, photos):
    encoder = vision_encoder(str(folder), "cpu")
    prompts = encoder.texts(["Good photo.", "Bad photo."])
    logits = encoder.scale * encoder.images([open_rgb(p) for p in photos]) @ prompts.T
    expected = [float(np.exp(g) / (np.exp(g) + np.exp(b))) for g, b in logits.astype(float)]
    found = scored(folder, [sample("?", "!", images=(p,), id=p.uri) for p in photos])
    assert [s.value for s in found] == pytest.approx(expected, abs=1e-4)
    (both,) = scored(folder, [sample("?", "!", images=tuple(photos))])
    assert both.value == pytest.approx(min(expected), abs=1e-4)


def test_several_pairs(folder, photos):
    one = [sample("?", "!", images=(photos[0],))]
    pairs = (("Good photo.", "Bad photo."), ("Sharp.", "Blurry."))
    alone = [scored(folder, one, prompts=(pair,))[0].value for pair in pairs]
    assert scored(folder, one, prompts=pairs)[0].value == pytest.approx(sum(alone) / 2, abs=1e-6)


def test_what_cannot_be_judged_has_a_reason(folder, photos, tmp_path):
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=1, height=1)
    found = scored(folder, [sample("?", "!", images=()), sample("?", "!", images=(photos[0], gone))])
    assert [s.value for s in found] == [None, None]
    assert found[0].reason == "the sample has no image"
    assert found[1].reason.endswith("the file is missing")


def test_a_broken_prompt_is_an_error(folder, photos, monkeypatch):
    encoder = vision_encoder(str(folder), "cpu")
    monkeypatch.setattr(encoder, "_embed_texts", lambda some: np.full((len(some), 16), np.nan, np.float32))
    with pytest.raises(VlitError, match="no finite vector for a prompt"):
        scored(folder, [sample("?", "!", images=(photos[0],))])
