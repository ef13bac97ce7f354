"""LLaVA: assembled from parts, saved as a standard checkpoint, loaded again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from tests.assess.encoders.tiny import bert, clip
from tests.tune import fresh, tiny
from tests.tune.tiny_parts import bare_tokenizer, decoder
from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.registry import architecture_of, load_model, open_model

torch = pytest.importorskip("torch")

FAMILIES = ("llama", "qwen2", "qwen3", "opt", "gpt_neox", "gemma")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP, a SigLIP and decoders of several families."""
    folder = tmp_path_factory.mktemp("parts")
    clip(folder / "clip")
    clip(folder / "siglip", "Siglip")
    for family in (*FAMILIES, "opt-350m", "gemma2", "phi"):
        decoder(folder / family, family, rows=20 if family == "qwen2" else 0)
    return folder


def assembled(parts: Path, llm: str = "llama", vision: str = "clip", **settings: Any) -> Architecture:
    config = ModelConfig(architecture="llava", vision=str(parts / vision), llm=str(parts / llm), **settings)
    return open_model(config, parts)


def asked(model: Architecture) -> dict[str, Any]:
    slot = model.slot(Image(uri="x", width=9, height=5))
    picture = PIL.Image.new("RGB", (9, 5), (200, 30, 30))
    return {"input_ids": torch.tensor([[5, *slot, 9, 12]]), **model.pixels([picture])}


def logits(model: Architecture, inputs: dict[str, Any] | None = None) -> Any:
    with torch.no_grad():
        return model.model(**(inputs or asked(model))).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_any_decoder_says_of_text_what_it_says_alone(parts: Path, family: str) -> None:
    import transformers

    model = assembled(parts, family)
    alone = transformers.AutoModelForCausalLM.from_pretrained(parts / family)
    ids = torch.tensor([[5, 9, 12]])
    with torch.no_grad():
        assert torch.equal(logits(model, {"input_ids": ids}), alone(ids).logits)
    assert not any(p.is_meta for p in (*model.model.parameters(), *model.model.buffers()))
    assert model.model.config.text_config is model.decoder.config  # attention is set in one place


