"""AdamW, and how the learning rate rises and falls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlit.tune.config import StageConfig
from vlit.tune.models.architecture import Part
from vlit.tune.trainable import Group

if TYPE_CHECKING:
    import torch


def adamw(groups: Sequence[Group], stage: StageConfig) -> torch.optim.AdamW:
    """AdamW over the groups, each at its own rate; fused into one kernel for each.

    Args:
        groups: What is tuned, in float32.
        stage: Its betas.
    """
    import torch

    settings = [
        {"params": list(group.parameters), "lr": group.rate, "weight_decay": group.decay} for group in groups
    ]
    on = {parameter.device.type for group in groups for parameter in group.parameters}
    return torch.optim.AdamW(settings, betas=stage.betas, fused=on <= {"cpu", "cuda"})


def set_rates(
    optimiser: torch.optim.Optimizer, groups: Sequence[Group], stage: StageConfig, step: int, steps: int
) -> dict[Part, float]:
    """Set the rates of a step, and return them by part.

    Args:
        optimiser: Its groups are in the order of ``groups``.
        groups: What is tuned.
        stage: Schedule, warmup and end.
        step: From 0.
        steps: Of the whole stage.
    """
    share = scheduled(stage, step, steps)
    for setting, group in zip(optimiser.param_groups, groups, strict=True):
        setting["lr"] = group.rate * share
    return {group.part: group.rate * share for group in groups}


def scheduled(stage: StageConfig, step: int, steps: int) -> float:
    """The rate of a step as a share of the highest: a straight rise, then the schedule down to ``lr_min``.

    Args:
        stage: Schedule, warmup (a share of the steps, from 1 on a number of them) and end.
        step: From 0. The first step of a rise over k steps has 1 / (k + 1) of the rate, none has 0.
        steps: Of the whole stage.
    """
    rise = warmup_steps(stage, steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    if stage.schedule == "constant":
        return 1.0
    way = (step - rise) / max(steps - rise, 1)
    left = 1 - way if stage.schedule == "linear" else (1 + math.cos(math.pi * way)) / 2
    return stage.lr_min + (1 - stage.lr_min) * left


def warmup_steps(stage: StageConfig, steps: int) -> int:
    """Steps in which the rate rises: fewer than all of them."""
    wanted = round(stage.warmup) if stage.warmup >= 1 else math.ceil(round(stage.warmup * steps, 6))
    return min(wanted, steps - 1)
