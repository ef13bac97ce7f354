"""Projectors: one linear layer is one, the identity is none, and both are stored as LLaVA's two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny
from vlit.tune.models.projector import new_projector, recognise, shape
from vlit.tune.models.registry import load_model
from vlit.tune.models.same import Same

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def config(kind: str, vision: int = 6, text: int = 8) -> Any:
    return transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "hidden_size": vision, "num_attention_heads": 2},
        text_config={"model_type": "llama", "hidden_size": text, "num_attention_heads": 2},
        **shape(kind),
    )


def test_a_linear_projector_is_one_matrix_and_one_bias() -> None:
    made = new_projector("linear", config("linear"))
    assert {name: tuple(p.shape) for name, p in made.named_parameters()} == {
        "linear_1.weight": (8, 6),
        "linear_1.bias": (8,),
    }
    features = torch.randn(5, 6)
    wanted = features @ made.linear_1.weight.T + made.linear_1.bias
    assert torch.allclose(made(features), wanted, atol=1e-6)


def test_the_class_of_transformers_computes_the_same_from_what_is_stored() -> None:
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    cases = (("linear", 6), ("identity", 8), ("mlp2x_gelu", 6))
    for kind, width in cases:
        mine = new_projector(kind, config(kind, width))
        theirs = LlavaMultiModalProjector(config(kind, width))
        theirs.load_state_dict(mine.state_dict())
        features = torch.randn(5, width)
        assert torch.equal(mine(features), theirs(features))
        if kind == "identity":
            assert torch.equal(theirs(features), features) and not list(mine.parameters())


def test_two_layers_are_linear_gelu_linear() -> None:
    made = new_projector("mlp2x_gelu", config("mlp2x_gelu"))
    features = torch.randn(5, 6)
    middle = features @ made.linear_1.weight.T + made.linear_1.bias
    middle = middle * 0.5 * (1 + torch.erf(middle / 2**0.5))
    assert torch.allclose(made(features), middle @ made.linear_2.weight.T + made.linear_2.bias, atol=1e-6)


def test_training_leaves_the_layer_that_is_not_there(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path, connector={"kind": "linear"})
    projector = model.model.model.multi_modal_projector
    optimiser = torch.optim.SGD(model.model.parameters(), lr=0.1)
    loss = projector(torch.randn(3, 16)).square().sum()
    loss.backward()
    optimiser.step()
    model.save(tmp_path / "out")
    stored = transformers.LlavaForConditionalGeneration.from_pretrained(
        tmp_path / "out"
    ).model.multi_modal_projector
    assert torch.equal(stored.linear_2.weight, torch.eye(32)) and not stored.linear_2.bias.any()
    assert torch.equal(stored.linear_1.weight, projector.linear_1.weight)
    again = load_model(str(tmp_path / "out")).model.model.multi_modal_projector
    assert isinstance(again.linear_2, Same) and not isinstance(again.linear_1, Same)


def test_two_tuned_layers_without_activation_stay_two() -> None:
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    made = LlavaMultiModalProjector(config("linear"))
    recognise(made, "linear")
    assert isinstance(made.linear_2, torch.nn.Linear)
    with torch.no_grad():
        made.linear_2.weight.copy_(torch.eye(8))
        made.linear_2.bias.zero_()
    recognise(made, "gelu")
    assert isinstance(made.linear_2, torch.nn.Linear)
    recognise(made, "linear")
    assert isinstance(made.linear_2, Same)


def test_three_layers_have_two_activations(tmp_path: Path) -> None:
    made = tiny.llava(tmp_path, connector={"kind": "mlp3x_gelu"}).model.model.multi_modal_projector
    features = torch.randn(5, 16)
    middle = torch.nn.functional.gelu(made.linear_1(features))
    middle = torch.nn.functional.gelu(made.linear_2(middle))
    assert torch.equal(made(features), made.linear_3(middle))
    assert len(list(made.parameters())) == 6