def test_what_is_saved_loads_without_vlit_and_gives_equal_logits(parts: Path, tmp_path: Path) -> None:
    saved, here = [], []
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("qwen2", "clip", {}),
        ("opt", "siglip", {}),
        ("gpt_neox", "clip", {"kind": "linear"}),
        ("qwen3", "siglip", {"kind": "linear"}),
        ("llama", "clip", {"kind": "identity", "vision_feature_layer": [-2, -1]}),
        ("llama", "siglip", {"kind": "mlp3x_gelu"}),
        ("gemma", "clip", {"vision_feature_layer": -1, "vision_feature_select_strategy": "full"}),
    ]
    for number, (family, vision, connector) in enumerate(cases):
        model = assembled(parts, family, vision, connector=connector)
        model.save(tmp_path / str(number))
        here.append(logits(model).numpy())
        own_code = connector.get("kind") == "mlp3x_gelu"
        saved.append(fresh.Saved(tmp_path / str(number), asked(model), trust=own_code))
        assert architecture_of(str(tmp_path / str(number))) == "llava"
        again = load_model(str(tmp_path / str(number)))
        assert np.array_equal(logits(again).numpy(), here[-1])
    for mine, theirs in zip(here, fresh.logits(*saved), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_saved_processor_does_all_that_training_did(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.make_square("pad")
    model.save(tmp_path / "out")
    (photo,) = tiny.photos(1)
    script = f"""
import json, transformers
from PIL import Image
processor = transformers.AutoProcessor.from_pretrained({str(tmp_path / "out")!r})
talk = [{{"role": "user", "content": [{{"type": "image"}}, {{"type": "text", "text": "What?"}}]}}]
text = processor.apply_chat_template(talk, add_generation_prompt=True)
found = processor(text=[text], images=[Image.open({photo.uri!r}).convert("RGB")], return_tensors="np")
print(json.dumps([text, found["input_ids"].tolist(), found["pixel_values"].tolist()]))
"""
    text, ids, pixels = json.loads(fresh.run(script))
    assert text == "USER: <image>\nWhat? ASSISTANT:"
    assert ids[0].count(model.model.config.image_token_id) == len(model.slot(photo))
    mine = model.pixels([PIL.Image.open(photo.uri).convert("RGB")])["pixel_values"]
    assert np.allclose(np.array(pixels), mine.numpy(), atol=1e-6)
    written = json.loads((tmp_path / "out" / "processor_config.json").read_text(encoding="utf-8"))
    assert written["image_processor"]["image_processor_type"] == "LlavaImageProcessor"  # known to all


def test_tied_embeddings_stay_tied(parts: Path, tmp_path: Path) -> None:
    for family in ("qwen2", "gemma"):
        model = assembled(parts, family)
        model.save(tmp_path / family)
        for own in (model, load_model(str(tmp_path / family))):
            assert own.model.lm_head.weight is own.model.get_input_embeddings().weight
    assert not assembled(parts, "llama").model.config.text_config.tie_word_embeddings


def test_a_head_that_the_class_cannot_tie_has_the_same_numbers(parts: Path) -> None:
    model = assembled(parts, "opt")
    head, embeddings = model.model.lm_head.weight, model.model.get_input_embeddings().weight
    assert head is not embeddings and torch.equal(head, embeddings)


def test_padded_vocabularies_are_not_cut(parts: Path) -> None:
    model = assembled(parts, "qwen2")
    assert model.model.lm_head.weight.shape[0] == len(model.tokenizer) + 20


def test_clip_leaves_out_its_first_feature_and_siglip_has_none_to_leave_out(
    parts: Path, tmp_path: Path
) -> None:
    for vision, strategy, extra in (("clip", "default", 1), ("siglip", "full", 0)):
        model = assembled(parts, vision=vision)
        assert len(model.slot(Image(uri="x", width=9, height=5))) == 4
        assert model.model.config.vision_feature_select_strategy == strategy
        assert model.processor.num_additional_image_tokens == extra
    whole = assembled(parts, connector={"vision_feature_select_strategy": "full"})
    assert len(whole.slot(Image(uri="x", width=9, height=5))) == 5
    assert logits(whole).shape[1] == 8  # the model agrees, or it would refuse


def test_several_layers_stand_side_by_side(parts: Path, tmp_path: Path) -> None:
    model = assembled(parts, connector={"vision_feature_layer": [-2, -1]})
    assert model.model.model.multi_modal_projector.linear_1.in_features == 32
    model.save(tmp_path)
    assert torch.equal(logits(load_model(str(tmp_path))), logits(model))


def test_every_parameter_belongs_to_one_part(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    assert {model.part_of(name) for name, _ in model.model.named_parameters()} == {"vision", "connector", "llm"}
    with pytest.raises(KeyError):
        model.part_of("somewhere.else")


def test_new_weights_depend_on_the_seed_alone(parts: Path) -> None:
    config = ModelConfig(architecture="llava", vision=str(parts / "clip"), llm=str(parts / "llama"))

    def drawn(seed: int) -> Any:
        return open_model(config, parts, seed=seed).model.model.multi_modal_projector.linear_1.weight

    first = drawn(3)
    torch.rand(5)
    before = torch.random.get_rng_state()
    assert torch.equal(drawn(3), first) and not torch.equal(drawn(4), first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_weights_everything_but_weights_is_there(parts: Path, tmp_path: Path) -> None:
    config = ModelConfig(architecture="llava", vision=str(parts / "clip"), llm=str(parts / "llama"))
    model = open_model(config, parts, weights=False)
    whole = open_model(config, parts)
    whole.save(tmp_path)
    again = load_model(str(tmp_path), weights=False)
    for own in (model, again):
        assert all(p.is_meta for p in own.model.parameters())
        assert asked(own)["input_ids"].tolist() == asked(whole)["input_ids"].tolist()
        assert torch.equal(asked(own)["pixel_values"], asked(whole)["pixel_values"])
        assert {n: p.shape for n, p in own.model.named_parameters()} == {
            n: p.shape for n, p in whole.model.named_parameters()
        }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"llm": "gemma2"}, "does more to its logits"),
        ({"llm": "phi"}, "does more to its logits"),
        ({"llm": "opt-350m"}, "16 numbers, and hidden states 32"),
        ({"connector": {"kind": "mlp"}}, "choose linear, mlp2x_gelu"),
        ({"connector": {"knid": "linear"}}, "did you mean 'kind'"),
        ({"connector": {"kind": "identity"}}, "16 numbers, embeddings of the language model 32"),
        ({"connector": {"vision_feature_layer": 7}}, "there is no layer 7: the vision encoder has 2"),
        ({"vision": "llama"}, "no vision encoder"),
        ({"llm": "nowhere"}, "there is no such folder"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(parts: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(VlitError) as error:
        assembled(parts, **settings)
    assert said in str(error.value)


def test_a_text_encoder_is_no_vision_encoder(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="no vision encoder"):
        assembled(parts, vision=str(bert(tmp_path)))


def test_a_checkpoint_of_another_architecture_is_named(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="is a llama, and the recipe says llava"):
        load_model(str(parts / "llama"), "llava")
    with pytest.raises(VlitError, match="tells a model_type"):
        load_model(str(tmp_path))


def test_weights_that_lack_are_not_drawn_in_silence(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = tiny.llava(tmp_path)
    model.save(tmp_path / "out")
    file = tmp_path / "out" / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if "multi_modal" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(VlitError, match="4 weights are not in this checkpoint"):
        load_model(str(tmp_path / "out"))


def test_a_tokenizer_without_the_image_token_is_refused(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.save(tmp_path / "out")
    bare_tokenizer("<unk>").save_pretrained(tmp_path / "out")
    with pytest.raises(VlitError, match="no image token"):
        load_model(str(tmp_path / "out"))
    moved = bare_tokenizer("<unk>", "<other>", "<image>")
    moved.save_pretrained(tmp_path / "out")
    with pytest.raises(VlitError, match="features would find no place"):
        load_model(str(tmp_path / "out"))


def test_an_image_processor_of_another_size_is_refused(parts: Path, tmp_path: Path) -> None:
    model = assembled(parts)
    model.processor.image_processor.crop_size = {"height": 14, "width": 14}
    model.save(tmp_path)
    with pytest.raises(VlitError, match="makes 14 x 14 pixels, the encoder reads 28 x 28"):
        load_model(str(tmp_path))


def test_tokens_that_the_tokenizer_lacks_are_added_and_saved(parts: Path, tmp_path: Path) -> None:
    for family in ("llama", "qwen2"):
        decoder(tmp_path / family, family, tokenizer=bare_tokenizer())
        config = ModelConfig(architecture="llava", vision=str(parts / "clip"), llm=str(tmp_path / family))
        model = open_model(config, tmp_path)
        model.save(tmp_path / f"{family}-out")
        again = load_model(str(tmp_path / f"{family}-out"))
        assert again.tokenizer.convert_tokens_to_ids("<image>") == again.model.config.image_token_id
        assert (
            again.model.generation_config.pad_token_id
            == again.tokenizer.pad_token_id
            != again.tokenizer.eos_token_id
        )
        assert again.tokenizer.eos_token == "</s>"
        assert torch.equal(logits(again), logits(model))
        assert logits(model).shape[-1] == again.model.config.text_config.vocab_size == len(again.tokenizer)


def test_a_template_that_the_processor_keeps_alone_is_found(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.tokenizer.chat_template = None
    model.save(tmp_path / "out")
    (tmp_path / "out" / "chat_template.json").write_text(
        json.dumps({"chat_template": tiny.TEMPLATE}), encoding="utf-8"
    )  # as checkpoints of 2024 have it
    assert load_model(str(tmp_path / "out")).tokenizer.chat_template == tiny.TEMPLATE
