"""Tokenizers of the three kinds that models bring, built here, and dialogues to encode with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from vlit.data.sample import Role, Sample, Turn
from vlit.data.scene import Image
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template
from vlit.tune.example import IGNORE, Example

#: Special tokens that the tokenizers have beside their own.
SPECIALS = ("<image>", "<|im_start|>", "<|im_end|>", "<|endofchunk|>", "<answer>", "<|eot|>")
PATCHES = 3
_TEXT = (
    "A dog sits on a bench.",
    "USER: What is in the picture? ASSISTANT: It is a red house.",
    "Question: Answer: yes",
    "### Human: Where is the man? ### Assistant: The man runs.",
    "[INST] Describe it. [/INST] User: GPT: system",
    "QA",
)


class Talker:
    """As much of a model as encoding needs: tokenizer, and three placeholders for an image."""

    def __init__(self, tokenizer: Any, *, name: str = "", seq2seq: bool = False) -> None:
        self.name, self.tokenizer, self.processor, self.model, self.seq2seq = (
            name,
            tokenizer,
            object(),
            object(),
            seq2seq,
        )

    def slot(self, image: Image) -> Sequence[int]:
        return [self.tokenizer.convert_tokens_to_ids("<image>")] * PATCHES


@cache
def core() -> Any:
    return pytest.importorskip("tokenizers")


@cache
def byte_level() -> Any:
    """Byte-level BPE in the manner of GPT-2, Qwen and Llama 3: no BOS of its own, merges across words' ends."""
    made = core().Tokenizer(core().models.BPE())
    made.pre_tokenizer = core().pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = core().decoders.ByteLevel()
    alphabet = core().pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        _TEXT * 3, core().trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return wrapped(made, eos_token="<|endoftext|>", pad_token="<|endoftext|>")


@cache
def sentence_piece(legacy: bool) -> Any:
    """BPE with byte fallback in the manner of Llama 2: BOS in front, and a space before a text.

    Legacy: before every text between special tokens, too.
    """
    models, normalizers, decoders = core().models, core().normalizers, core().decoders
    trainee = core().Tokenizer(models.BPE(unk_token="<unk>"))
    trainee.pre_tokenizer = core().pre_tokenizers.Metaspace()
    trainee.train_from_iterator(_TEXT * 3, core().trainers.BpeTrainer(vocab_size=200, show_progress=False))
    import json

    learnt = json.loads(trainee.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *learnt["vocab"]]
    made = core().Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(dict.fromkeys(tokens))},
            merges=[tuple(pair) for pair in learnt["merges"]],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    if legacy:
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = core().pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.post_processor = core().processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return wrapped(made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>")


@cache
def unigram() -> Any:
    """Unigram in the manner of T5: EOS behind every text, and ``</s>`` in its vocabulary."""
    made = core().Tokenizer(core().models.Unigram())
    before = core().pre_tokenizers
    made.pre_tokenizer = before.Sequence([before.WhitespaceSplit(), before.Metaspace(prepend_scheme="always")])
    made.decoder = core().decoders.Metaspace(prepend_scheme="always")
    made.train_from_iterator(
        [*_TEXT, *map(chr, range(33, 127))] * 3,
        core().trainers.UnigramTrainer(
            vocab_size=250, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    made.post_processor = core().processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return wrapped(made, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def wrapped(made: Any, **special: str) -> Any:
    return pytest.importorskip("transformers").PreTrainedTokenizerFast(
        tokenizer_object=made, additional_special_tokens=list(SPECIALS), **special
    )


def encoder(
    tokenizer: Any,
    template: str | None,
    *,
    longest: int = 100_000,
    seq2seq: bool = False,
    name: str = "",
    **more: Any,
) -> Encoder:
    model: Any = Talker(tokenizer, name=name, seq2seq=seq2seq)
    return Encoder(model, Template.of(tokenizer, template), max_length=longest, **more)


def jinja(tokenizer: Any, text: str, **more: Any) -> Encoder:
    """An encoder for a template that stands in the tokenizer."""
    import copy

    own = copy.deepcopy(tokenizer)
    own.chat_template = text
    return encoder(own, None, **more)


def sample(*texts: str | tuple[Role, str], images: int = 1) -> Sample:
    """Turns of user and assistant in turn."""
    roles: tuple[Role, Role] = ("user", "assistant")
    turns = [
        Turn(role=roles[i % 2], text=t) if isinstance(t, str) else Turn(role=t[0], text=t[1])
        for i, t in enumerate(texts)
    ]
    shown = tuple(Image(uri=f"{i}.jpg", width=8, height=8) for i in range(images))
    return Sample(id="s", turns=tuple(turns), images=shown)


def trained(example: Example) -> list[list[int]]:
    """Ids of the trained stretches, in order."""
    found: list[list[int]] = [[]]
    for label in example.labels.tolist():
        if label != IGNORE:
            found[-1].append(label)
        elif found[-1]:
            found.append([])
    return found if found[-1] else found[:-1]


def read(tokenizer: Any, ids: Sequence[int]) -> str:
    """Text of a stretch, without the space that its first word brings along."""
    text = str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
    return text[1:] if text.startswith(" ") else text
