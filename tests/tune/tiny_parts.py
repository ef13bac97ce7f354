"""Decoders of several families, tiny and random, on disk with the tokenizer of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.teacher.tiny import byte_tokenizer

_SHAPE: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_size": 32,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
_OPT = {key: value for key, value in _SHAPE.items() if key != "intermediate_size"} | {
    "pad_token_id": 1,
    "ffn_dim": 64,
}
_NARROW = {**_SHAPE, "num_key_value_heads": 1, "head_dim": 16}
_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _SHAPE),
    "qwen2": ("Qwen2Config", {**_SHAPE, "num_key_value_heads": 1, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", {**_NARROW, "tie_word_embeddings": True}),
    "opt": ("OPTConfig", {**_OPT, "word_embed_proj_dim": 32}),
    "opt-350m": ("OPTConfig", {**_OPT, "word_embed_proj_dim": 16}),
    "gpt_neox": ("GPTNeoXConfig", _SHAPE),
    "gemma": ("GemmaConfig", _NARROW),
    "gemma2": ("Gemma2Config", _NARROW),
    "phi": ("PhiConfig", _SHAPE),
}


def decoder(folder: Path, family: str, *, rows: int = 0, tokenizer: Any = None) -> Path:
    """Write a decoder.

    Args:
        folder: Where to.
        family: One of those above.
        rows: More rows in the embeddings than the tokenizer has tokens.
        tokenizer: That of bytes by default.
    """
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = tokenizer or byte_tokenizer()
    kind, settings = _FAMILIES[family]
    torch.manual_seed(1)
    config = getattr(transformers, kind)(vocab_size=len(tokenizer) + rows, **settings)
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim > 1 else 0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bare_tokenizer(*extra: str) -> Any:
    """Bytes, ``<s>`` and ``</s>``, and tokens that the text may hold; none for padding, and none for images."""
    transformers, core = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    alphabet = core.pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {token: i for i, token in enumerate(["<s>", "</s>", *extra, *sorted(alphabet)])}
    made = core.Tokenizer(core.models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = core.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = core.decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")
