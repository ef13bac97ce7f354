"""What a stage of tuning will take of a device's memory, told before it starts, and which knob saves how much.

Weights, gradients and the state of AdamW are counted from shapes, exactly. Activations are an estimate: bytes
for each number that the linear layers put out, as measured on blocks of Llama and CLIP (see ``_KEPT``). Expect
the sum to be right within a factor of two. It works on the meta device too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlit.data.errors import VlitError
from vlit.tune.config import How, StageConfig, TuneConfig
from vlit.tune.loss import SLICE
from vlit.tune.merge import is_adapter
from vlit.tune.models.architecture import PARTS, Architecture, Part
from vlit.tune.trainable import linear_layers

if TYPE_CHECKING:
    import torch
    from rich.table import Table

#: Bytes kept for the backward pass for each number that a block's linear layers put out: (float32, bfloat16).
#: Measured with saved-tensor hooks on blocks of Llama; those of CLIP are a tenth above.
_KEPT: dict[How, tuple[float, float]] = {"frozen": (5.6, 3.2), "full": (9.0, 5.8), "lora": (12.4, 8.3)}
#: Bytes for each number of a hidden state that a recomputed block keeps: its input, in float32.
_INPUT = 5.4
#: Logits in float32, their gradient, and what the softmax keeps.
_LOGIT = 12
#: What torch, its libraries and its allocator take beside: bytes on a GPU, and a share of all.
_CONTEXT, _SLACK = 0.7e9, 0.05
#: Above this share of what is free, a run is near the edge.
_NEAR = 0.9


@dataclass(frozen=True)
class Estimate:
    """Bytes of each kind in one process, at the peak."""

    weights: float
    gradients: float
    optimiser: float
    activations: float
    logits: float
    beside: float
    tokens: int  #: of the largest micro-batch
    images: int  #: of it

    @property
    def total(self) -> float:
        """All of it."""
        kinds = (self.weights, self.gradients, self.optimiser, self.activations, self.logits, self.beside)
        return float(sum(kinds))


@dataclass(frozen=True)
class Load:
    """The samples of a stage, as far as memory goes."""

    lengths: NDArray[np.integer]  #: (n,) tokens of each
    trained: NDArray[np.integer]  #: (n,) label tokens of each
    images: int  #: of all samples


def estimate(
    model: Architecture, stage: StageConfig, config: TuneConfig, load: Load, *, bf16: bool, gpu: bool
) -> Estimate:
    """Memory of the heaviest step of a stage, in each process.

    Args:
        model: On any device, also meta; adapters that it has are left out, those of the stage are counted.
        stage: What is tuned.
        config: How.
        load: The samples.
        bf16: Whether the step multiplies in bfloat16.
        gpu: Whether it computes on a GPU, whose libraries take memory too.
    """
    tokens = _heaviest(load, stage, config)
    images = int(np.ceil(load.images * min(tokens / max(int(load.lengths.sum()), 1), 1)))
    labels = int(np.ceil(tokens * float(load.trained.sum()) / max(float(load.lengths.sum()), 1)))
    shards = config.processes if config.sharding != "none" else 1
    weights = gradients = casts = 0.0
    for part in PARTS:
        held, tuned, cast = _weights(model, stage, config, part, bf16=bf16)
        weights, gradients, casts = weights + held, gradients + 4 * tuned, casts + cast
    activations = sum(_activations(model, stage, config, part, tokens, images, bf16=bf16) for part in PARTS)
    head: Any = model.head.weight
    logits = float(min(labels, SLICE) * head.shape[0] * _LOGIT)
    known = (weights + 3 * gradients) / shards + casts + activations + logits
    return Estimate(
        weights=weights / shards + casts,
        gradients=gradients / shards,
        optimiser=2 * gradients / shards,
        activations=activations,
        logits=logits,
        beside=known * _SLACK + (_CONTEXT if gpu else 0),
        tokens=tokens,
        images=images,
    )


def check(
    model: Architecture,
    stage: StageConfig,
    config: TuneConfig,
    load: Load,
    *,
    bf16: bool,
    gpu: bool,
    free: float,
) -> tuple[Estimate, str | None]:
    """The estimate, and a warning where it comes near to what is free.

    Args:
        model: See ``estimate``, and so for those below.
        stage: What is tuned.
        config: How.
        load: The samples.
        bf16: Whether the step multiplies in bfloat16.
        gpu: Whether it computes on a GPU.
        free: Bytes, as ``free_memory`` tells before the model is on the device.

    Raises:
        VlitError: When weights, gradients and optimiser alone do not fit, or all of it by far: more than half
            as much again as is free. Which settings save how much is told.
    """
    found = estimate(model, stage, config, load, bf16=bf16, gpu=gpu)
    if found.total <= _NEAR * free:
        return found, None
    fixed = found.weights + found.gradients + found.optimiser
    said = f"stage {stage.name} needs about {found.total / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
    ways = "; ".join(_savings(model, stage, config, load, found, bf16=bf16, gpu=gpu))
    if fixed > free or found.total > 1.5 * free:
        raise VlitError(
            said,
            where=f"weights, gradients and optimiser {fixed / 1e9:.1f} GB, activations "
            f"{found.activations / 1e9:.1f} GB for {found.tokens:,} tokens",
            todo=ways or "take a smaller model, or a device with more memory",
        )
    return found, f"{said}: it may run out. {ways}" if ways else f"{said}: it may run out"


def circumstances(config: TuneConfig) -> tuple[bool, bool, int | None]:
    """Whether tuning would multiply in bfloat16, whether on a GPU, and the bytes that are free there.

    Raises:
        VlitError: When the device is not there.
    """
    from vlit.weights.device import pick_device

    device = pick_device(config.device)
    gpu = device.type == "cuda"
    bf16 = config.precision == "bf16" or (config.precision == "auto" and gpu)
    return bf16, gpu, free_memory(device)


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be had on a device; ``None`` where that cannot be told."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    found = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    most, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if most.exists() and used.exists() and (limit := most.read_text().strip()) != "max":
        found.append(int(limit) - int(used.read_text()))
    return max(min(found), 0) if found else None


def memory_table(found: Estimate, free: float | None) -> Table:
    """The estimate for people, in GB."""
    from rich.table import Table as Lines

    table = Lines("memory", "GB", box=None)
    table.columns[1].justify = "right"
    named = (
        ("weights", found.weights),
        ("gradients", found.gradients),
        ("optimiser", found.optimiser),
        (f"activations, {found.tokens:,} tokens and {found.images:,} images", found.activations),
        ("logits at labels", found.logits),
        ("libraries and slack", found.beside),
        ("about, in all", found.total),
    )
    for name, size in named:
        table.add_row(name, f"{size / 1e9:,.2f}")
    if free is not None:
        table.add_row("free now", f"{free / 1e9:,.2f}")
    return table


def _savings(
    model: Architecture,
    stage: StageConfig,
    config: TuneConfig,
    load: Load,
    now: Estimate,
    *,
    bf16: bool,
    gpu: bool,
) -> Iterator[str]:
    """Settings that would need less, the most effective first, each alone."""
    options: list[tuple[str, StageConfig, TuneConfig, bool]] = []
    if not config.checkpointing:
        options.append(("checkpointing: true", stage, config.model_copy(update={"checkpointing": True}), bf16))
    row = config.row or 4 * config.max_length
    if row > config.max_length:
        smaller = config.model_copy(update={"row": config.max_length})
        options.append((f"row: {config.max_length}", stage, smaller, bf16))
    if stage.trainable.llm == "full":
        lora = stage.trainable.model_copy(update={"llm": "lora"})
        options.append(("trainable.llm: lora", stage.model_copy(update={"trainable": lora}), config, bf16))
    if not bf16:
        options.append(("precision: bf16", stage, config, True))
    if config.processes > 1 and config.sharding == "none":
        options.append(("sharding: fsdp2", stage, config.model_copy(update={"sharding": "fsdp2"}), bf16))
    if stage.trainable.llm == "lora" and config.lora.quantise is None and gpu:
        packed = config.lora.model_copy(update={"quantise": "4bit"})
        options.append(("lora.quantise: 4bit", stage, config.model_copy(update={"lora": packed}), bf16))
    saved = []
    for name, own, how, half in options:
        less = now.total - estimate(model, own, how, load, bf16=half, gpu=gpu).total
        if less > 0.02 * now.total:
            saved.append((less, name))
    for less, name in sorted(saved, reverse=True):
        yield f"{name} saves {less / 1e9:.1f} GB"


def _heaviest(load: Load, stage: StageConfig, config: TuneConfig) -> int:
    """Tokens of the largest micro-batch: a full row, or all of a small step, or the longest sample."""
    if not len(load.lengths):
        return 0
    row = config.row or 4 * config.max_length
    each = -(-stage.batch // config.processes)
    longest = np.sort(load.lengths)[::-1]
    return int(max(longest[0], min(row, longest[:each].sum())))


def _weights(
    model: Architecture, stage: StageConfig, config: TuneConfig, part: Part, *, bf16: bool
) -> tuple[float, float, float]:
    """Bytes of a part's weights, how many numbers of it are tuned, and bytes of their copies in bfloat16."""
    how: How = getattr(stage.trainable, part)
    own = {
        name: parameter.numel()
        for name, parameter in model.model.named_parameters()
        if not is_adapter(name) and model.part_of(name) == part
    }
    total = float(sum(own.values()))
    if how == "full":
        return 4 * total, total, 2 * total if bf16 else 0
    held, tuned = total * (2 if bf16 else 4), 0.0
    if part == "llm" and config.lora.quantise is not None:
        linear = float(sum(inside * outside for _, inside, outside in _linear(model, part)))
        held -= linear * ((2 if bf16 else 4) - 0.52)  # 4 bits, and a scale for each 64 numbers
    if how == "lora":
        tuned = float(sum(_adapter(config, name, a, b) for name, a, b in _linear(model, part)))
    if part == "llm" and stage.train_embeddings == "new" and getattr(model, "new_tokens", False):
        table: Any = model.model.get_input_embeddings().weight
        held, tuned = held + table.numel() * (2 if bf16 else 0), tuned + table.numel()
        return held + 4 * (tuned - table.numel()), tuned, 0
    return held + 4 * tuned, tuned, 2 * tuned if bf16 else 0


