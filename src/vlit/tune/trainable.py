"""What of a model is tuned: parts frozen, tuned whole, or by LoRA; in which number format, at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError
from vlit.tune.config import How, LoraConfig, StageConfig
from vlit.tune.merge import is_adapter
from vlit.tune.models.architecture import PARTS, Architecture, Part

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Group:
    """Parameters of one part that share a rate and a weight decay."""

    part: Part
    rate: float
    decay: float
    names: tuple[str, ...]  #: in ``model``
    parameters: tuple[torch.nn.Parameter, ...]


def make_trainable(model: Architecture, stage: StageConfig, lora: LoraConfig, *, bf16: bool = False) -> None:
    """Freeze, tune or adapt each part as the stage says.

    What is tuned is float32. With ``bf16`` what is frozen is bfloat16; the step multiplies under autocast.

    Args:
        model: Changed in place. LoRA is drawn from torch's generator.
        stage: Which parts.
        lora: Adapters, where a part has them.
        bf16: Whether the step multiplies in bfloat16.

    Raises:
        VlitError: When a part that is tuned has no rate, or nothing in it can be tuned.
    """
    import torch

    if lora.quantise is not None:
        from vlit.tune.quantise import to_4bit

        to_4bit(model, stage)
    if "lora" in _hows(stage).values():
        _adapt(model, stage, lora)
    for name, parameter in model.model.named_parameters():
        tuned = _is_tuned(name, model, stage)
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(torch.bfloat16 if bf16 and not tuned else torch.float32)
        parameter.requires_grad_(tuned)
    groups_of(model, stage)
    set_modes(model, stage)


def groups_of(model: Architecture, stage: StageConfig) -> list[Group]:
    """What is tuned, by part and decay, in the same order in every process. Only matrices decay.

    Raises:
        VlitError: When a part that is tuned has no rate, or nothing in it can be tuned.
    """
    found: list[Group] = []
    for part in PARTS:
        own = [
            (name, parameter)
            for name, parameter in model.model.named_parameters()
            if parameter.requires_grad and model.part_of(name) == part
        ]
        if not own and _hows(stage)[part] == "frozen":
            continue
        rate = _rate(part, bool(own), stage)
        for decays in (True, False):
            chosen = [(n, p) for n, p in own if (p.ndim >= 2 and not _is_new(p, model, stage)) is decays]
            if chosen:
                names, parameters = zip(*chosen, strict=True)
                found.append(Group(part, rate, stage.weight_decay if decays else 0.0, names, parameters))
    return found


def set_modes(model: Architecture, stage: StageConfig) -> None:
    """Dropout where a part is tuned, and none in what is frozen."""
    for name, module in model.model.named_modules():
        part = _part(model, name)
        module.training = part is not None and _hows(stage)[part] != "frozen"


def new_rows(model: Architecture, stage: StageConfig) -> tuple[torch.nn.Parameter, torch.Tensor] | None:
    """The token embeddings and which of their rows (v, 1) are tuned, where only those of new tokens are.

    Their gradients are multiplied by it before each step.
    """
    import torch

    if stage.train_embeddings == "all" or not _new_tokens(model):
        return None
    weight = _embeddings(model)
    rows = torch.zeros(weight.shape[0], 1)
    rows[list(_new_tokens(model))] = 1
    return weight, rows


def checkpoint_activations(model: Architecture) -> None:
    """Recompute what is inside of a layer in the backward pass: less memory, a third more work.

    Not by the model's own switch, which does nothing in layers that are frozen (in eval mode).
    """
    from functools import partial

    from torch.utils.checkpoint import checkpoint

    for layer in layers(model.model):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def compile_layers(model: Architecture) -> None:
    """Compile the inside of each layer, for all lengths; before it is made to recompute its activations."""
    import torch

    for layer in layers(model.model):
        layer.forward = torch.compile(layer.forward, dynamic=True)


def layers(model: Any) -> list[Any]:
    """The blocks that a model's depth is made of: what is recomputed, compiled and sharded one by one."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def _hows(stage: StageConfig) -> dict[Part, How]:
    return {part: getattr(stage.trainable, part) for part in PARTS}


def _part(model: Architecture, name: str) -> Part | None:
    """The part of a module; ``None`` for those that hold several."""
    try:
        return model.part_of(name)
    except (KeyError, StopIteration):
        return None


def _is_tuned(name: str, model: Architecture, stage: StageConfig) -> bool:
    how = _hows(stage)[model.part_of(name)]
    return how == "full" or is_adapter(name) or _is_new(model.model.get_parameter(name), model, stage)


def _is_new(parameter: torch.nn.Parameter, model: Architecture, stage: StageConfig) -> bool:
    """Whether it is the token embeddings, and only their rows of new tokens are tuned."""
    return stage.train_embeddings == "new" and bool(_new_tokens(model)) and parameter is _embeddings(model)


def _new_tokens(model: Architecture) -> tuple[int, ...]:
    return tuple(getattr(model, "new_tokens", ()))


def _embeddings(model: Architecture) -> torch.nn.Parameter:
    found: torch.nn.Parameter = model.model.get_input_embeddings().weight
    return found


def _rate(part: Part, has_weights: bool, stage: StageConfig) -> float:
    rate: float | None = getattr(stage.lr, part)
    if not has_weights:
        raise VlitError(
            f"{part} has no parameter to tune in this model",
            where=f"tune.stages, {stage.name}, trainable.{part}",
            todo=f"set it to frozen, or give the model a {part} that has weights",
        )
    if rate is None:
        raise VlitError(
            f"{part} is tuned and has no learning rate",
            where=f"tune.stages, {stage.name}, lr",
            todo=f"add a rate, e.g. lr: {{{part}: 2.0e-5}}",
        )
    return rate


def _adapt(model: Architecture, stage: StageConfig, lora: LoraConfig) -> None:
    """Put adapters beside the linear layers of the parts that are tuned by LoRA."""
    from peft import LoraConfig as Adapters
    from peft import inject_adapter_in_model

    adapted = [part for part in PARTS if _hows(stage)[part] == "lora"]
    names: list[str] = []
    for part in adapted:
        linear = linear_layers(model, part)
        chosen = [n for n in linear if not lora.targets or n.rpartition(".")[2] in lora.targets]
        if not chosen:
            raise VlitError(
                f"{part} has no linear layer named {', '.join(lora.targets)}"
                if lora.targets
                else f"{part} has no linear layer for LoRA",
                where="tune.lora.targets",
                todo=f"it has {', '.join(sorted({n.rpartition('.')[2] for n in linear})) or 'none'}",
            )
        names += chosen
    config = Adapters(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft divides by the rank: a float is as good
        lora_dropout=lora.dropout,
        use_dora=lora.dora,
        target_modules=names,
    )
    inject_adapter_in_model(config, model.model)


def linear_layers(model: Architecture, part: Part) -> list[str]:
    """Names of the linear layers of a part; without the head, whose rows are tokens."""
    import torch
    from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
    from transformers.pytorch_utils import Conv1D

    return [
        name
        for name, module in model.model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D))
        and not isinstance(module, NonDynamicallyQuantizableLinear)  # its weight is read past its forward
        and module is not model.head
        and _part(model, name) == part
    ]
