import numpy as np
import PIL.Image as PILImage
import pytest

from tests.assess.encoders import tiny
from vlit.assess.encoders.vision import vision_encoder
from vlit.data.errors import VlitError

COLOURS = ["red", "green", "blue", "white", "orange"]
PHOTOS = [PILImage.new("RGB", (40 + 10 * i, 30), c) for i, c in enumerate(COLOURS)]


@pytest.fixture(scope="module", params=["CLIP", "Siglip"])
def folder(request, tmp_path_factory):
    return tiny.clip(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def encoder(folder):
    return vision_encoder(str(folder), "cpu", 2)


def test_unit_rows(encoder):
    images, texts = encoder.images(PHOTOS), encoder.texts(["a dog", "a very long text " * 50, ""])
    assert images.shape == (5, encoder.dim) and texts.shape == (3, encoder.dim)
    assert images.dtype == texts.dtype == np.float32
    assert np.linalg.norm(images, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert np.linalg.norm(texts, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert encoder.images([]).shape == (0, encoder.dim)
    assert encoder.texts([]).shape == (0, encoder.dim)
    assert str(encoder.longest) in encoder.describe()


def test_cosines_are_those_of_the_model(encoder, folder):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = dict(transformers.AutoImageProcessor.from_pretrained(folder)(PHOTOS, return_tensors="pt"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs |= tokenizer(["a dog", "red"], padding="max_length", max_length=24, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        logits = model(**inputs).logits_per_image.numpy()
    bias = float(getattr(model, "logit_bias", torch.zeros(())))
    found = encoder.images(PHOTOS) @ encoder.texts(["a dog", "red"]).T * encoder.scale + bias
    assert found == pytest.approx(logits, abs=1e-4)


def test_neighbours_do_not_matter(encoder):
    together = encoder.texts(["a dog", "a cat", "a house on a hill"])
    assert together[2] == pytest.approx(encoder.texts(["a house on a hill"])[0], abs=1e-6)
    assert encoder.images(PHOTOS)[3] == pytest.approx(encoder.images([PHOTOS[3]])[0], abs=1e-6)


def test_which_texts_are_cut(encoder):
    assert encoder.longest == 24
    assert encoder.cut(["short", "a text of more than 24 bytes"]) == [False, True]
    assert encoder.cut([]) == []


def test_out_of_memory(encoder, monkeypatch):
    torch = pytest.importorskip("torch")
    expected, embed, sizes = encoder.images(PHOTOS), encoder._embed_images, []

    def crowded(some):
        sizes.append(len(some))
        if len(some) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return embed(some)

    monkeypatch.setattr(encoder, "_embed_images", crowded)
    assert encoder.images(PHOTOS) == pytest.approx(expected, abs=1e-6)
    assert sizes == [2, 1, 1, 1, 1, 1]


def test_a_row_that_is_not_finite_is_zero(encoder, monkeypatch):
    embed = encoder._embed_images

    def spoilt(some):
        return [np.full_like(row, np.nan) if some[i].width == 50 else row for i, row in enumerate(embed(some))]

    monkeypatch.setattr(encoder, "_embed_images", spoilt)
    assert list(encoder.images(PHOTOS).any(axis=1)) == [True, False, True, True, True]


def test_a_model_of_texts_alone_is_refused(tmp_path):
    with pytest.raises(VlitError):
        vision_encoder(str(tiny.bert(tmp_path)), "cpu")


def test_models_are_loaded_once(folder):
    assert vision_encoder(str(folder), "cpu") is vision_encoder(str(folder), "cpu")
