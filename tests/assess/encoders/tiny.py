"""Tiny models of random weights on disk, with their tokenizers: what is tested is all but the talent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.teacher.tiny import byte_tokenizer

SHAPE: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WORDS = ("the", "a", "dog", "cat", "sits", "runs", "on", "bench", "red", "man", "house", "##s", "##es")


def bert(folder: Path, *, seed: int = 0, hidden: int = 32) -> Path:
    """A BERT with a word-piece vocabulary of signs, letters and a few words."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    core = pytest.importorskip("tokenizers")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?'-", *letters, *(f"##{c}" for c in letters)]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*tokens, *WORDS]))}
    tokenizer = core.Tokenizer(core.models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = core.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = core.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = core.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, mask_token="[MASK]", model_max_length=64, **names
    )
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=hidden, max_position_embeddings=64, **SHAPE
    )
    transformers.BertModel(config).save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def clip(folder: Path, kind: str = "CLIP", *, seed: int = 0) -> Path:
    """A CLIP or a Siglip that reads bytes and sees 28 x 28 pixels."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = byte_tokenizer()
    longest = 24
    torch.manual_seed(seed)
    vision = {"hidden_size": 16, "image_size": 28, "patch_size": 14, **SHAPE}
    text = {"hidden_size": 16, "vocab_size": len(tokenizer), "max_position_embeddings": longest, **SHAPE}
    text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "projection_size": 16}
    if kind == "CLIP":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
        model = transformers.CLIPModel(config)
        pixels = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        )
    else:
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
        pixels = getattr(transformers, "SiglipImageProcessorPil", transformers.SiglipImageProcessor)(
            size={"height": 28, "width": 28}
        )
    for parameter in model.parameters():  # the default spread leaves all vectors nearly equal
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    pixels.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def llama(folder: Path, *, seed: int = 0, longest: int = 64) -> Path:
    """A Llama that reads bytes."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = byte_tokenizer()
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, max_position_embeddings=longest, bos_token_id=0, **SHAPE
    )
    model = transformers.LlamaForCausalLM(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
