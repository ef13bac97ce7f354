"""The floating-point operations that a step of tuning needs, so that MFU counts what is frozen as such.

A product of n weights with one token takes 2 n operations forward, 2 n more for the gradient of the weights
where they are tuned, and 2 n more for that of its input where something before it is tuned. Which of them apply
is read from the graph of one small forward pass, layer by layer; so is how many rows a layer works on for each
token and image. Then steps are counted from their tokens alone. Attention adds 4 d operations for each pair
of places that see each other, in causal attention half of the square; and twice that backward. What is
computed again under checkpointing does not count, nor does padding, nor the head where no label stands.
Source of the convention: PaLM (Chowdhery et al. 2022), appendix B, with frozen parts taken out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlit.tune.example import IGNORE, Batch, Example
from vlit.tune.models.architecture import PARTS, Architecture, Part

if TYPE_CHECKING:
    import torch

    from vlit.tune.attention import Kind


class Counts(NamedTuple):
    """What a batch holds. Padding does not count."""

    tokens: float  #: that the decoder reads, placeholders of images among them; of T5, its encoder
    images: float
    answers: float  #: tokens that an encoder-decoder's decoder reads
    words: float  #: that a Q-Former is told of the images
    labels: float  #: places that the head computes
    causal: float  #: pairs of places in documents: half of the squares of their lengths
    square: float  #: the squares, for encoders
    crossed: float  #: pairs of answer and question tokens of an encoder-decoder
    answered: float  #: half of the squares of the answers
    read: float  #: squares of the words of each instruction

    def __add__(self, other: object) -> Counts:
        assert isinstance(other, Counts)
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING = Counts(*[0.0] * len(Counts._fields))


@dataclass(frozen=True)
class Flops:
    """Operations of each part, for one of each of ``Counts``; forward and backward together."""

    by_part: Mapping[Part, Counts]

    def of(self, counts: Counts) -> float:
        """Operations of a step, or of several."""
        return sum(self.parts(counts).values())

    def parts(self, counts: Counts) -> dict[Part, float]:
        """The same by part."""
        return {
            part: float(sum(a * b for a, b in zip(each, counts, strict=True)))
            for part, each in self.by_part.items()
        }


def counts_of(batch: Batch, *, seq2seq: bool) -> Counts:
    """What a batch holds.

    Args:
        batch: On any device.
        seq2seq: Whether its model is an encoder-decoder.
    """
    from vlit.tune.attention import lengths
    from vlit.tune.loss import count

    documents = batch.documents.cpu()
    own = [n for row, ids in zip(lengths(documents), documents.tolist(), strict=True) for n in _real(row, ids)]
    answers = [int(n) for n in (batch.labels != IGNORE).sum(dim=1).tolist()] if seq2seq else []
    told = next((t for n, t in batch.instructions.items() if n.endswith("attention_mask")), None)
    words = [] if told is None else [int(n) for n in told.sum(dim=1).tolist()]
    return Counts(
        tokens=sum(own),
        images=next((len(t) for t in batch.images.values()), 0),
        answers=sum(answers),
        words=sum(words),
        labels=count(batch, seq2seq),
        causal=0 if seq2seq else sum(n * n for n in own) / 2,
        square=sum(n * n for n in own) if seq2seq else 0,
        crossed=sum(a * b for a, b in zip(answers, own, strict=False)),
        answered=sum(n * n for n in answers) / 2,
        read=sum(n * n for n in words),
    )


def _real(row: Sequence[int], ids: Sequence[int]) -> Iterator[int]:
    """Lengths of a row's documents, without its padding."""
    at = 0
    for length in row:
        if ids[at] > 0:
            yield length
        at += length


def flops_of(model: Architecture, kind: Kind, dtype: torch.dtype) -> Flops:
    """Count a model's operations by a few small forward passes. Nothing changes, no random number is drawn.

    Args:
        model: Frozen and adapted as it will be tuned, on its device; not yet compiled or sharded.
        kind: The attention that has been set.
        dtype: That it multiplies in.
    """
    probes = [_probed(model, kind, dtype, *shape) for shape in _shapes(model)]
    seen = np.array([found.held for found in probes], dtype=float)
    rows = np.array([[found.rows.get(n, 0) for n in probes[0].rows] for found in probes], dtype=float)
    each, *_ = np.linalg.lstsq(seen, rows, rcond=None)  # (4 kinds of counts, layers)
    total = {part: np.zeros(len(Counts._fields)) for part in PARTS}
    reached: dict[Part, list[bool]] = {part: [] for part in PARTS}
    for column, (name, layer) in enumerate(probes[0].layers.items()):
        part = model.part_of(name)
        total[part][:4] += np.round(each[:, column], 6) * layer.operations
        reached[part].append(layer.reached)
    total[model.part_of(probes[0].head_name)][4] += probes[0].head
    back = {part: 1 + 2 * float(np.mean(found or [False])) for part, found in reached.items()}
    for part, field, operations in _attention(model, each, probes[0]):
        total[part][Counts._fields.index(field)] += operations * back[part]
    return Flops({part: Counts(*map(float, found)) for part, found in total.items()})


class _Layer(NamedTuple):
    """What one row costs in a layer of weights."""

    operations: float
    reached: bool  #: whether a gradient comes by


@dataclass(frozen=True)
class _Probe:
    """What one small forward pass has shown."""

    held: tuple[float, ...]  #: tokens, images, answers, words
    rows: dict[str, int]  #: that each layer worked on
    layers: dict[str, _Layer]
    head: float  #: operations of the head for one place
    head_name: str


