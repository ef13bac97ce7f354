"""The vision encoder of BLIP-2 and InstructBLIP, from the weights of one that computes the same.

Their classes hold one kind of ViT: class token first, normalisation before each half of a layer and, over all
tokens, after the last layer. What BLIP, BLIP-2 and InstructBLIP were published with is taken as it is; a plain
ViT (DINO is one) is renamed, with query, key and value joined. CLIP normalises once more, before the first
layer, and SigLIP has no class token: neither fits into these weights, so they are refused rather than altered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError
from vlit.tune.models.stored import tensors
from vlit.weights.device import load, quiet

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
#: Names in a plain ViT, and what they are called here.
_VIT = {
    "embeddings.cls_token": "embeddings.class_embedding",
    "embeddings.position_embeddings": "embeddings.position_embedding",
    "embeddings.patch_embeddings.projection.": "embeddings.patch_embedding.",
    "layers.": "encoder.layers.",
    "layernorm.": "post_layernorm.",
    ".layernorm_before.": ".layer_norm1.",
    ".layernorm_after.": ".layer_norm2.",
    ".attention.": ".self_attn.",
    ".o_proj.": ".projection.",
}
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

    quiet()
    config = load(name, lambda: AutoConfig.from_pretrained(name))
    own = getattr(config, "vision_config", config)
    if own.model_type not in (*_BLIP, "vit"):
        why = f": {_WHY[own.model_type]}" if own.model_type in _WHY else ""
        raise VlitError(
            f"BLIP-2's vision encoder cannot hold a {own.model_type}{why}",
            where=name,
            todo="take the vision encoder of a BLIP, BLIP-2 or InstructBLIP, or a plain ViT such as DINO's; "
            "llava and flamingo take CLIP and SigLIP",
        )
    state: dict[str, torch.Tensor] = {}
    if weights and own.model_type == "vit":
        state = _renamed(load(name, lambda: _vit(name)))
    elif weights:
        start = "" if own is config else "vision_model."
        state = {key[len(start) :]: value for key, value in tensors(name, (start,)).items()}
    images = load(name, lambda: AutoImageProcessor.from_pretrained(name))
    sizes = {key: getattr(own, key) for key in _SIZES} | {"qkv_bias": getattr(own, "qkv_bias", True)}
    check_size(images, sizes["image_size"], name)
    return sizes, state, images


def _vit(name: str) -> Mapping[str, torch.Tensor]:
    """Weights of a ViT, also of one that classifies; none are drawn."""
    import torch
    from transformers import ViTModel

    opened: Any = ViTModel.from_pretrained
    model, about = opened(name, dtype=torch.float32, add_pooling_layer=False, output_loading_info=True)
    found: dict[str, torch.Tensor] = model.state_dict()
    return {key: value for key, value in found.items() if key not in about["missing_keys"]}


def _renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a ViT under the names of ``Blip2VisionModel``."""
    import torch

    found: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        for theirs, ours in _VIT.items():
            if theirs in name if theirs.startswith(".") else name.startswith(theirs):
                name = name.replace(theirs, ours, 1)
        found[name] = value
    for query in [name for name in found if ".q_proj." in name]:
        start, kind = query.split("q_proj.")
        joined = [found.pop(f"{start}{own}_proj.{kind}") for own in "qkv"]
        found[f"{start}qkv.{kind}"] = torch.cat(joined)
    return found


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
