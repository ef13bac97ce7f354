"""A tiny Flamingo of random weights, with gates that are open unless a test shuts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.assess.encoders.tiny import clip, llama
from tests.tune.tiny import TEMPLATE
from vlit.tune.config import ModelConfig
from vlit.tune.models.flamingo import Flamingo

RESAMPLER = {"layers": 2, "latents": 4, "heads": 2, "head_dim": 8, "feed_forward": 2}

#: Decoders of four layers, and what their configs name in their own way.
DECODERS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"num_key_value_heads": 1},
    "qwen3": {"num_key_value_heads": 1, "head_dim": 16},
    "gpt_neox": {},
    "opt": {"dropout": 0.0, "ffn_dim": 64, "word_embed_proj_dim": 32, "pad_token_id": 1},
    "mpt": {"d_model": 32, "n_heads": 2, "n_layers": 4, "max_seq_len": 256},
    "gpt2": {"n_embd": 32, "n_head": 2, "n_layer": 4, "n_positions": 256},
}
OWN_NAMES = ("mpt", "gpt2")


def flamingo(folder: Path, *, gate: float = 0.5, every: int = 1, **settings: Any) -> Flamingo:
    """A Flamingo over two layers of Llama, assembled as a user would."""
    config = ModelConfig(
        architecture="flamingo",
        vision=str(clip(folder / "clip")),
        llm=str(llama(folder / "llama", longest=4096)),
        connector={**RESAMPLER, "cross_attention_every": every},
        **settings,
    )
    found = Flamingo.assemble(config)
    found.tokenizer.chat_template = TEMPLATE
    open_gates(found.model, gate)
    return found


def bare(decoder: str, *, every: int = 1, gate: float = 0.5, seed: int = 0) -> Any:
    """A Flamingo over a decoder of that type, with 60 tokens, of which 3 is an image. In eval mode."""
    import torch

    from vlit.tune.models.flamingo_config import FlamingoConfig
    from vlit.tune.models.flamingo_model import FlamingoForConditionalGeneration

    torch.manual_seed(seed)
    shape: dict[str, Any] = {"num_hidden_layers": 4, "num_attention_heads": 2, "hidden_size": 32}
    shape |= {"intermediate_size": 64, "max_position_embeddings": 256}
    text = {"model_type": decoder, **({} if decoder in OWN_NAMES else shape), **DECODERS[decoder]}
    ids = {"vocab_size": 60, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    vision = {"model_type": "clip_vision_model", "hidden_size": 16, "image_size": 28, "patch_size": 14}
    vision |= {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model: Any = FlamingoForConditionalGeneration(
        FlamingoConfig(
            vision_config=vision,
            text_config={**text, **ids},
            resampler=RESAMPLER,
            cross_attention_every=every,
            image_token_id=3,
        )
    )
    for parameter in model.parameters():  # the default spread leaves all logits nearly equal
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    open_gates(model, gate)
    return model.train(False)


def open_gates(model: Any, gate: float) -> None:
    """Set all gates; at 0 the decoder is alone."""
    for block in model.cross_attention:
        block.gate.data.fill_(gate)
        block.feed_forward_gate.data.fill_(gate)
