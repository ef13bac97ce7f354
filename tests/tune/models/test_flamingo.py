"""Flamingo as an architecture: assembled, saved with its own code, loaded anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from tests.assess.encoders.tiny import clip, llama
from tests.tune import fresh
from tests.tune import tiny_flamingo as tiny
from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.flamingo import Flamingo
from vlit.tune.models.registry import architecture_of, load_model

if TYPE_CHECKING:
    import torch
    import transformers
else:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

RED = PIL.Image.new("RGB", (9, 5), (200, 30, 30))
BLUE = PIL.Image.new("RGB", (5, 9), (20, 30, 230))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Flamingo:
    return tiny.flamingo(tmp_path_factory.mktemp("flamingo"))


def asked(model: Architecture) -> dict[str, torch.Tensor]:
    (image,) = model.slot(Image(uri="x", width=9, height=5))
    ids = torch.tensor([[5, image, 9, 12, image, 40, 41], [5, 6, 7, 8, 9, 10, 11]])
    return {"input_ids": ids, **model.pixels([RED, BLUE])}


def logits(model: Architecture) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.model.eval()(**asked(model)).logits
    return found


def test_parts_keep_their_weights_and_shut_gates_leave_the_decoder_as_it_is(tmp_path: Path) -> None:
    model = tiny.flamingo(tmp_path, gate=0.0)
    llm = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "llama").eval()
    with torch.no_grad():
        alone = llm(input_ids=torch.tensor([[5, 6, 7, 9]])).logits
        whole = model.model.eval()(input_ids=torch.tensor([[5, 6, 7, 9]])).logits
    assert torch.equal(whole[..., : llm.config.vocab_size], alone)
    assert model.decoder.config._attn_implementation == llm.config._attn_implementation == "sdpa"
    whole_clip = transformers.CLIPModel.from_pretrained(tmp_path / "clip")
    for name, weight in whole_clip.vision_model.state_dict().items():
        assert torch.equal(model.model.vision_tower.state_dict()[name], weight)
    assert model.model.config.skipped_features == 1


def test_a_siglip_has_no_class_token_to_leave_out(tmp_path: Path) -> None:
    clip(tmp_path / "siglip", "Siglip")
    llama(tmp_path / "llama")
    found = Flamingo.assemble(settings(tmp_path, vision="siglip"))
    assert found.model.config.skipped_features == 0
    assert logits(found).isfinite().all()


def settings(folder: Path, *, vision: str = "clip", **connector: Any) -> ModelConfig:
    names = {"vision": str(folder / vision), "llm": str(folder / "llama")}
    return ModelConfig(architecture="flamingo", connector={**tiny.RESAMPLER, **connector}, **names)


def test_what_was_not_known_is_added_and_kept_in_mind(model: Flamingo, tmp_path: Path) -> None:
    vocabulary = model.tokenizer.get_vocab()
    assert model.new_tokens == (vocabulary["<|endofchunk|>"],)  # the tiny tokenizer has <image> already
    assert model.tokenizer.pad_token is not None
    assert model.model.get_input_embeddings().num_embeddings >= len(vocabulary)
    ends = model.model.generation_config.eos_token_id
    assert vocabulary["<|endofchunk|>"] in ends and model.tokenizer.eos_token_id in ends
    model.save(tmp_path)
    assert Flamingo.load(str(tmp_path)).new_tokens == model.new_tokens


def test_what_is_saved_loads_here_and_where_vlit_is_not_and_says_the_same(
    model: Flamingo, tmp_path: Path
) -> None:
    model.save(tmp_path)
    assert architecture_of(str(tmp_path)) == "flamingo"
    again = load_model(str(tmp_path))
    assert torch.equal(logits(model), logits(again))
    assert again.tokenizer.chat_template == model.tokenizer.chat_template
    assert json.loads((tmp_path / "config.json").read_text())["auto_map"] == {
        "AutoConfig": "flamingo_config.FlamingoConfig",
        "AutoModelForImageTextToText": "flamingo_model.FlamingoForConditionalGeneration",
    }
    question: dict[str, Any] = {name: value.numpy() for name, value in asked(model).items()}
    np.savez(tmp_path / "asked.npz", **question)
    said = fresh.run(_STRANGER.format(folder=str(tmp_path)))
    assert np.array_equal(np.load(tmp_path / "logits.npy"), logits(model).numpy())
    ids = model.tokenizer("<image> a <image> b", return_tensors="pt")
    found = model.model.generate(**ids, **model.pixels([RED, RED]), max_new_tokens=6)
    assert json.loads(said) == found[0].tolist()


_STRANGER = """
import sys
sys.modules["vlit"] = None  # its import is an error
import numpy, PIL.Image, torch, transformers
folder, own = {folder!r}, dict(trust_remote_code=True)
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **own)
processor = transformers.AutoImageProcessor.from_pretrained(folder, **own)
model = transformers.AutoModelForImageTextToText.from_pretrained(folder, **own).eval()
asked = numpy.load(folder + "/asked.npz")
with torch.no_grad():
    found = model(**{{name: torch.from_numpy(asked[name]) for name in asked}}).logits
