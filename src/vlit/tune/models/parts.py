"""Parts that models are assembled from: a vision encoder and a language model, by hub id or folder."""

from __future__ import annotations

from typing import Any

from vlit.data.errors import VlitError
from vlit.weights.device import load, quiet

#: Stands for an image in the ids. A tokenizer that lacks it gets it when a model is assembled.
IMAGE_PLACEHOLDER = "<image>"


def vision_encoder(name: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A vision encoder and its image processor; of a CLIP or SigLIP, the vision half alone.

    Args:
        name: Hub id or folder.
        weights: Without them it is built on the meta device, from its config alone.

    Raises:
        VlitError: When it cannot be loaded, or has no vision encoder.
    """
    quiet()
    found: tuple[Any, Any] = load(name, lambda: _vision(name, weights))
    return found


def language_model(name: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A language model and its fast tokenizer: causal, or an encoder-decoder such as T5.

    Args:
        name: Hub id or folder.
        weights: Without them it is built on the meta device, from its config alone.

    Raises:
        VlitError: When it cannot be loaded, or its tokenizer is not a fast one.
    """
    quiet()
    model, tokenizer = load(name, lambda: _language(name, weights))
    if not tokenizer.is_fast:
        raise VlitError("the tokenizer is not a fast one", where=name, todo="save it once as tokenizer.json")
    return model, tokenizer


def add_token(model: Any, tokenizer: Any, token: str) -> int:
    """The id of a special token. One that is new gets a row in the embeddings, drawn around their mean."""
    if token not in tokenizer.get_vocab():
        tokenizer.add_special_tokens(
            {"additional_special_tokens": [token]}, replace_additional_special_tokens=False
        )
    known = int(tokenizer.convert_tokens_to_ids(token))
    if model.get_input_embeddings().num_embeddings <= known:
        drawn = model.device.type != "meta"
        model.resize_token_embeddings(known + 1, mean_resizing=drawn)
    return known


def on_meta(kind: Any, config: Any) -> Any:
    """A model of a class on the meta device: shapes without weights."""
    import torch

    with torch.device("meta"):
        return kind._from_config(config) if hasattr(kind, "_from_config") else kind.from_config(config)


def _vision(name: str, weights: bool) -> tuple[Any, Any]:
    import torch
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    config = AutoConfig.from_pretrained(name)
    config = getattr(config, "vision_config", config)
    model = on_meta(AutoModel, config)
    if weights:
        model = type(model).from_pretrained(name, config=config, dtype=torch.float32)
    return model, AutoImageProcessor.from_pretrained(name)


def _language(name: str, weights: bool) -> tuple[Any, Any]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    config = AutoConfig.from_pretrained(name)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = kind.from_pretrained(name, dtype=torch.float32) if weights else on_meta(kind, config)
    return model, AutoTokenizer.from_pretrained(name)
