"""A LLaVA of 30,000 random weights on disk, with tokenizer and chat template: talks nonsense, sees images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

#: Messages one a line, ``<image>`` where an image stands.
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: "
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}"
    "{% endfor %}{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def build(folder: Path) -> None:
    """Write the model to a folder."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    common: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    vision = transformers.CLIPVisionConfig(hidden_size=16, image_size=28, patch_size=14, **common)
    text = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, max_position_embeddings=8192, bos_token_id=0, eos_token_id=1,
        pad_token_id=1, **common,
    )  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=3, vision_feature_layer=-1
    )
    model = transformers.LlavaForConditionalGeneration(config)
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    transformers.LlavaProcessor(
        # The one without torchvision, under either of its names.
        getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)


def byte_tokenizer() -> Any:
    """A token for each byte."""
    transformers = pytest.importorskip("transformers")
    decoders, models, pre_tokenizers = (
        pytest.importorskip(f"tokenizers.{name}") for name in ("decoders", "models", "pre_tokenizers")
    )
    tokens = ["<s>", "</s>", "<unk>", "<image>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    core = pytest.importorskip("tokenizers").Tokenizer(
        models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>")
    )
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        additional_special_tokens=["<image>"],
    )
