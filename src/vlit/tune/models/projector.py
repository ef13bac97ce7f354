"""Projectors of a LLaVA: from image features to the width of the language model.

``mlp2x_gelu`` is what transformers' LLaVA has. ``linear`` and ``identity`` are written as one of those too:
with the activation ``linear``, and with the identity matrix in a layer that is not there. So they load wherever
that activation is known: in transformers, not in vLLM. In memory such a layer is a buffer: nothing is
multiplied, and nothing of it is tuned. With more layers than two the checkpoint is of a class of vlit, whose
code it brings: transformers loads it with ``trust_remote_code``, and other servers do not.
Sources: Visual Instruction Tuning (linear); Improved Baselines with Visual Instruction Tuning (two-layer MLP).
"""

from __future__ import annotations

import re
from typing import Any, Literal

import pydantic
from pydantic import Field

from vlit.data.errors import VlitError
from vlit.run.stage import Config

WHERE = "tune.model.connector"
#: ``model_type`` of a LLaVA with a projector of more than two layers.
MODEL_TYPE = "vlit_llava_mlp"
_MLP = re.compile("mlp([1-9])x_gelu")


class ProjectorConfig(Config):
    """``tune.model.connector`` of a LLaVA."""

    kind: str = Field(
        "mlp2x_gelu",
        description="linear as LLaVA; mlp2x_gelu as LLaVA-1.5, or more layers; identity between equal widths",
    )
    vision_feature_layer: int | tuple[int, ...] = Field(
        -2, description="hidden state of the vision encoder; several are put side by side"
    )
    vision_feature_select_strategy: Literal["default", "full"] | None = Field(
        None,
        description="default: without the first feature (CLS); full: all; by default without, if there is one",
    )

    @pydantic.field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in ("linear", "identity") and not _MLP.fullmatch(kind):
            raise ValueError(
                "choose linear, mlp2x_gelu, identity, or with more layers mlp3x_gelu to mlp9x_gelu"
            )
        return "linear" if kind == "mlp1x_gelu" else kind


def classes(kind: str) -> tuple[Any, Any]:
    """Config and model of a LLaVA with this projector; a class of our own is made known to transformers.

    Args:
        kind: As in the recipe; or ``model_type`` of a checkpoint.
    """
    import transformers

    if kind != MODEL_TYPE and (not _MLP.fullmatch(kind) or _layers(kind) == 2):
        return transformers.LlavaConfig, transformers.LlavaForConditionalGeneration
    from vlit.tune.models import llava_mlp

    settings: Any = llava_mlp.LlavaMlpConfig
    whole: Any = llava_mlp.LlavaMlpForConditionalGeneration
    transformers.AutoConfig.register(MODEL_TYPE, settings, exist_ok=True)
    transformers.AutoModelForImageTextToText.register(settings, whole, exist_ok=True)
    settings.register_for_auto_class()
    whole.register_for_auto_class("AutoModelForImageTextToText")
    return settings, whole


def shape(kind: str) -> dict[str, Any]:
    """What the config says of the projector."""
    if _MLP.fullmatch(kind):
        return {"projector_hidden_act": "gelu"} | ({} if (n := _layers(kind)) == 2 else {"projector_layers": n})
    return {"projector_hidden_act": "linear"}


def _layers(kind: str) -> int:
    found = _MLP.fullmatch(kind)
    return int(found.group(1)) if found else 0


def new_projector(kind: str, config: Any) -> Any:
    """A projector with new weights, drawn as torch draws those of a linear layer.

    Args:
        kind: As in the recipe.
        config: Of the whole model, with ``shape(kind)``.

    Raises:
        VlitError: For ``identity`` between different widths.
    """
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    from vlit.tune.models.same import Same

    if "projector_layers" in shape(kind):
        from vlit.tune.models.llava_mlp import Projector

        return Projector(config)
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
    if kind in ("linear", "identity"):
        module.linear_2 = Same(width)
    return module


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
