"""One optimiser step: its micro-batches forward and backward, the norm of the gradient, the update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vlit.data.errors import VlitError
from vlit.tune.feed import Ready

if TYPE_CHECKING:
    from vlit.tune.objective import Objective
    from vlit.tune.team import Team


@dataclass(frozen=True)
class Done:
    """What a step came to, over all processes."""

    loss: float | None  #: mean over the label tokens; ``None`` where all samples were skipped
    norm: float | None  #: of the gradient, before it is clipped
    labels: int
    tokens: int
    samples: int


def update(
    objective: Objective,
    ready: Ready,
    optimiser: torch.optim.Optimizer,
    *,
    clip: float,
    rows: tuple[torch.nn.Parameter, torch.Tensor] | None,
    team: Team,
) -> Done:
    """Tune by the samples of one step. The loss is their sum over the count of label tokens in all processes.

    Args:
        objective: Loss of a micro-batch, summed.
        ready: The share of this process.
        optimiser: Its rates are set.
        clip: Largest norm of the gradient; 0 for any.
        rows: Token embeddings of which these rows alone are tuned.
        team: The processes.

    Raises:
        VlitError: When the loss or the gradient is not finite. No weight has changed then.
    """
    labels, tokens, samples = map(int, team.sums([ready.labels, ready.tokens, len(ready.samples)]))
    if labels == 0:
        return Done(None, None, 0, tokens, samples)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    total = torch.zeros((), device=team.device)
    # Sharded gradients are averaged over the processes on the way, all others are added.
    share = (team.processes if team.sharded else 1) / labels
    for batch in ready.micros:
        summed = objective(batch.to(team.device))
        if summed.requires_grad:  # text alone goes past a connector that is all that is tuned
            (summed * share).backward()
        total += summed.detach()
    # What no sample went through has a gradient of zero, not none: AdamW moves alike however a step is split.
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    team.sum_gradients(parameters)
    if rows is not None:
        _keep(*rows)
    length = _norm(parameters)
    norm = float(length)
    loss = team.sums([float(total)])[0] / labels
    if not (math.isfinite(loss) and math.isfinite(norm)):
        what = f"the gradient has norm {norm}" if math.isfinite(loss) else f"the loss of this step is {loss}"
        raise no_number(what, [s for own in team.gathered(ready.samples) for s in own])
    if clip:
        torch.nn.utils.clip_grads_with_norm_(parameters, clip, length)
    optimiser.step()
    optimiser.zero_grad()
    return Done(loss, norm, labels, tokens, samples)


def _norm(parameters: Sequence[torch.nn.Parameter]) -> torch.Tensor:
    """Of all gradients as one vector."""
    from torch.distributed.tensor import DTensor

    found = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    return found.full_tensor() if isinstance(found, DTensor) else found


def _keep(weight: torch.nn.Parameter, rows: torch.Tensor) -> None:
    """Let the gradient be zero but in some rows."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert weight.grad is not None
    kept = rows.to(weight.grad.device)
    if isinstance(weight.grad, DTensor):
        kept = distribute_tensor(kept, weight.grad.device_mesh, weight.grad.placements)
    weight.grad.mul_(kept)


def no_number(what: str, samples: Sequence[str]) -> VlitError:
    """The error that stops a stage when it has gone astray."""
    told = ", ".join(samples[:8]) + (f" and {len(samples) - 8} more" if len(samples) > 8 else "")
    return VlitError(
        what,
        where=f"samples {told}",
        todo="lower lr or raise warmup; before the first step, look at these samples and the model's weights. "
        "Checkpoints stay",
    )
