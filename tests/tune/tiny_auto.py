"""Checkpoints of families that have no file of their own here, tiny and random, with their own processors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.teacher.tiny import byte_tokenizer

_TEXT: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "hidden_size": 32,
    "max_position_embeddings": 1024,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
_VISION: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_size": 16,
}

#: What the families' templates write for an image.
_SHOWN = {
    "idefics3": "<image>",
    "llava_next": "<image>",
    "gemma3": "<start_of_image>",
    "qwen": "<|vision_start|><|image_pad|><|vision_end|>",
}

_TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {% for c in m.content %}{% if c.type == 'image' %}SHOWN"
    "{% else %}{{ c.text }}{% endif %}{% endfor %}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def built(kind: str) -> tuple[Any, Any, Any]:
    """Model, tokenizer and processor of a family: idefics3, llava_next, gemma3 or qwen."""
    torch = pytest.importorskip("torch")
    made: dict[str, Callable[[Any], tuple[Any, Any, Any]]] = {
        "llava_next": _llava_next,
        "idefics3": _idefics3,
        "gemma3": _gemma3,
        "qwen": _qwen,
    }
    torch.manual_seed(0)
    model, tokenizer, processor = made[kind](pytest.importorskip("transformers"))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    tokenizer.chat_template = _TEMPLATE.replace("SHOWN", _SHOWN[kind])
    return model.eval(), tokenizer, processor


def _tokenizer(extra: Sequence[str], **named: str) -> Any:
    transformers = pytest.importorskip("transformers")
    own = byte_tokenizer()
    own.add_special_tokens({"additional_special_tokens": list(extra)})
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=own._tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        extra_special_tokens=named,
    )


def _idefics3(lib: Any) -> tuple[Any, Any, Any]:
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    own = _tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *tiles])
    try:
        images = lib.Idefics3ImageProcessorPil(size={"longest_edge": 56}, max_image_size={"longest_edge": 28})
    except ImportError:
        pytest.skip("this transformers needs torchvision for it")
    config = lib.Idefics3Config(
        vision_config={**_VISION, "image_size": 28, "patch_size": 14},
        text_config={"model_type": "llama", "vocab_size": len(own), **_TEXT},
        scale_factor=2,
        image_token_id=own.convert_tokens_to_ids("<image>"),
        pad_token_id=1,
    )
    return (
        lib.Idefics3ForConditionalGeneration(config),
        own,
        lib.Idefics3Processor(images, own, image_seq_len=1),
    )


def _llava_next(lib: Any) -> tuple[Any, Any, Any]:
    own = _tokenizer(["<image>"])
    grids = [[28, 56], [56, 28], [56, 56]]
    images = lib.LlavaNextImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=grids
    )
    config = lib.LlavaNextConfig(
        vision_config={**_VISION, "model_type": "clip_vision_model", "image_size": 28, "patch_size": 14},
        text_config={"model_type": "llama", "vocab_size": len(own), **_TEXT},
        image_grid_pinpoints=grids,
        image_token_index=own.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    processor = lib.LlavaNextProcessor(
        images, own, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )
    return lib.LlavaNextForConditionalGeneration(config), own, processor


def _gemma3(lib: Any) -> tuple[Any, Any, Any]:
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    own = _tokenizer(list(named.values()), **named)
    images = lib.Gemma3ImageProcessorPil(size={"height": 28, "width": 28})
    config = lib.Gemma3Config(
        vision_config={
            **_VISION,
            "model_type": "siglip_vision_model",
            "image_size": 28,
            "patch_size": 7,
            "vision_use_head": False,
        },
        text_config={"vocab_size": len(own), "head_dim": 16, "num_key_value_heads": 1, **_TEXT},
        mm_tokens_per_image=4,
        image_token_index=own.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=own.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=own.convert_tokens_to_ids("<end_of_image>"),
        eos_token_id=1,
        bos_token_id=0,
        pad_token_id=1,
    )
    return lib.Gemma3ForConditionalGeneration(config), own, lib.Gemma3Processor(images, own, image_seq_length=4)


def _qwen(lib: Any) -> tuple[Any, Any, Any]:
    tokens = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    own = _tokenizer(tokens)
    start, end, image, video = own.convert_tokens_to_ids(tokens)
    config = lib.Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 32,
            "out_hidden_size": 32,
            "patch_size": 14,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        text_config={
            "vocab_size": len(own),
            "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
            **_TEXT,
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    # The processor's own start asks for that of videos, which needs torchvision.
    processor = lib.Qwen2_5_VLProcessor.__new__(lib.Qwen2_5_VLProcessor)
    processor.image_processor = lib.Qwen2VLImageProcessorPil(
        min_pixels=28 * 28, max_pixels=28 * 28 * 12, patch_size=14, merge_size=2
    )
    processor.tokenizer, processor.video_processor, processor.chat_template = own, None, None
    processor.image_token, processor.image_token_id = "<|image_pad|>", image
    processor.video_token, processor.video_token_id = "<|video_pad|>", video
    return lib.Qwen2_5_VLForConditionalGeneration(config), own, processor
