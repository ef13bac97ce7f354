"""Frozen, full, LoRA: what changes, what does not, in which number format and at which rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny
from vlit.data.errors import VlitError
from vlit.tune.config import LoraConfig, StageConfig
from vlit.tune.models.architecture import PARTS
from vlit.tune.trainable import groups_of, layers, linear_layers, make_trainable, new_rows

torch = pytest.importorskip("torch")
LORA = LoraConfig(rank=2, alpha=4)


def stage(**settings: Any) -> StageConfig:
    return StageConfig.model_validate({"lr": 1e-3, **settings})


def trained_parts(model: tiny.Architecture) -> set[str]:
    return {model.part_of(name) for name, p in model.model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("vision", ["frozen", "full", "lora"])
@pytest.mark.parametrize("connector", ["frozen", "full", "lora"])
@pytest.mark.parametrize("llm", ["frozen", "full", "lora"])
def test_every_pattern_tunes_what_it_says(vision: str, connector: str, llm: str, tmp_path: Path) -> None:
    hows = {"vision": vision, "connector": connector, "llm": llm}
    if set(hows.values()) == {"frozen"}:
        pytest.skip("refused by the config")
    model = tiny.llava(tmp_path)
    make_trainable(model, stage(trainable=hows), LORA)
    for part in PARTS:
        own = {n: p.requires_grad for n, p in model.model.named_parameters() if model.part_of(n) == part}
        adapters = {n for n in own if ".lora_" in n}
        assert bool(adapters) == (hows[part] == "lora")
        tuned = {n for n, tuned in own.items() if tuned}
        assert tuned == {"frozen": set(), "full": set(own), "lora": adapters}[hows[part]]


def test_only_matrices_decay_and_each_part_has_its_rate(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    own = stage(
        trainable={"connector": "full", "llm": "full"}, lr={"connector": 1e-3, "llm": 1e-5}, weight_decay=0.1
    )
    make_trainable(model, own, LORA)
    found = groups_of(model, own)
    assert [(g.part, g.rate, g.decay) for g in found] == [
        ("connector", 1e-3, 0.1), ("connector", 1e-3, 0.0), ("llm", 1e-5, 0.1), ("llm", 1e-5, 0.0)
    ]  # fmt: skip
    assert all((p.ndim >= 2) == (g.decay > 0) for g in found for p in g.parameters)
    names = [name for group in found for name in group.names]
    assert len(names) == len(set(names)) == sum(p.requires_grad for p in model.model.parameters())


def test_what_is_frozen_is_bfloat16_under_bf16_and_what_is_tuned_is_not(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    make_trainable(model, stage(trainable={"connector": "full", "llm": "lora"}), LORA, bf16=True)
    for name, parameter in model.model.named_parameters():
        assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16), name
    make_trainable(model, stage(trainable={"connector": "full", "llm": "frozen"}), LORA)
    assert {p.dtype for p in model.model.parameters()} == {torch.float32}


def test_frozen_parts_drop_nothing_out(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    make_trainable(model, stage(trainable={"connector": "full", "llm": "lora"}), LORA)
    assert not any(m.training for m in model.model.model.vision_tower.modules())
    assert all(m.training for m in model.model.model.language_model.modules())


def test_a_frozen_vision_encoder_keeps_no_graph(tmp_path: Path) -> None:
    import PIL.Image

    model = tiny.llava(tmp_path)
    make_trainable(model, stage(trainable={"connector": "full", "llm": "full"}), LORA)
    seen = []
    model.model.model.vision_tower.register_forward_hook(lambda m, i, o: seen.append(o[0].requires_grad))
    pixels = model.pixels([PIL.Image.new("RGB", (9, 5))])
    ids = torch.tensor([[5, *[model.model.config.image_token_id] * 4]])
    assert model.model(input_ids=ids, **pixels).logits.requires_grad
    assert seen == [False]


def test_adapters_sit_on_all_linear_layers_but_the_head_or_on_those_named(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    every = {n.rpartition(".")[2] for n in linear_layers(model, "llm")}
    assert every == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    make_trainable(
        model, stage(trainable={"llm": "lora"}), LoraConfig(rank=2, alpha=4, targets=("q_proj", "v_proj"))
    )
    adapted = {
        n.split(".lora_")[0].rpartition(".")[2] for n, _ in model.model.named_parameters() if "lora_" in n
    }
    assert adapted == {"q_proj", "v_proj"}


def test_dora_learns_a_length_too(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    make_trainable(model, stage(trainable={"llm": "lora"}), LoraConfig(rank=2, alpha=4, dora=True))
    assert any("lora_magnitude_vector" in n and p.requires_grad for n, p in model.model.named_parameters())


@pytest.mark.parametrize(
    ("settings", "lora", "said"),
    [
        ({"lr": {"llm": 1e-5}}, {}, "connector is tuned and has no learning rate"),
        ({"trainable": {"llm": "lora"}}, {"targets": ("query",)}, "no linear layer named query"),
        ({"trainable": {"llm": "lora"}}, {"quantise": "4bit"}, "bitsandbytes"),
        ({"trainable": {"llm": "full"}}, {"quantise": "4bit"}, "tuned whole"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_to_do(
    settings: dict[str, Any], lora: dict[str, Any], said: str, tmp_path: Path
) -> None:
    model = tiny.llava(tmp_path)
    with pytest.raises(VlitError, match=said) as error:
        make_trainable(model, stage(**settings), LoraConfig.model_validate(lora))
    assert error.value.todo


def test_a_part_without_weights_cannot_be_tuned(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.model.model.multi_modal_projector = torch.nn.Identity()
    with pytest.raises(VlitError, match="connector has no parameter to tune"):
        make_trainable(model, stage(), LORA)


def test_of_new_tokens_alone_the_rows_are_tuned(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.new_tokens = (3, 7)  # type: ignore[misc]
    own = stage(train_embeddings="new", trainable={"connector": "full", "llm": "frozen"}, weight_decay=0.1)
    make_trainable(model, own, LORA)
    found = new_rows(model, own)
    assert found is not None
    weight, rows = found
    assert weight.requires_grad and weight is model.model.get_input_embeddings().weight
    assert rows.squeeze(1).nonzero().squeeze(1).tolist() == [3, 7]
    assert next(g for g in groups_of(model, own) if g.part == "llm").decay == 0
    assert new_rows(model, stage()) is None


def test_layers_are_the_blocks_of_both_towers(tmp_path: Path) -> None:
    assert len(layers(tiny.llava(tmp_path).model)) == 4
