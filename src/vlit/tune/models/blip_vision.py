"""The vision encoder of BLIP-2 and InstructBLIP, from the weights of one that computes the same.

Their classes hold one kind of ViT: class token first, normalisation before each half of a layer and, over all
tokens, after the last layer. What BLIP, BLIP-2 and InstructBLIP were published with is taken as it is; a plain
ViT (DINO is one) is renamed, with query, key and value joined. CLIP normalises once more, before the first
layer, and SigLIP has no class token: neither fits into these weights, so they are refused rather than altered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError
from vlit.tune.models.parts import vision_encoder
from vlit.tune.models.stored import tensors
from vlit.weights.device import load

if TYPE_CHECKING:
    import torch

_BLIP = ("blip_vision_model", "blip_2_vision_model", "instructblip_vision_model")
_SIZES = (
    *(
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "image_size",
        "patch_size",
    ),
    *("hidden_act", "layer_norm_eps"),
)
#: Names of a plain ViT, those of transformers before 5.20 and since, and what they are called here.
_VIT = (
    (r"^embeddings\.cls_token$", "embeddings.class_embedding"),
    (r"^embeddings\.position_embeddings$", "embeddings.position_embedding"),
    (r"^embeddings\.patch_embeddings\.projection\.", "embeddings.patch_embedding."),
    (r"^layernorm\.", "post_layernorm."),
    (r"^(encoder\.layer|layers)\.(\d+)\.", r"encoder.layers.\2."),
    (r"\.layernorm_before\.", ".layer_norm1."),
    (r"\.layernorm_after\.", ".layer_norm2."),
    (r"\.attention\.(?:attention\.)?(query|key|value|q_proj|k_proj|v_proj)\.", r".self_attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".self_attn.projection."),
    (r"\.(?:mlp\.fc1|intermediate\.dense)\.", ".mlp.fc1."),
    (r"\.(?:mlp\.fc2|output\.dense)\.", ".mlp.fc2."),
)
_WHY = {
    "clip_vision_model": "CLIP normalises once more, before its first layer",
    "siglip_vision_model": "SigLIP has no class token",
}


def blip_vision(name: str, *, weights: bool = True) -> tuple[dict[str, Any], dict[str, torch.Tensor], Any]:
    """Sizes, weights and image processor of a vision encoder for BLIP-2.

    Args:
        name: Hub id or folder of a BLIP, BLIP-2, InstructBLIP or ViT.
        weights: Without them the second is empty.

    Returns:
        Keyword arguments of the vision config, the state dict, the image processor.

    Raises:
        VlitError: When it cannot be loaded, or computes something that BLIP-2's class cannot.
    """
    from transformers import AutoConfig
    from transformers.models.auto.image_processing_auto import AutoImageProcessor  # there without torchvision

    config = load(name, lambda: AutoConfig.from_pretrained(name))
    own = getattr(config, "vision_config", config)
    state: dict[str, torch.Tensor] = {}
    if own.model_type in _BLIP:
        images = load(name, lambda: AutoImageProcessor.from_pretrained(name))
        if weights:
            start = "" if own is config else "vision_model."
            state = {key[len(start) :]: value for key, value in tensors(name, (start,)).items()}
    elif own.model_type == "vit":
        tower, images = vision_encoder(name, weights=weights)
        if weights:
            state = _renamed(tower.state_dict())
    else:
        why = f": {_WHY[own.model_type]}" if own.model_type in _WHY else ""
        raise VlitError(
            f"BLIP-2's vision encoder cannot hold a {own.model_type}{why}",
            where=name,
            todo="take the vision encoder of a BLIP, BLIP-2 or InstructBLIP, or a plain ViT such as DINO's; "
            "llava and flamingo take CLIP and SigLIP",
        )
    sizes = {key: getattr(own, key) for key in _SIZES} | {"qkv_bias": getattr(own, "qkv_bias", True)}
    check_size(images, sizes["image_size"], name)
    return sizes, state, images


def _renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a ViT under the names of ``Blip2VisionModel``."""
    import torch

    found: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        for pattern, instead in _VIT:
            name = re.sub(pattern, instead, name)
        found[name] = value
    for name in [key for key in found if re.search(r"\.self_attn\.(query|q_proj)\.", key)]:
        start, which, kind = re.split(r"(query|q_proj)\.", name)
        names = ("query", "key", "value") if which == "query" else ("q_proj", "k_proj", "v_proj")
        found[f"{start}qkv.{kind}"] = torch.cat([found.pop(f"{start}{own}.{kind}") for own in names])
    return {name: value for name, value in found.items() if not name.startswith(("pooler.", "embeddings.mask"))}


def check_size(images: Any, wanted: int, name: str) -> None:
    """Refuse an image processor whose pictures the position embeddings do not fit."""
    import PIL.Image

    made = tuple(images([PIL.Image.new("RGB", (40, 30))], return_tensors="pt")["pixel_values"].shape[-2:])
    if made != (wanted, wanted):
        raise VlitError(
            f"the image processor makes pictures of {made[0]} x {made[1]} pixels, and the vision encoder reads "
            f"{wanted} x {wanted}",
            where=name,
            todo="correct size in its preprocessor_config.json",
        )
