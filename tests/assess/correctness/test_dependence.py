import math

import pytest

from tests.assess.encoders.photos import painted
from tests.assess.small import sample
from tests.teacher import tiny
from vlit.assess.correctness.dependence import ImageDependence, ImageDependenceConfig
from vlit.assess.encoders import multimodal
from vlit.assess.encoders.multimodal import ImageTextModel, image_text_model
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.images import open_rgb
from vlit.data.sample import Turn
from vlit.data.scene import Image

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("llava")
    tiny.build(place)
    return place


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return painted(tmp_path_factory.mktemp("photos"), "one", seed=3)


@pytest.fixture
def model(folder, monkeypatch):
    """In float32, so that losses can be compared."""
    monkeypatch.setattr(multimodal, "pick_dtype", lambda device: torch.float32)
    return ImageTextModel(str(folder), "cpu", 4)


def turns(*texts):
    return tuple(Turn(role=r, text=t) for r, t in zip(("user", "assistant") * 5, texts, strict=False))


def by_hand(folder, before, response, after, pictures):
    """The loss of the model itself with labels on the bytes of the response alone."""
    import transformers

    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    inputs = processor(text=before + response + after, images=pictures or None, return_tensors="pt")
    labels = torch.full_like(inputs["input_ids"], -100)
    end = labels.shape[1] - len(after)
    labels[0, end - len(response) : end] = inputs["input_ids"][0, end - len(response) : end]
    with torch.inference_mode():
        return float(model(**inputs, labels=labels).loss)


def test_losses_are_the_model_s_own(model, folder, photo):
    said = turns("<image>\nWhat is it?", "A red bus.")
    seeing, blind = model.reading(said, [open_rgb(photo)]), model.reading(said, [])
    found = model.losses([seeing, blind])
    asked = "What is it?\nassistant: "
    expected = [
        by_hand(folder, f"user: <image>{asked}", "A red bus.", "\n", [open_rgb(photo)]),
        by_hand(folder, f"user: {asked}", "A red bus.", "\n", []),
    ]
    assert found == pytest.approx(expected, rel=1e-4)
    assert len(seeing.scored) == len(blind.scored) == len("A red bus.")


def test_all_responses_of_a_dialogue_count_by_their_tokens(model, photo):
    whole = model.reading(turns("<image>\nWhat?", "A bus.", "Red?", "Yes, it is."), [open_rgb(photo)])
    assert len(whole.scored) == len("A bus.") + len("Yes, it is.")
    assert "".join(chr(b) for b in _bytes(model, whole)) == "A bus.Yes, it is."


def _bytes(model, reading):
    ids = model._tokenizer(reading.text, add_special_tokens=False)["input_ids"]
    return model._tokenizer.decode([ids[len(ids) - place] for place in reading.scored]).encode()


def test_neighbours_do_not_matter(model, photo):
    picture = open_rgb(photo)
    readings = [
        model.reading(turns("<image>\nWhat?", answer), pictures)
        for answer in ("A bus.", "A long answer about two dogs on a bench.", "No.")
        for pictures in ([picture], [])
    ]
    alone = [model.losses([reading])[0] for reading in readings]
    assert model.losses(readings) == pytest.approx(alone, rel=1e-4)


def test_out_of_memory_gives_the_same_losses(model, monkeypatch):
    readings = [model.reading(turns("What?", f"Answer {i}."), []) for i in range(4)]
    expected, read, sizes = model.losses(readings), model._read, []

    def crowded(some):
        sizes.append(len(some))
        if len(some) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return read(some)

    monkeypatch.setattr(model, "_read", crowded)
    assert model.losses(readings) == pytest.approx(expected, rel=1e-4)
    assert sizes == [4, 2, 1, 1, 1, 1]


def test_value_is_the_ratio_of_the_perplexities(folder, photo, tmp_path):
    indicator = ImageDependence(ImageDependenceConfig(model=str(folder), device="cpu"))
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=1, height=1)
    samples = [
        sample("<image>\nWhat is it?", "A red bus.", images=(photo,), id="1"),
        sample("What is it?", "A red bus.", images=(photo,), id="2"),  # the image before all
        sample("What is it?", "A red bus.", images=(), id="3"),
        sample("What is it?", "", images=(photo,), id="4"),
        sample("<image><image>", "A bus.", images=(photo,), id="5"),
        sample("What?", "A bus.", "<image> And now?", "Yes.", images=(photo,), id="6"),
        sample("What?", "A bus.", images=(gone,), id="7"),
    ]
    found = list(indicator.score(Part(samples), None))
    seeing, blind = (
        image_text_model(str(folder), "cpu").losses(
            [image_text_model(str(folder), "cpu").reading(samples[0].turns, pictures)]
        )[0]
        for pictures in ([open_rgb(photo)], [])
    )
    assert found[0].value == pytest.approx(math.exp(blind - seeing), rel=1e-6)
    assert found[0].reason == f"loss {seeing:.2f} with the image, {blind:.2f} without"
    assert found[1].value == pytest.approx(found[0].value, rel=1e-6)
    assert [s.value for s in found[2:]] == [None] * 5
    assert [s.reason for s in found[2:6]] == [
        "the sample has no image",
        "the sample has no response",
        "the text has 2 image tokens for 1 images",
        "an image comes after a response",
    ]
    assert found[6].reason.endswith("the file is missing")


def test_a_model_without_a_chat_template_is_refused(folder, tmp_path):
    import transformers

    transformers.AutoModelForImageTextToText.from_pretrained(folder).save_pretrained(tmp_path)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    processor.chat_template = processor.tokenizer.chat_template = None
    processor.save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(VlitError, match="no chat template"):
        image_text_model(str(tmp_path), "cpu")
