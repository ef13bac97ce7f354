"""The processes that carry out a stage together, and what they have to agree on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError
from vlit.tune.config import TuneConfig
from vlit.weights.device import pick_device

if TYPE_CHECKING:
    import torch

#: Numbers of gradients that are added between processes in one message.
_MESSAGE = 16 * 1024**2


class Team:
    """One process of those that tune; the only one where nothing has started others.

    Attributes:
        accelerator: accelerate's; it starts the process group, and keeps the trackers.
        device: What this process computes on.
        bf16: Whether the step multiplies in bfloat16.
    """

    def __init__(self, config: TuneConfig, folder: Path) -> None:
        import torch
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        refuse_missing(config.trackers)
        device = pick_device(config.device)
        _refuse_fewer_gpus(device, config)
        if device.index is not None and config.processes == 1:
            torch.cuda.set_device(device)
        self.bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
        AcceleratorState._reset_state()  # of an earlier stage in this process; the process group stays
        self.accelerator = Accelerator(
            cpu=device.type == "cpu",
            mixed_precision="bf16" if self.bf16 else "no",
            log_with=list(config.trackers) or None,
            project_dir=str(folder),
        )
        self.device: torch.device = self.accelerator.device
        self.sharded = config.sharding != "none" and self.processes > 1

    @property
    def processes(self) -> int:
        """How many there are."""
        return int(self.accelerator.num_processes)

    @property
    def place(self) -> int:
        """Of this one among them, from 0."""
        return int(self.accelerator.process_index)

    @property
    def first(self) -> bool:
        """Whether this one writes what is written once."""
        return self.place == 0

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes, in float64."""
        import torch

        if self.processes == 1:
            return list(values)
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        found = torch.tensor(values, dtype=kind, device=self.device)
        torch.distributed.all_reduce(found)
        return [float(value) for value in found]

    def gathered(self, value: Any) -> list[Any]:
        """What each process has, in order."""
        import torch

        if self.processes == 1:
            return [value]
        found: list[Any] = [None] * self.processes
        torch.distributed.all_gather_object(found, value)
        return found

    def together(self, problem: VlitError | None) -> None:
        """Go on where no process has a problem, else stop all of them: none waits for one that has left.

        Raises:
            VlitError: The first problem.
        """
        for found in self.gathered(problem):
            if found is not None:
                raise found

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add the gradients of all processes, in messages of 64 MB; those of sharded weights are added already.

        After the last micro-batch of a step and by hand: what each process had in its micro-batches may differ,
        and neither hooks nor a wrapper around the model have to know.
        """
        if self.processes == 1 or self.sharded:
            return
        message: list[torch.Tensor] = []
        length = 0
        for parameter in parameters:
            assert parameter.grad is not None  # the step fills what had none with zeros
            message.append(parameter.grad)
            length += parameter.grad.numel()
            if length >= _MESSAGE:
                _add(message)
                message, length = [], 0
        if message:
            _add(message)

    def shard(self, module: torch.nn.Module, blocks: Sequence[torch.nn.Module]) -> None:
        """Spread weights, gradients and optimiser state over the processes (FSDP2), in place.

        By torch's own ``fully_shard``: accelerate's takes GPUs alone, and this way it is tested on any machine.

        Args:
            module: Its forward is the whole of a micro-batch.
            blocks: Gathered one by one on the way through.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.processes,))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)


def refuse_missing(trackers: Iterable[str]) -> None:
    """Refuse trackers that are not installed: accelerate would go on without them.

    Raises:
        VlitError: For the first.
    """
    for name in trackers:
        if importlib.util.find_spec(name) is None:  # packages have the names of the trackers
            raise VlitError(f"{name} is not installed", where="tune.trackers", todo=f"pip install {name}")


def _refuse_fewer_gpus(device: torch.device, config: TuneConfig) -> None:
    import torch

    if device.type == "cuda" and torch.cuda.device_count() < config.processes:
        raise VlitError(
            f"{config.processes} processes need a GPU each, and there are {torch.cuda.device_count()}",
            where="tune.processes",
            todo="lower it, or set `device: cpu`",
        )


def _add(message: list[torch.Tensor]) -> None:
    import torch

    flat = torch.cat([gradient.flatten() for gradient in message])
    torch.distributed.all_reduce(flat)
    for gradient, summed in zip(message, torch.split(flat, [g.numel() for g in message]), strict=True):
        gradient.copy_(summed.view_as(gradient))