def _adapter(config: TuneConfig, name: str, inside: int, outside: int) -> int:
    if config.lora.targets and name.rpartition(".")[2] not in config.lora.targets:
        return 0
    return config.lora.rank * (inside + outside) + (outside if config.lora.dora else 0)


def _linear(model: Architecture, part: Part) -> list[tuple[str, int, int]]:
    """Name, width in and width out of a part's linear layers; adapters and the head are left out."""
    from torch.nn import Linear

    found = []
    for name in linear_layers(model, part):
        if not is_adapter(name):
            layer: Any = model.model.get_submodule(name)
            one, other = (int(n) for n in layer.weight.shape)
            found.append((name, other, one) if isinstance(layer, Linear) else (name, one, other))  # else Conv1D
    return found


def _activations(
    model: Architecture,
    stage: StageConfig,
    config: TuneConfig,
    part: Part,
    tokens: int,
    images: int,
    *,
    bf16: bool,
) -> float:
    """Bytes that a part keeps for the backward pass; where none comes by, those of one block at work."""
    kept: dict[Part, bool] = {}
    behind = False
    for one in PARTS:  # in the order in which the forward pass goes through them
        behind = behind or getattr(stage.trainable, one) != "frozen"
        kept[one] = behind
    how: How = getattr(stage.trainable, part)
    each = _KEPT[how][1 if bf16 else 0]
    total = largest = inputs = 0.0
    blocks: dict[str, tuple[float, float]] = {}
    for name, inside, outside in _linear(model, part):
        rows = _rows(model, part, name, tokens, images)
        numbers, width = blocks.get(_block(name), (0.0, 0.0))
        blocks[_block(name)] = numbers + rows * outside, max(width, rows * inside if not numbers else width)
    for numbers, width in blocks.values():
        total, largest, inputs = total + numbers * each, max(largest, numbers * each), inputs + width * _INPUT
    if not kept[part]:
        return largest
    return min(inputs + largest, total) if config.checkpointing else total


def _block(name: str) -> str:
    """The block of a layer: its name up to the last number."""
    pieces = name.split(".")
    last = max((i for i, piece in enumerate(pieces) if piece.isdigit()), default=len(pieces) - 1)
    return ".".join(pieces[: last + 1])


def _rows(model: Architecture, part: Part, name: str, tokens: int, images: int) -> int:
    """Rows that a layer works on: a token each in the language model, patches or queries elsewhere."""
    config = model.model.config
    if part == "llm" or name.startswith("cross_attention."):
        return tokens
    vision = getattr(config, "vision_config", None)
    side, patch = getattr(vision, "image_size", None), getattr(vision, "patch_size", None)
    patches = (side // patch) ** 2 + 1 if isinstance(side, int) and isinstance(patch, int) else 1024
    if part == "vision":
        return images * patches
    queries = getattr(config, "num_query_tokens", None) or getattr(config, "resampler", {}).get("latents")
    return images * int(queries or patches)
