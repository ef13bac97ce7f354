"""What packing changes: logits, loss and gradients of documents that share rows, against each alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from unittest import mock

import numpy as np
import pytest

from tests.assess.encoders.tiny import clip
from tests.teacher.tiny import byte_tokenizer
from tests.tune import tiny, tiny_blip2, tiny_flamingo
from vlit.data.scene import Image
from vlit.tune.attention import Kind, mask, set_attention
from vlit.tune.collate import collate
from vlit.tune.config import ModelConfig
from vlit.tune.example import IGNORE, Batch, Example
from vlit.tune.loss import count, summed
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.registry import open_model

if TYPE_CHECKING:
    import torch

Masks = Callable[[Batch], Any]


class Computed(NamedTuple):
    """Of the same documents in the same order, however they were batched."""

    logits: torch.Tensor  #: (tokens, vocabulary)
    loss: float  #: per label token
    gradients: dict[str, torch.Tensor]  #: of that loss


class Difference(NamedTuple):
    """Largest ones: of logits and loss as they are, of gradients as a share of the largest of their part."""

    logits: float
    loss: float
    gradient: float


def llava_qwen3(folder: Path) -> Architecture:
    """A LLaVA over a Qwen3 of two key-value heads for four."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    clip(folder / "clip")
    torch.manual_seed(1)
    config = transformers.Qwen3Config(
        vocab_size=len(byte_tokenizer()), hidden_size=32, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=4096,
    )  # fmt: skip
    model = transformers.Qwen3ForCausalLM(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder / "qwen3")
    byte_tokenizer().save_pretrained(folder / "qwen3")
    parts = {"vision": str(folder / "clip"), "llm": str(folder / "qwen3")}
    return open_model(ModelConfig(architecture="llava", **parts), folder)


def halved(make: Callable[[Path], Architecture]) -> Callable[[Path], Architecture]:
    """The same model of weights half as large: what is rounded grows less from layer to layer."""

    def made(folder: Path) -> Architecture:
        found = make(folder)
        for parameter in found.model.parameters():
            if parameter.ndim > 1:
                parameter.data.mul_(0.5)
        return found

    return made


#: Architectures that pack, tiny.
MODELS: dict[str, Callable[[Path], Architecture]] = {
    "LLaVA (Llama)": halved(tiny.llava),
    "LLaVA (Qwen3)": halved(llava_qwen3),
    "BLIP-2 (OPT)": tiny_blip2.blip2,
    "InstructBLIP (Llama)": halved(tiny_blip2.instructblip),
    "Flamingo (Llama)": halved(tiny_flamingo.flamingo),
}


def documents(model: Architecture) -> tuple[list[Example], dict[str, dict[str, torch.Tensor]]]:
    """Seven documents with no image, one, two and three; one of a single token, one all trained. And pixels."""
    import PIL.Image as PILImage

    rng = np.random.default_rng(0)
    found, pixels = [], {}
    for number, (shown, words) in enumerate(((1, 20), (2, 9), (0, 31), (0, 1), (3, 14), (1, 40), (0, 12))):
        ids, slots, images = [0], [], []
        if (shown, words) == (0, 1):
            ids = []
        for place in range(shown):
            image = Image(uri=f"{number}-{place}", width=40, height=30)
            noise = rng.integers(0, 256, (image.height, image.width, 3), dtype=np.uint8)
            pixels[image.uri] = model.pixels([PILImage.fromarray(noise)])
            ids += rng.integers(5, 200, 3).tolist()
            slot = list(model.slot(image))
            slots.append((len(ids), len(ids) + len(slot)))
            ids += slot
            images.append(image)
        ids += rng.integers(5, 200, words).tolist()
        whole = np.array(ids, dtype=np.int32)
        labels = np.full(len(whole), IGNORE, dtype=np.int32)
        taken = words if shown == 0 else words // 2
        labels[len(whole) - taken :] = whole[len(whole) - taken :]
        found.append(
            Example(
                id=f"d{number}",
                ids=whole,
                labels=labels,
                images=tuple(images),
                slots=tuple(slots),
                instruction="what is it?" * shown,
            )
        )
    return found, pixels


def compute(
    model: Architecture,
    batches: Sequence[Sequence[Sequence[Example]]],
    pixels: Mapping[str, Any],
    masks: Masks,
    *,
    backward: bool = True,
) -> Computed:
    """Forward and backward passes over some batches of rows; documents of all batches in order."""
    import torch

    model.model.zero_grad()
    made = [collate(rows, model, pixels) for rows in batches]
    labels = sum(count(batch, model.seq2seq) for batch in made)
    logits, total = [], 0.0
    for batch in made:
        with torch.set_grad_enabled(backward):
            hidden = model.hidden(batch, masks(batch))
            loss = summed(hidden, batch, model.head, model.seq2seq) / labels
            logits.append(model.head(hidden)[batch.documents > 0].detach())
        total += float(loss)
        if backward:
            loss.backward()  # type: ignore[no-untyped-call]
    own = {n: p.grad.clone() for n, p in model.model.named_parameters() if p.grad is not None}
    return Computed(torch.cat(logits), total, own)


def by(kind: Kind, dtype: torch.dtype | None = None) -> Masks:
    """Masks of one kind, in float32 unless told."""
    import torch

    return lambda batch: mask(batch, kind, dtype or torch.float32)


def attend(model: Architecture, how: str, dtype: torch.dtype | None = None) -> Masks:
    """Set an attention by its column of the table: eager, sdpa (both with a dense mask), segments, flex."""
    if how not in ("eager", "sdpa"):
        set_attention(model, cast("Kind", how))
        return by(cast("Kind", how), dtype)
    model.decoder.set_attn_implementation(how)
    set_attention(model, "dense")
    return by("dense", dtype)


def separate(model: Architecture, examples: Sequence[Example], pixels: Mapping[str, Any]) -> Computed:
    """Each document alone, with transformers' own causal attention and no mask: what has to come out."""
    set_attention(model, "padded")
    return compute(model, [[[example]] for example in examples], pixels, lambda batch: None)


def difference(model: Architecture, one: Computed, other: Computed) -> Difference:
    """Largest differences; those of gradients as a share of the largest gradient of the same part."""
    assert not one.gradients or one.gradients.keys() == other.gradients.keys()
    apart: dict[str, list[float]] = {}
    size: dict[str, list[float]] = {}
    for name, own in one.gradients.items():
        part = model.part_of(name)
        apart.setdefault(part, []).append(float((own - other.gradients[name]).abs().max()))
        size.setdefault(part, []).append(float(other.gradients[name].abs().max()))
    return Difference(
        float((one.logits - other.logits).abs().max()),
        abs(one.loss - other.loss),
        max((max(apart[part]) / max(size[part]) for part in apart), default=float("nan")),
    )


@contextlib.contextmanager
def eager_flex() -> Iterator[None]:
    """FlexAttention in its eager form: its kernel takes half a minute to build, and on a CPU has no gradients.

    torch keeps that form as the reference of the kernel, with its gradients, and refuses to call it for them.
    """
    import torch
    from torch.nn.attention import flex_attention

    with (
        torch.compiler.set_stance("force_eager"),
        mock.patch.object(flex_attention, "_validate_device", lambda *tensors: None),
    ):
        yield
