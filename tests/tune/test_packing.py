from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import numpy as np
import torch

from tests.tune.packed import MODELS, attend, by, compute, difference, documents, eager_flex, separate
from vlit.tune.attention import SEGMENTS, set_attention, verify
from vlit.tune.collate import collate
from vlit.tune.example import IGNORE, Batch, Example
from vlit.tune.models.architecture import Architecture

EXACT = 1e-5


def ones(batch: Batch) -> torch.Tensor:
    return torch.ones_like(batch.ids)


@pytest.fixture(scope="module", params=list(MODELS))
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Architecture, Any, Any, Any]:
    torch.set_num_threads(1)
    model = MODELS[request.param](tmp_path_factory.mktemp("model"))
    model.model.eval()
    examples, pixels = documents(model)
    return model, examples, pixels, separate(model, examples, pixels)


@pytest.mark.parametrize("how", ["eager", "sdpa", "segments"])
def test_packing_changes_nothing(made: Any, how: str) -> None:
    model, examples, pixels, alone = made
    found = difference(model, compute(model, [[examples]], pixels, attend(model, how)), alone)
    assert max(found) < EXACT


@pytest.mark.parametrize("how", ["eager", "sdpa", "segments"])
def test_rows_of_unequal_length_change_nothing(made: Any, how: str) -> None:
    model, examples, pixels, alone = made
    rows = [[examples[:3], examples[3:5], examples[5:]]]
    assert max(difference(model, compute(model, rows, pixels, attend(model, how)), alone)) < EXACT


def test_in_float64_nothing_is_left_but_rounding(made: Any) -> None:
    model, examples, pixels, _ = made
    more = {uri: {name: t.double() for name, t in own.items()} for uri, own in pixels.items()}
    model.model.double()
    try:
        alone = separate(model, examples, more)
        for how in ("sdpa", "segments"):
            masks = attend(model, how, torch.float64)
            # The loss itself is taken in float32.
            found = difference(model, compute(model, [[examples]], more, masks), alone)
            assert found.logits < 1e-12 and found.gradient < 1e-6
    finally:
        model.model.float()


def test_flex_changes_nothing(made: Any) -> None:
    model, examples, pixels, alone = made
    with eager_flex():
        found = compute(model, [[examples]], pixels, attend(model, "flex"))
    assert max(difference(model, found, alone)) < EXACT


def test_one_document_to_a_row_is_padded_exactly(made: Any) -> None:
    model, examples, pixels, alone = made
    set_attention(model, "padded")
    rows = [[[example] for example in examples]]
    assert max(difference(model, compute(model, rows, pixels, by("padded")), alone)) < EXACT


def test_a_mask_of_ones_leaks(made: Any) -> None:
    model, examples, pixels, alone = made
    set_attention(model, "padded")
    leaking = difference(model, compute(model, [[examples]], pixels, ones), alone)
    assert leaking.logits > 0.1 and leaking.gradient > 0.1


def test_recomputed_activations_change_nothing(made: Any) -> None:
    model, examples, pixels, alone = made
    masks = attend(model, "segments")
    model.decoder.train()
    for module in model.decoder.modules():  # without dropout, training differs in this alone
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    model.decoder.gradient_checkpointing_enable({"use_reentrant": False})
    try:
        found = difference(model, compute(model, [[examples]], pixels, masks), alone)
    finally:
        model.decoder.gradient_checkpointing_disable()
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
    text = Example("t", np.array([0, 70, 80, 90], np.int32), np.full(4, IGNORE, np.int32))
    ids = torch.tensor([[0, 70, 80, 90], [1, 1, 0, 75]])
    given = model.inputs(collate([[text]], model, {}))
    options: dict[str, Any] = {key: value.expand(2, *value.shape[1:]) for key, value in given.items()}
    attention = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    options |= {"input_ids": ids, "attention_mask": attention, "max_new_tokens": 6}
    said = []
    for how in ("sdpa", "segments"):
        attend(model, how)
        said.append(model.model.generate(**options, do_sample=False))
    assert torch.equal(*said)


def test_attention_is_not_saved_with_the_model(made: Any, tmp_path: Path) -> None:
    model = made[0]
    attend(model, "segments")
    model.model.config.save_pretrained(tmp_path)
    assert SEGMENTS not in (tmp_path / "config.json").read_text()