def _shapes(model: Architecture) -> list[tuple[int, int, int, str]]:
    """Text tokens, images, answer tokens and instruction of each probe: more of each, one after the other."""
    shapes = [(8, 1, 4, "a"), (13, 1, 4, "a"), (8, 2, 4, "a")]
    if model.seq2seq:
        shapes.append((8, 1, 9, "a"))
    if hasattr(model, "instruct"):
        shapes.append((8, 1, 4, "what is there to be seen"))
    return shapes


def _probed(
    model: Architecture, kind: Kind, dtype: torch.dtype, text: int, images: int, answer: int, told: str
) -> _Probe:
    import torch

    from vlit.tune.attention import mask

    body = model.model
    device = next(body.parameters()).device
    batch = _batch(model, text, images, answer, told).to(device)
    calls: list[tuple[str, Any, Any, int]] = []

    def note(name: str) -> Any:
        def hook(module: Any, given: tuple[Any, ...], out: Any) -> None:
            wide = module.out_channels if isinstance(module, torch.nn.Conv2d) else out.shape[-1]
            learns = bool(given[0].requires_grad)
            calls.append((name, out.grad_fn, learns, out.numel() // wide))

        return hook

    weights = {name: module for name, module in body.named_modules() if _multiplies(module)}
    hooks = [module.register_forward_hook(note(name)) for name, module in weights.items()]
    training = [module for module in body.modules() if module.training]
    body.eval()
    try:
        with (
            torch.enable_grad(),
            torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
        ):
            hidden = model.hidden(batch, mask(batch, kind, dtype))
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    reachable = _graph(hidden.grad_fn)
    rows: dict[str, int] = {}
    layers: dict[str, _Layer] = {}
    for name, node, learns, count in calls:
        rows[name] = rows.get(name, 0) + count
        size, tuned = weights[name].weight.numel(), weights[name].weight.requires_grad
        reached = node is not None and node in reachable
        layers[name] = _Layer(2 * size * (1 + reached * (tuned + learns)), reached)
    head: Any = model.head.weight
    name = next(n for n, p in body.named_parameters(remove_duplicate=False) if p is head)
    cost = 2 * head.numel() * (1 + int(hidden.requires_grad) + int(head.requires_grad))
    counts = counts_of(batch, seq2seq=model.seq2seq)
    return _Probe(counts[:4], rows, layers, cost, name)


def _multiplies(module: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, Conv1D))


def _graph(root: Any) -> set[Any]:
    """All nodes of an autograd graph; a gradient comes by these and no others."""
    found, waiting = set(), [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found.add(node)
        waiting += [before for before, _ in node.next_functions if before is not None]
    return found


def _batch(model: Architecture, text: int, images: int, answer: int, told: str) -> Batch:
    """One document of a few tokens and images, in one row."""
    import PIL.Image

    from vlit.data.scene import Image
    from vlit.tune.collate import collate

    shown = tuple(Image(uri=f"probe{i}", width=32, height=32) for i in range(images))
    ids: list[int] = []
    slots: list[tuple[int, int]] = []
    for image in shown:
        own = list(model.slot(image))
        slots.append((len(ids), len(ids) + len(own)))
        ids += own
    word = next(i for i in range(5, len(ids) + 99) if i not in ids and i not in model.tokenizer.all_special_ids)
    ids += [word] * text
    places = np.array(ids, dtype=np.int32)
    labels = np.full(answer, word, np.int32) if model.seq2seq else places
    example = Example("probe", places, labels, shown, tuple(slots), told)
    pixels = {image.uri: model.pixels([PIL.Image.new("RGB", (32, 32))]) for image in shown}
    return collate([[example]], model, pixels)


def _attention(
    model: Architecture, each: NDArray[np.float64], probe: _Probe
) -> Iterator[tuple[Part, str, float]]:
    """Attention's own operations forward: part, what they grow with, and how many for one of it."""
    config, names = model.model.config, list(probe.rows)
    images = {part: _most(each[1], names, model, part) for part in PARTS}
    if (vision := getattr(config, "vision_config", None)) is not None:
        width = getattr(vision, "hidden_size", 0) * getattr(vision, "num_hidden_layers", 0)
        yield "vision", "images", 4 * width * images["vision"] ** 2
    text = config.get_text_config(decoder=True)
    if model.seq2seq:
        width = 4 * text.num_heads * text.d_kv
        yield "llm", "square", width * text.num_layers
        yield "llm", "answered", width * text.num_decoder_layers
        yield "llm", "crossed", width * text.num_decoder_layers
    else:
        heads = text.num_attention_heads
        size = getattr(text, "head_dim", None) or text.hidden_size // heads
        yield "llm", "causal", 4 * heads * size * text.num_hidden_layers
    if (former := getattr(config, "qformer_config", None)) is not None:
        queries, depth = config.num_query_tokens, former.num_hidden_layers
        looks = -(-depth // former.cross_attention_frequency)
        pairs = queries * (queries * depth + images["vision"] * looks)
        yield "connector", "images", 4 * former.hidden_size * pairs
        if hasattr(model, "instruct"):
            yield "connector", "words", 8 * former.hidden_size * queries * depth
            yield "connector", "read", 4 * former.hidden_size * depth
    if (resampler := getattr(config, "resampler", None)) is not None:
        width, latents = 4 * resampler["heads"] * resampler["head_dim"], resampler["latents"]
        seen = images["vision"] - config.skipped_features
        yield "connector", "images", width * resampler["layers"] * latents * (latents + seen)
        blocks = text.num_hidden_layers // config.cross_attention_every
        yield "connector", "tokens", width * blocks * latents


def _most(per_image: NDArray[np.float64], names: Sequence[str], model: Architecture, part: Part) -> float:
    """Rows that a part's layers work on for an image: places of its sequence."""
    return max((float(v) for n, v in zip(names, per_image, strict=True) if model.part_of(n) == part), default=0)
