from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from tests.tune.packed import MODELS, by, compute, difference, documents, separate
from vlit.tune.attention import set_attention, verify
from vlit.tune.models.architecture import Architecture

EXACT = 1e-5


@pytest.fixture(scope="module", params=list(MODELS))
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Architecture, Any, Any, Any]:
    torch.set_num_threads(1)
    model = MODELS[request.param](tmp_path_factory.mktemp("model"))
    model.model.eval()
    examples, pixels = documents(model)
    return model, examples, pixels, separate(model, examples, pixels)


def attend(model: Architecture, how: str) -> Any:
    """Set an attention by its column of the table; what masks it needs."""
    kind: Any = "dense" if how in ("eager", "sdpa") else how
    if kind == "dense":
        model.decoder.set_attn_implementation(how)
    set_attention(model, kind)
    return by(kind)


@pytest.mark.parametrize("how", ["eager", "sdpa", "segments"])
def test_packing_changes_nothing(made: Any, how: str) -> None:
    model, examples, pixels, alone = made
    found = difference(compute(model, [[examples]], pixels, attend(model, how)), alone)
    assert max(found) < EXACT


@pytest.mark.parametrize("how", ["eager", "sdpa", "segments"])
def test_rows_of_unequal_length_change_nothing(made: Any, how: str) -> None:
    model, examples, pixels, alone = made
    rows = [[examples[:3], examples[3:5], examples[5:]]]
    assert max(difference(compute(model, rows, pixels, attend(model, how)), alone)) < EXACT


def test_flex_changes_nothing(made: Any) -> None:
    model, examples, pixels, alone = made
    with torch.compiler.set_stance("force_eager"):  # the compiled kernel takes half a minute to build
        found = compute(model, [[examples]], pixels, attend(model, "flex"), backward=False)
    assert max(difference(found, alone)[:2]) < EXACT


def test_one_document_to_a_row_is_padded_exactly(made: Any) -> None:
    model, examples, pixels, alone = made
    set_attention(model, "padded")
    rows = [[[example] for example in examples]]
    assert max(difference(compute(model, rows, pixels, by("padded")), alone)) < EXACT


def test_a_mask_of_ones_leaks(made: Any) -> None:
    model, examples, pixels, alone = made
    set_attention(model, "padded")
    leaking = difference(compute(model, [[examples]], pixels, lambda b: torch.ones_like(b.ids)), alone)
    assert leaking.logits > 0.1 and leaking.gradient > 0.1


def test_recomputed_activations_change_nothing(made: Any) -> None:
    model, examples, pixels, alone = made
    masks = attend(model, "segments")
    model.model.train()
    for module in model.model.modules():  # of tiny models without dropout, training differs in this alone
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.model.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        found = difference(compute(model, [[examples]], pixels, masks), alone)
    finally:
        model.model.gradient_checkpointing_disable()
        model.model.eval()
    assert max(found) < EXACT


@pytest.mark.parametrize("how", ["eager", "sdpa", "segments"])
def test_the_check_at_the_start_finds_nothing(made: Any, how: str) -> None:
    model = made[0]
    attend(model, how)
    kind: Any = how if how == "segments" else "dense"
    assert verify(model, kind, torch.float32) < EXACT


def test_the_model_still_generates(made: Any) -> None:
    model = made[0]
    ids = torch.tensor([[0, 70, 80, 90], [1, 1, 0, 75]])
    attention = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    options: dict[str, Any] = {"input_ids": ids, "attention_mask": attention, "max_new_tokens": 6}
    said = []
    for how in ("sdpa", "segments"):
        attend(model, how)
        said.append(model.model.generate(**options, do_sample=False))
    assert torch.equal(*said)


def test_attention_is_not_saved_with_the_model(made: Any, tmp_path: Path) -> None:
    model = made[0]
    attend(model, "segments")
    model.model.config.save_pretrained(tmp_path)
    assert "vlit" not in (tmp_path / "config.json").read_text()
