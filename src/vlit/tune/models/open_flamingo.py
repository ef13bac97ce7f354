"""Weights of OpenFlamingo, put into a Flamingo that was assembled from the same vision encoder and decoder.

A public checkpoint is a ``checkpoint.pt`` with what was trained: the resampler (``perceiver``), gated blocks
and the token embeddings with their new rows. Names and shapes are all that vouches for it: each is checked.
Source: the repository mlfoundations/open_flamingo; Awadalla and others, 2023.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError
from vlit.weights.device import load

if TYPE_CHECKING:
    import torch

    from vlit.tune.models.flamingo import Flamingo

#: Names of the file that repositories of OpenFlamingo hold.
FILE = "checkpoint.pt"

#: What wrappers of data parallelism, compilation and recomputation put into names.
_WRAPPERS = re.compile(r"\b(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
#: What was frozen there, and tables that are computed from the config: rotary frequencies, causal masks.
_DROPPED = re.compile(
    r"vision_encoder\.|lang_encoder\..*(inv_freq|masked_bias|\.attention\.bias|\.attn\.bias)$"
)
_BLOCK = re.compile(r"lang_encoder\..*?(\d+)\.gated_cross_attn_layer\.(.+)")
_LISTED = re.compile(r"lang_encoder\.gated_cross_attn_layers\.(\d+)\.(.+)")
_OURS = {
    "attn_gate": "gate",
    "ff_gate": "feed_forward_gate",
    "attn.norm": "norm",
    "attn.to_q": "query",
    "attn.to_kv": "key_value",
    "attn.to_out": "out",
    "ff.0": "feed_forward.norm",
    "ff.1": "feed_forward.up",
    "ff.3": "feed_forward.down",
    "0.norm_media": "norm_features",
    "0.norm_latents": "norm_latents",
    "0.to_q": "query",
    "0.to_kv": "key_value",
    "0.to_out": "out",
    "1.0": "feed_forward.norm",
    "1.1": "feed_forward.up",
    "1.3": "feed_forward.down",
}


def read_open_flamingo(model: Flamingo, name: str) -> None:
    """Read the weights of an OpenFlamingo checkpoint into a model.

    Args:
        model: Assembled from the vision encoder and the decoder that the checkpoint was trained with.
        name: The file, a folder with it, or a hub id.

    Raises:
        VlitError: When it cannot be read, lacks a weight, or belongs to another shape of model. The model is
            then as it was.
    """
    import torch

    found = load(name, lambda: _read(name))
    own = model.model.state_dict()
    every = model.model.config.cross_attention_every
    new: dict[str, torch.Tensor] = {}
    for key, weight in found.items():
        plain = _WRAPPERS.sub("", key)
        if _DROPPED.match(plain):
            continue
        target = _target(plain, every, own, name)
        if target in new and not torch.equal(new[target], weight):
            raise VlitError(f"the checkpoint holds two weights for {target}", where=f"{name}: {key}")
        new[target] = weight
    inputs, outputs = _embeddings(model.model)
    _whole([k for k in own if k.startswith(("resampler.", "cross_attention.")) or k == inputs], new, name)
    _fits(own, new, dict.fromkeys((inputs, outputs), len(model.tokenizer)), name)
    with torch.no_grad():
        for target, weight in new.items():
            own[target][: len(weight)].copy_(weight)


def _read(name: str) -> Mapping[str, torch.Tensor]:
    import pickle

    import torch

    try:
        found = torch.load(_file(name), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"this is no file of weights ({str(error).splitlines()[0]})") from error
    found = found.get("model_state_dict", found) if isinstance(found, dict) else {}
    if not all(isinstance(weight, torch.Tensor) for weight in found.values()):
        raise ValueError("this file holds more than weights")
    return found


def _file(name: str) -> str:
    path = Path(name)
    if path.is_dir():
        return str(path / FILE)
    if path.exists() or path.suffix:
        return name
    from huggingface_hub import hf_hub_download

    return str(hf_hub_download(name, FILE))


def _target(key: str, every: int, own: Mapping[str, Any], name: str) -> str:
    """Our name of a weight."""
    if key.startswith("perceiver."):
        found = _resampler(key.removeprefix("perceiver."))
    elif block := _BLOCK.fullmatch(key) or _LISTED.fullmatch(key):
        layer = int(block[1])
        if (layer + 1) % every:
            raise VlitError(
                f"the checkpoint has a block before layer {layer}, and the model looks every {every} layers",
                where=name,
                todo="set tune.model.connector.cross_attention_every as it was trained: 3B 1, 4B 2, 9B 4",
            )
        found = f"cross_attention.{layer // every}.{_renamed(block[2])}"
    else:
        found = key.replace("lang_encoder.", "language_model.", 1).replace(".decoder_layer.", ".")
        found = found.replace("language_model.embed_out.", "language_model.lm_head.")
    if found not in own:
        raise VlitError(
            f"a weight of the checkpoint has no place in this model: {key}",
            where=name,
            todo="assemble the model from the decoder that it was trained with; there are no frames of videos",
        )
    return found


def _resampler(key: str) -> str:
    layer = re.fullmatch(r"layers\.(\d+)\.(.+)", key)
    return f"resampler.layers.{layer[1]}.{_renamed(layer[2])}" if layer else f"resampler.{key}"


def _renamed(inside: str) -> str:
    """``attn.to_q.weight`` to ``query.weight``; names that are not known stay."""
    stem, dot, leaf = inside.rpartition(".")
    return f"{_OURS.get(stem, stem)}.{leaf}" if dot and inside not in _OURS else _OURS.get(inside, inside)


def _whole(wanted: Sequence[str], new: Mapping[str, Any], name: str) -> None:
    """Check that nothing that was trained there starts anew here."""
    if lacking := [key for key in wanted if key not in new]:
        raise VlitError(
            f"the checkpoint lacks {len(lacking)} weights, such as {lacking[0]}",
            where=name,
            todo="is it an OpenFlamingo? resampler and cross_attention_every must be as it was trained",
        )


def _fits(own: Mapping[str, Any], new: Mapping[str, Any], rows: Mapping[str, int], name: str) -> None:
    """Check shapes. Embeddings there have as many rows as there are tokens; ours may have some to spare."""
    for key, weight in new.items():
        shape = tuple(own[key].shape)
        expected = (rows.get(key, shape[0]), *shape[1:])
        if tuple(weight.shape) != expected:
            raise VlitError(
                f"{key} is {tuple(weight.shape)} in the checkpoint, and {expected} here",
                where=name,
                todo="assemble the model from the vision encoder and the decoder that it was trained with",
            )


def _embeddings(model: Any) -> tuple[str, str]:
    """Names of the input and output embeddings; one weight may have both."""
    modules = (model.get_input_embeddings(), model.get_output_embeddings())
    names = {module: f"{name}.weight" for name, module in model.named_modules() if module in modules}
    return names[modules[0]], names[modules[1]]
