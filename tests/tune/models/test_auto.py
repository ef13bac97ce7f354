"""Checkpoints through their own processors: parts, slots, pixels, batches, and the way to disk and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.assess.encoders.tiny import llama
from tests.tune import fresh, tiny, tiny_auto
from vlit.data.errors import VlitError
from vlit.data.images import open_rgb
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.tune.answer import answers
from vlit.tune.chat.dialogue import Message, dialogue_of
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template
from vlit.tune.collate import collate
from vlit.tune.config import ModelConfig
from vlit.tune.example import Example
from vlit.tune.models.auto import Auto, told_apart
from vlit.tune.models.registry import load_model, open_model

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
KINDS = ("idefics3", "llava_next", "gemma3", "qwen")


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Auto:
    return Auto(*tiny_auto.built(request.param))


def samples() -> list[Sample]:
    """One image, none, several; of several shapes and lengths."""
    first, second, third = tiny.photos(3)
    asked: list[tuple[str, tuple[Image, ...]]] = [
        ("How many?", (first,)),
        ("Hi", ()),
        ("What is different between these photos, the first and the second?", (second, first)),
        ("Who?", ()),
        ("b", (third,)),
    ]
    return [
        Sample(
            id=text,
            images=images,
            turns=(Turn(role="user", text=text), Turn(role="assistant", text=f"{text} is what you ask")),
        )
        for text, images in asked
    ]


def encoder(model: Auto) -> Encoder:
    return Encoder(model, Template.of(model.tokenizer), max_length=400)


def trained(model: Auto) -> list[Example]:
    return [example for sample in samples() for example in encoder(model).examples(sample)]


def opened(model: Auto, examples: list[Example]) -> dict[str, dict[str, Any]]:
    images = {image.uri: image for example in examples for image in example.images}
    return {uri: model.pixels([open_rgb(image)]) for uri, image in images.items()}


def test_parts_are_told_apart(model: Auto) -> None:
    found: dict[str, set[str]] = {"vision": set(), "connector": set(), "llm": set()}
    for name, _ in model.model.named_parameters():
        found[model.part_of(name)].add(name)
    assert all(found.values())
    assert all("visual." in n or "vision_" in n for n in found["vision"])
    assert all(
        "merger" in n or "connector" in n or "projector" in n or "newline" in n for n in found["connector"]
    )
    assert all("language_model" in n or "text_model" in n or "lm_head" in n for n in found["llm"])
    assert (
        model.part_of(
            next(n for n, m in model.model.named_modules() if n.endswith("q_proj") and "vis" not in n)
        )
        == "llm"
    )


def test_ids_and_pixels_are_those_of_the_processor(model: Auto) -> None:
    first, second, _ = tiny.photos(3)
    made = encoder(model)
    prompt = made.prompt(samples()[2])
    text = made.layout.render(dialogue(samples()[2]), prompt=True)
    pictures = [open_rgb(second), open_rgb(first)]
    theirs = model.processor(text=[text], images=[pictures], return_tensors="pt", add_special_tokens=False)
    joined = model.tokenizer.decode(theirs["input_ids"][0])
    assert model.tokenizer.decode(prompt.ids) == joined.rstrip(" ")
    pixels = model.pixels(pictures)
    assert torch.equal(pixels["pixel_values"].flatten(), theirs["pixel_values"].flatten())
    apart = [model.pixels([picture]) for picture in pictures]
    for name, whole in pixels.items():
        assert torch.equal(torch.cat([own[name] for own in apart]), whole)


def dialogue(sample: Sample) -> list[Message]:
    return list(dialogue_of(sample).question().messages)


def test_a_padded_batch_gives_each_document_what_it_has_alone(model: Auto) -> None:
    examples = trained(model)
    pixels = opened(model, examples)
    batch = collate([[e] for e in examples], model, pixels)
    with torch.no_grad():
        together = model.hidden(batch, (batch.documents > 0).long())
        for row, example in enumerate(examples):
            one = collate([[example]], model, pixels)
            alone = model.hidden(one, (one.documents > 0).long())[0]
            assert torch.allclose(together[row, : len(alone)], alone, atol=2e-5)
        last = collate([[examples[0]]], model, pixels)
        logits = model.model(**model.inputs(last), attention_mask=torch.ones_like(last.ids)).logits
        assert torch.allclose(model.head(model.hidden(last, torch.ones_like(last.ids))), logits, atol=1e-5)


def test_gradients_reach_every_part_in_training(model: Auto) -> None:
    examples = trained(model)
    batch = collate([[e] for e in examples], model, opened(model, examples))
    model.model.train()
    loss: Any = model.hidden(batch, (batch.documents > 0).long()).square().mean()
    loss.backward()
    reached = {
        model.part_of(n) for n, p in model.model.named_parameters() if p.grad is not None and p.grad.any()
    }
    model.model.zero_grad()
    model.model.eval()
    assert reached == {"vision", "connector", "llm"}


def test_batch_1_and_batch_8_say_the_same(model: Auto) -> None:
    prompts = [encoder(model).prompt(sample) for sample in samples()]
    alone = answers(model, prompts, batch=1, max_new_tokens=8)
    assert len(set(alone)) > 2
    assert answers(model, prompts, batch=8, max_new_tokens=8) == alone
    # A batch without images after one with: nothing of the one before may be left.
    assert answers(model, prompts[1:2], batch=8, max_new_tokens=8) == alone[1:2]


def test_what_is_saved_loads_with_transformers_alone(tmp_path: Path) -> None:
    saved, here = [], []
    for kind in ("idefics3", "gemma3"):
        model = Auto(*tiny_auto.built(kind))
        model.save(tmp_path / kind)
        (example,) = encoder(model).examples(samples()[0])
        batch = collate([[example]], model, opened(model, [example]))
        inputs = {**model.inputs(batch), "attention_mask": torch.ones_like(batch.ids)}
        with torch.no_grad():
            here.append(model.model(**inputs).logits.numpy())
        saved.append(fresh.Saved(tmp_path / kind, inputs))
        again = load_model(str(tmp_path / kind))
        assert again.name == "auto" and again.tokenizer.chat_template == model.tokenizer.chat_template
        shapes = load_model(str(tmp_path / kind), weights=False)
        assert shapes.model.device.type == "meta"
        assert np.array_equal(encoder(shapes).examples(samples()[0])[0].ids, example.ids)  # type: ignore[arg-type]
    for mine, theirs in zip(here, fresh.logits(*saved), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_llava_can_be_had_through_its_processor_too(tmp_path: Path) -> None:
    own = tiny.llava(tmp_path)
    own.save(tmp_path / "out")
    other = load_model(str(tmp_path / "out"), "auto")
    assert isinstance(other, Auto)
    first, second, _ = tiny.photos(3)
    assert list(other.slot(first)) == list(own.slot(first))
    prompts = [tiny.prompt(own, "What?", [first, second]), tiny.prompt(own, "Who are you?")]
    assert answers(other, prompts, batch=2, max_new_tokens=6) == answers(
        own, prompts, batch=2, max_new_tokens=6
    )


def test_parts_that_cannot_be_told_are_named() -> None:
    model, _, _ = tiny_auto.built("gemma3")
    model.model.strange = model.model.vision_tower
    del model.model.vision_tower
    with pytest.raises(VlitError, match="cannot be told") as error:
        told_apart(model)
    assert "model.strange" in str(error.value)


def test_a_checkpoint_without_its_processor_teaches(tmp_path: Path) -> None:
    model, tokenizer, _ = tiny_auto.built("gemma3")
    model.save_pretrained(tmp_path)
    with pytest.raises(VlitError):
        load_model(str(tmp_path))
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(VlitError, match="processor"):
        load_model(str(tmp_path))


def test_nothing_is_assembled_and_nothing_made_square(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="assembles none"):
        open_model(ModelConfig(architecture="auto", vision="a", llm="b"), tmp_path)
    with pytest.raises(VlitError, match="own way"):
        Auto(*tiny_auto.built("gemma3")).make_square("pad")


def test_a_language_model_is_no_checkpoint_that_sees(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="a llama answers no questions on images"):
        load_model(str(llama(tmp_path)))
