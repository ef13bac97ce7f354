"""Tiny BLIP-2 and InstructBLIP of random weights, assembled as a user would, and batches for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from tests.assess.encoders.tiny import SHAPE, bert, llama
from tests.teacher.tiny import byte_tokenizer
from tests.tune.tiny import TEMPLATE
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import IGNORE, Example
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.blip2 import Blip2
from vlit.tune.models.registry import open_model

QUERIES = 3
#: A Q-Former of two layers, the first of which looks at the image.
CONNECTOR = {"queries": QUERIES, "layers": 2, "hidden": 32, "heads": 2}


def blip2(folder: Path, llm: str = "opt", **settings: Any) -> Blip2:
    """A BLIP-2 of 3 queries an image, two layers each, and a vocabulary of bytes.

    Args:
        folder: Where its parts are written.
        llm: opt, t5 or llama.
        settings: More of ``ModelConfig``.
    """
    return _assembled("blip2", folder, llm, {"connector": CONNECTOR} | settings)


def instructblip(folder: Path, llm: str = "llama", **settings: Any) -> Blip2:
    """The same with a Q-Former from BERT, which reads the instruction."""
    connector = {"queries": QUERIES, "qformer": str(bert(folder / "bert"))}
    return _assembled("instructblip", folder, llm, {"connector": connector} | settings)


def vit(folder: Path, *, seed: int = 0) -> Path:
    """A plain ViT that sees 28 x 28 pixels and classifies, as those of the hub do."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(seed)
    config = transformers.ViTConfig(hidden_size=16, image_size=28, patch_size=14, **SHAPE)
    model = transformers.ViTForImageClassification(config)
    _spread(model)
    model.save_pretrained(folder)
    _square_pictures(folder)
    return folder


def blip_vision(folder: Path, *, seed: int = 0) -> Path:
    """The vision encoder of a BLIP-2 on its own."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(seed)
    config = transformers.Blip2VisionConfig(hidden_size=16, image_size=28, patch_size=14, **SHAPE)
    model = transformers.Blip2VisionModel(config)
    _spread(model)
    model.save_pretrained(folder)
    _square_pictures(folder)
    return folder


def opt(folder: Path, *, seed: int = 0) -> Path:
    """An OPT that reads bytes; with OPT's own dropout."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = byte_tokenizer()
    torch.manual_seed(seed)
    config = transformers.OPTConfig(
        vocab_size=len(tokenizer), hidden_size=32, word_embed_proj_dim=32, ffn_dim=64, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    model = transformers.OPTForCausalLM(config)
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def t5(folder: Path, *, seed: int = 0, scaled: bool = True) -> Path:
    """A T5 that reads bytes; ``scaled`` as the first T5 are and Flan-T5 is not."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = byte_tokenizer()
    torch.manual_seed(seed)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2,
        decoder_start_token_id=2, eos_token_id=1, pad_token_id=2, tie_word_embeddings=scaled,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config)
    _spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def example(
    model: Architecture, text: str, answer: str, images: Sequence[str] = (), name: str = "s"
) -> Example:
    """Slots of the images, the text, and the answer, which is trained; what each image shows is its URI."""
    shown = tuple(Image(uri=uri, width=28, height=28) for uri in images)
    ids: list[int] = []
    slots = []
    for image in shown:
        slot = list(model.slot(image))
        slots.append((len(ids), len(ids) + len(slot)))
        ids += slot
    ids += model.tokenizer(text, add_special_tokens=False).input_ids
    said = [*model.tokenizer(answer, add_special_tokens=False).input_ids, model.tokenizer.eos_token_id]
    labels = said if model.seq2seq else [IGNORE] * len(ids) + said
    whole = ids if model.seq2seq else ids + said
    return Example(
        id=name,
        ids=np.array(whole, dtype=np.int32),
        labels=np.array(labels, dtype=np.int32),
        images=shown,
        slots=tuple(slots),
        instruction=text,
    )


def pixels(model: Architecture, examples: Sequence[Example]) -> dict[str, dict[str, Any]]:
    """What ``collate`` takes: each picture is noise of its own, or a file."""
    uris = sorted({image.uri for e in examples for image in e.images})
    return {uri: model.pixels([PIL.Image.open(uri) if Path(uri).is_file() else noise(uri)]) for uri in uris}


def photo(folder: Path, name: str) -> Path:
    """A picture on disk, different for each name."""
    path = folder / f"{name}.png"
    noise(name).save(path)
    return path


def noise(name: str) -> PIL.Image.Image:
    """28 x 28 pixels, different for each name."""
    drawn = np.random.default_rng(list(name.encode())).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    return PIL.Image.fromarray(drawn)


def _assembled(architecture: str, folder: Path, llm: str, settings: dict[str, Any]) -> Blip2:
    if not (folder / "vision").exists():
        blip_vision(folder / "vision")
    if llm == "llama":
        llama(folder / "llama", longest=512)
    elif not (folder / llm).exists():
        {"opt": opt, "t5": t5}[llm](folder / llm)
    parts = {"vision": str(folder / "vision"), "llm": str(folder / llm)} | settings
    found = open_model(ModelConfig(architecture=architecture, **parts), folder)
    assert isinstance(found, Blip2)
    found.tokenizer.chat_template = TEMPLATE
    for name, parameter in found.model.named_parameters():  # the default spread leaves all features equal
        if found.part_of(name) == "connector" and parameter.ndim > 1:
            pytest.importorskip("torch").nn.init.normal_(parameter, std=0.3)
    return found


def _square_pictures(folder: Path) -> None:
    import transformers

    # The one without torchvision, under either of its names.
    kind = getattr(transformers, "BlipImageProcessorPil", None) or transformers.BlipImageProcessor
    kind(size={"height": 28, "width": 28}).save_pretrained(folder)


def _spread(model: Any) -> None:
    torch = pytest.importorskip("torch")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
