import json

import numpy as np
import pytest

from tests.assess.encoders import tiny
from tests.assess.encoders.photos import painted
from tests.assess.small import sample
from vlit.assess.correctness.matching import (
    CLIP,
    SIGLIP,
    MatchingDegree,
    MatchingDegreeConfig,
    MatchingDegreeSiglip,
    MatchingDegreeSiglipConfig,
)
from vlit.assess.encoders import photos as photos_module
from vlit.assess.encoders.photos import photo_vectors
from vlit.assess.encoders.vision import vision_encoder
from vlit.assess.seen import Part, Pictures
from vlit.data.images import open_rgb
from vlit.data.picture import Picture, packed
from vlit.data.scene import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    place = tmp_path_factory.mktemp("photos")
    return [painted(place, str(i), seed=i) for i in range(4)]


@pytest.fixture(scope="module")
def encoder(folder):
    return vision_encoder(str(folder), "cpu")


def scored(folder, samples, pictures=(), **options):
    indicator = MatchingDegree(MatchingDegreeConfig(model=str(folder), device="cpu", **options))
    return list(indicator.score(Part(samples, pictures=Pictures(pictures)), None))


def cosines(encoder, image, texts):
    return (encoder.texts(texts) @ encoder.images([open_rgb(image)])[0]).tolist()


def test_mean_over_sentences_and_the_least_in_the_reason(folder, photos, encoder):
    said = ["A dog runs.", "The bus is red.", "It rains."]
    degrees = [100 * max(c, 0) for c in cosines(encoder, photos[1], said)]
    assert len(set(degrees)) > 1
    (found,) = scored(folder, [sample("What?", " ".join(said), images=(photos[1],))])
    assert found.value == pytest.approx(sum(degrees) / 3, abs=1e-4)
    least = min(range(3), key=degrees.__getitem__)
    assert found.reason == f"least {degrees[least]:.1f}: {said[least]}"


def test_never_below_zero(folder, photos, encoder):
    texts = [f"Word {i}." for i in range(30)]
    degrees = cosines(encoder, photos[2], texts)
    assert min(degrees) < 0
    found = scored(folder, [sample("?", t, images=(photos[2],)) for t in texts])
    assert [s.value for s in found] == pytest.approx([100 * max(c, 0) for c in degrees], abs=1e-4)


def test_of_several_images_the_best_for_each_sentence(folder, photos, encoder):
    said = ["A dog runs.", "The bus is red."]
    both = np.maximum(*(cosines(encoder, photo, said) for photo in photos[:2]))
    (found,) = scored(folder, [sample("?", " ".join(said), images=tuple(photos[:2]))])
    assert found.value == pytest.approx(float(100 * np.maximum(both, 0).mean()), abs=1e-4)


def test_which_text(folder, photos, encoder):
    one = [sample("Is it a bus?", "A dog runs.", images=(photos[0],))]
    asked, said = (100 * max(c, 0) for c in cosines(encoder, photos[0], ["Is it a bus?", "A dog runs."]))
    expected = {"response": said, "instruction": asked, "both": (asked + said) / 2}
    for text, value in expected.items():
        assert scored(folder, one, text=text)[0].value == pytest.approx(value, abs=1e-4)


def test_long_sentences_are_cut_and_it_is_told(folder, photos):
    (found,) = scored(folder, [sample("?", "A dog runs over the long bridge. It rains.", images=(photos[0],))])
    assert found.reason.endswith("; 1 of 2 sentences cut at 24 tokens")


def test_what_cannot_be_judged_has_a_reason(folder, photos, tmp_path):
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=1, height=1)
    samples = [
        sample("?", "A dog.", images=(), id="1"),
        sample("?", "", images=(photos[0],), id="2"),
        sample("?", "A dog.", images=(photos[0], gone), id="3"),
        sample("?", "A dog.", images=(photos[0],), id="4"),
        sample("?", "犬。" * 10_000, images=(photos[0],), id="5"),
    ]
    found = scored(folder, samples)
    assert [s.reason for s in found[:2]] == ["the sample has no image", "there is no text: response"]
    assert found[2].reason.endswith("gone.jpg: the file is missing")
    assert [s.value is None for s in found] == [True, True, True, False, False]


def test_observed_vectors_of_the_same_model_are_taken(folder, photos, encoder, monkeypatch):
    vectors = encoder.images([open_rgb(p) for p in photos])
    seen = Pictures(
        Picture(uri=p.uri, vector=packed(v), encoder=encoder.name) for p, v in zip(photos, vectors, strict=True)
    )
    samples = [sample("?", "A dog runs.", images=(p,), id=p.uri) for p in photos]
    opened = []
    monkeypatch.setattr(photos_module, "open_rgb", lambda image: opened.append(image.uri) or open_rgb(image))
    found = photo_vectors(Part(samples, pictures=seen), encoder)
    assert opened == []
    for p, vector in zip(photos, vectors, strict=True):
        assert found[p.uri] == pytest.approx(vector, abs=1e-3)


@pytest.mark.parametrize("name", ["another/model", None])
def test_observed_vectors_of_another_model_are_not(photos, encoder, name):
    rng = np.random.default_rng(0)
    seen = Pictures(
        Picture(uri=p.uri, vector=packed(rng.normal(size=encoder.dim)), encoder=name) for p in photos
    )
    samples = [sample("?", "A dog runs.", images=(p,), id=p.uri) for p in photos]
    found = photo_vectors(Part(samples, pictures=seen), encoder)
    expected = encoder.images([open_rgb(p) for p in photos])
    for p, vector in zip(photos, expected, strict=True):
        assert found[p.uri] == pytest.approx(vector, abs=1e-6)


def test_a_photo_with_a_problem_is_not_opened_again(photos, encoder):
    seen = Pictures([Picture(uri=photos[0].uri, problem="truncated")])
    found = photo_vectors(Part([sample("?", "A.", images=(photos[0],))], pictures=seen), encoder)
    assert found == {photos[0].uri: f"{photos[0].uri}: truncated"}


def test_a_vector_that_is_not_finite_is_told(folder, photos, encoder, monkeypatch):
    monkeypatch.setattr(encoder, "_embed_images", lambda some: np.full((len(some), 16), np.nan, np.float32))
    (found,) = scored(folder, [sample("?", "A dog.", images=(photos[3],))], batch_size=None)
    assert found.value is None and "no finite vector" in found.reason


def test_two_forms_with_models_of_their_own():
    assert (MatchingDegree.form, MatchingDegreeConfig().model) == ("faithful", CLIP)
    assert (MatchingDegreeSiglip.form, MatchingDegreeSiglipConfig().model) == ("recommended", SIGLIP)
    assert MatchingDegree.name != MatchingDegreeSiglip.name


def test_the_model_is_told_and_a_relative_folder_found(folder, photos):
    config = MatchingDegreeConfig(model=folder.name, device="cpu")
    indicator = MatchingDegree(config, base=folder.parent)
    assert any(line.startswith("model.safetensors ") for line in indicator.outside())
    scores = list(indicator.score(Part([sample("?", "A dog.", images=(photos[0],))]), None))
    detail = json.loads(indicator.summarise(scores).detail)
    assert detail["form"] == "faithful" and detail["model"] == folder.name and detail["text"] == "response"
