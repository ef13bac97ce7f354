"""Projectors of a LLaVA: from image features to the width of the language model.

``mlp2x_gelu`` is what transformers' LLaVA has. ``linear`` and ``identity`` are written as one of those too:
with the activation ``linear``, and with the identity matrix in a layer that is not there. So they load wherever
that activation is known: in transformers, not in vLLM. In memory such a layer is a buffer: nothing is
multiplied, and nothing of it is tuned.
Sources: Visual Instruction Tuning (linear); Improved Baselines with Visual Instruction Tuning (two-layer MLP).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vlit.data.errors import VlitError
from vlit.run.stage import Config

Kind = Literal["linear", "mlp2x_gelu", "identity"]

WHERE = "tune.model.connector"


class ProjectorConfig(Config):
    """``tune.model.connector`` of a LLaVA."""

    kind: Kind = Field(
        "mlp2x_gelu",
        description="linear as LLaVA, mlp2x_gelu as LLaVA-1.5; identity where the widths are equal",
    )
    vision_feature_layer: int | tuple[int, ...] = Field(
        -2, description="hidden state of the vision encoder; several are put side by side"
    )
    vision_feature_select_strategy: Literal["default", "full"] | None = Field(
        None,
        description="default: without the first feature (CLS); full: all; by default without, if there is one",
    )


def new_projector(kind: Kind, config: Any) -> Any:
    """A projector with new weights, drawn as torch draws those of a linear layer.

    Args:
        kind: As in the recipe.
        config: The ``LlavaConfig``; its activation is ``activation(kind)``.

    Raises:
        VlitError: For ``identity`` between different widths.
    """
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    from vlit.tune.models.same import Same

    module: Any = LlavaMultiModalProjector(config)
    first, width = module.linear_1, config.text_config.hidden_size
    if kind == "identity":
        if first.in_features != width:
            raise VlitError(
                f"image features have {first.in_features} numbers, embeddings of the language model {width}",
                where=WHERE,
                todo="take `kind: linear`, which brings them to one width",
            )
        module.linear_1 = Same(width)
    if kind != "mlp2x_gelu":
        module.linear_2 = Same(width)
    return module


def activation(kind: Kind) -> str:
    """``projector_hidden_act`` of the config."""
    return "gelu" if kind == "mlp2x_gelu" else "linear"


def recognise(projector: Any, act: str) -> None:
    """Of a projector that was loaded, turn layers that change nothing back into what is not tuned.

    On the meta device, where weights cannot be told, the second layer is taken for such a one.
    """
    from vlit.tune.models.same import Same

    if act != "linear":
        return
    for name in ("linear_1", "linear_2"):
        layer = getattr(projector, name)
        if layer.in_features != layer.out_features:
            continue
        same = Same(layer.in_features, layer.weight.device)
        if name == "linear_2" if layer.weight.is_meta else same.stands_for(layer):
            setattr(projector, name, same)
