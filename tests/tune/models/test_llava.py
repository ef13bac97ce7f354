"""LLaVA: assembled from parts, saved as a standard checkpoint, loaded again."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from tests.tune import tiny
from vlit.data.scene import Image
from vlit.tune.models.registry import architecture_of, load_model

torch = pytest.importorskip("torch")


def logits(model: tiny.Architecture) -> torch.Tensor:
    slot = model.slot(Image(uri="x", width=9, height=5))
    pixels = model.pixels([PIL.Image.new("RGB", (9, 5), (200, 30, 30))])
    ids = torch.tensor([[5, *slot, 9, 12]])
    with torch.no_grad():
        found: torch.Tensor = model.model(input_ids=ids, **pixels).logits
    return found


def test_what_is_saved_loads_as_a_standard_llava_with_equal_logits(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.save(tmp_path / "out")
    assert architecture_of(str(tmp_path / "out")) == "llava"
    again = load_model(str(tmp_path / "out"))
    assert torch.equal(logits(model), logits(again))
    assert again.tokenizer.chat_template == tiny.TEMPLATE


def test_parts_keep_their_weights(tmp_path: Path) -> None:
    import transformers

    model = tiny.llava(tmp_path)
    llm = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "llama")
    ids = torch.tensor([[5, 9, 12]])
    assert torch.equal(model.model(input_ids=ids).logits[..., : llm.config.vocab_size], llm(ids).logits)


def test_every_parameter_belongs_to_one_part(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    assert {model.part_of(name) for name, _ in model.model.named_parameters()} == {"vision", "connector", "llm"}