numpy.save(folder + "/logits.npy", found.numpy())
pixels = processor([PIL.Image.new("RGB", (9, 5), (200, 30, 30))] * 2, return_tensors="pt")["pixel_values"]
ids = tokenizer("<image> a <image> b", return_tensors="pt")
print(model.generate(**ids, pixel_values=pixels, max_new_tokens=6)[0].tolist())
"""


def test_every_parameter_belongs_to_one_part(model: Flamingo) -> None:
    names = [name for name, _ in model.model.named_parameters()]
    assert {model.part_of(name) for name in names} == {"vision", "connector", "llm"}
    assert {model.part_of(n) for n in names if "gate" in n and "gate_proj" not in n} == {"connector"}


def test_without_weights_there_is_all_that_encoding_needs(model: Flamingo, tmp_path: Path) -> None:
    model.save(tmp_path / "saved")
    clip(tmp_path / "clip")
    llama(tmp_path / "llama")
    for bare in (
        Flamingo.load(str(tmp_path / "saved"), weights=False),
        Flamingo.assemble(settings(tmp_path), weights=False),
    ):
        assert {p.device.type for p in bare.model.parameters()} == {"meta"}
        assert bare.slot(Image(uri="x", width=9, height=5)) == model.slot(Image(uri="x", width=9, height=5))
        assert bare.pixels([RED])["pixel_values"].shape == (1, 3, 28, 28)
        assert bare.new_tokens == model.new_tokens


def batch(model: Flamingo, rows: Sequence[Sequence[Sequence[int]]], images: int) -> Batch:
    """Rows of documents, padded on the right."""
    longest = max(sum(map(len, row)) for row in rows)
    ids, positions, documents = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for r, row in enumerate(rows):
        start = 0
        for number, document in enumerate(row, start=1):
            end = start + len(document)
            ids[r, start:end] = torch.tensor(document)
            positions[r, start:end] = torch.arange(len(document))
            documents[r, start:end] = number
            start = end
    pixels = model.pixels([RED, BLUE, RED][:images]) if images else {}
    return Batch(ids, ids.clone(), positions, documents, pixels)


def dense(documents: torch.Tensor) -> torch.Tensor:
    n = documents.shape[1]
    causal = torch.ones(n, n, dtype=torch.bool).tril()
    return ((documents[:, :, None] == documents[:, None, :]) & causal)[:, None]


def test_hidden_states_are_those_of_the_head_and_documents_are_apart(model: Flamingo) -> None:
    (image,) = model.slot(Image(uri="x", width=9, height=5))
    model.model.eval()
    first, second, third = [5, image, 9, 12], [7, 8, 9], [image, 40, image, 41, 42]
    with torch.no_grad():
        packed = batch(model, [[first, second], [third]], images=3)
        found = model.head(model.hidden(packed, dense(packed.documents)))
        for row, start, ids, pixels in (
            (0, 0, first, [RED]),
            (0, 4, second, []),
            (1, 0, third, [BLUE, RED]),
        ):
            own = model.pixels(pixels) if pixels else {}
            alone = model.model(input_ids=torch.tensor([ids]), **own).logits
            assert (found[row, start : start + len(ids)] - alone[0]).abs().max() < 1e-5


def test_a_batch_and_each_alone_give_the_same_text(model: Flamingo) -> None:
    (image,) = model.slot(Image(uri="x", width=9, height=5))
    generator = np.random.default_rng(0)
    prompts = [generator.integers(10, 60, 3 + 2 * k).tolist() for k in range(8)]
    for k in range(0, 8, 2):
        prompts[k][1] = image
    prompts[4][4] = image
    pictures = {k: [RED, BLUE][: 1 + (k == 4)] for k in range(0, 8, 2)}
    longest, pad = max(map(len, prompts)), model.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    told: dict[str, Any] = {"max_new_tokens": 12, "do_sample": False}
    whole = model.model.eval().generate(
        input_ids=ids,
        attention_mask=mask,
        documents=mask,
        **model.pixels([p for k in sorted(pictures) for p in pictures[k]]),
        **told,
    )
    said = set()
    for k, prompt in enumerate(prompts):
        own = model.pixels(pictures[k]) if k in pictures else {}
        alone = model.model.generate(input_ids=torch.tensor([prompt]), **own, **told)[0, len(prompt) :].tolist()
        assert whole[k, longest : longest + len(alone)].tolist() == alone
        said.add(tuple(alone))
    assert len(said) > 4


def test_parts_that_make_no_flamingo_say_why(tmp_path: Path) -> None:
    clip(tmp_path / "clip")
    llama(tmp_path / "llama")
    connectors: tuple[tuple[dict[str, Any], str], ...] = (
        ({"latent": 4}, "did you mean 'latents'"),
        ({"latents": 0}, "whole number from 1 on; found 0"),
        ({"cross_attention_every": 3}, "cross_attention_every is 3, and the decoder has 2 layers"),
    )
    for connector, said in connectors:
        with pytest.raises(VlitError, match=said):
            Flamingo.assemble(settings(tmp_path, **connector))
    t5: dict[str, Any] = {
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 16,
        "num_layers": 1,
        "num_heads": 2,
        "vocab_size": 300,
    }
    transformers.T5ForConditionalGeneration(transformers.T5Config(**t5)).save_pretrained(tmp_path / "t5")
    transformers.AutoTokenizer.from_pretrained(tmp_path / "llama").save_pretrained(tmp_path / "t5")
    with pytest.raises(VlitError, match="encoder-decoder"):
        Flamingo.assemble(settings(tmp_path).model_copy(update={"llm": str(tmp_path / "t5")}))
    config = json.loads((tmp_path / "llama" / "config.json").read_text())
    (tmp_path / "llama" / "config.json").write_text(json.dumps({**config, "logit_scale": 0.5}))
    with pytest.raises(VlitError, match="changes its logits after the head"):
        Flamingo.assemble(settings(tmp_path))


def test_a_checkpoint_without_its_tokenizer_says_so(model: Flamingo, tmp_path: Path) -> None:
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "image_token_id": 17}))
    with pytest.raises(VlitError, match="does not know <image> as token 17"):
        Flamingo.load(str(tmp_path))
