"""Checkpoints that a killed stage goes on from: exactly, or not at all.

A folder holds what is tuned with its optimiser state (``state.safetensors``), the states of the random
generators of each process (``random-0.safetensors`` ...) and where training stood, with which settings and
data (``cursor.json``). It is written under another name, synced, and renamed: what has its name is whole.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from vlit.data.errors import VlitError
from vlit.data.store import unwritable
from vlit.tune.team import Team
from vlit.tune.trainable import Group

if TYPE_CHECKING:
    import torch

#: Of AdamW, for each parameter. There are none before the first step that had a sample.
_STATES = ("exp_avg", "exp_avg_sq", "step")


class Checkpoints:
    """The checkpoints of a stage.

    Args:
        folder: Holds one folder for each.
        identity: Settings and fingerprints that must be the same to go on, by name.
        team: The processes.
        keep: How many are kept.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], team: Team, keep: int) -> None:
        self._folder, self._identity, self._team, self._keep = folder, dict(identity), team, keep

    def save(self, step: int, groups: Sequence[Group], optimiser: torch.optim.Optimizer) -> None:
        """Write a checkpoint; older ones than the last ``keep`` go.

        Raises:
            VlitError: When it cannot be written. Nothing is left of it, and the older ones stay.
        """
        whole = self._folder / f"step-{step:08d}"
        part = whole.with_name(f".{whole.name}.tmp")
        self._first(lambda: _fresh(part), part)
        tensors = dict(_tensors(groups, optimiser, keep=self._team.first))
        self._all(lambda: self._write(part, step, tensors), part)
        self._first(lambda: _publish(part, whole), part)
        for old in self.found()[: -self._keep] if self._team.first else ():
            _drop(old)

    def found(self) -> list[Path]:
        """Those that there are, oldest first."""
        return _found(self._folder)

    def resume(self, groups: Sequence[Group], optimiser: torch.optim.Optimizer) -> int:
        """Take the state of the last checkpoint, and return its step; 0 where there is none.

        Raises:
            VlitError: When it is of other settings or other data, or cannot be read.
        """
        from safetensors import SafetensorError

        self._team.wait()
        if not self.found():
            return 0
        last = self.found()[-1]
        try:
            cursor = orjson.loads((last / "cursor.json").read_bytes())
            self._refuse_other(cursor["identity"], last)
            _restore(last / "state.safetensors", groups, optimiser)
            _restore_random(last / f"random-{self._team.place}.safetensors", self._team.device)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise VlitError(
                f"the checkpoint cannot be read: {error}",
                where=str(last),
                todo="remove this folder: the one before is gone on from",
            ) from error
        return int(cursor["step"])

    def _write(self, part: Path, step: int, tensors: dict[str, torch.Tensor]) -> None:
        from safetensors.torch import save_file

        save_file(_random_states(self._team.device), part / f"random-{self._team.place}.safetensors")
        if self._team.first:
            save_file(tensors, part / "state.safetensors")
            cursor = {"step": step, "identity": self._identity}
            (part / "cursor.json").write_bytes(orjson.dumps(cursor, option=orjson.OPT_INDENT_2))

    def _refuse_other(self, found: Mapping[str, Any], where: Path) -> None:
        was, now = _flat(found), _flat(orjson.loads(orjson.dumps(self._identity)))
        other = [name for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name)]
        if other:
            told = "; ".join(f"{n} was {was.get(n)!r} and is {now.get(n)!r}" for n in other[:3])
            raise VlitError(
                f"this stage began with other settings or data: {told}",
                where=str(where),
                todo="set them back to go on, or remove the folder of the stage to begin anew",
            )

    def _first(self, act: Any, part: Path) -> None:
        self._all(act if self._team.first else lambda: None, part)

    def _all(self, act: Any, part: Path) -> None:
        """Do something in every process; where it fails in one, all clean up and stop."""
        problem = None
        try:
            act()
        except Exception as error:
            problem = refused(error, part)
            if problem is None:
                raise
        try:
            self._team.together(problem)
        except VlitError:
            if self._team.first:
                shutil.rmtree(part, ignore_errors=True)
            raise


def last_step(folder: Path) -> int:
    """The step that a stage would go on from, by the folder of its checkpoints; 0 where there is none."""
    found = _found(folder)
    return int(found[-1].name.removeprefix("step-")) if found else 0


def _found(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _fresh(part: Path) -> None:
    """An empty folder; what killed processes left beside it goes."""
    for left in part.parent.glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)


def _publish(part: Path, whole: Path) -> None:
    for path in (*part.iterdir(), part):
        _sync(path)
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    _sync(whole.parent)


def _drop(whole: Path) -> None:
    """Remove a checkpoint: first its name, so that one that is half removed is none."""
    gone = whole.with_name(f".{whole.name}.tmp")
    with contextlib.suppress(OSError):
        whole.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refused(error: Exception, path: Path) -> VlitError | None:
    """What the system says when it refuses to write; ``None`` for other errors.

    Libraries in Rust (safetensors, tokenizers) pass it on as text, in exceptions of any type.
    """
    if not isinstance(error, OSError):
        told = re.search(r"\(os error (\d+)\)", str(error))
        if told is None:
            return None
        error = OSError(int(told[1]), os.strerror(int(told[1])))
    return unwritable(error, path)


def _tensors(
    groups: Sequence[Group], optimiser: torch.optim.Optimizer, *, keep: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Weights and optimiser state on the CPU, gathered where they are sharded; what is not kept is let go."""
    for group in groups:
        for name, parameter in zip(group.names, group.parameters, strict=True):
            state = optimiser.state.get(parameter, {})
            held = {"weight": parameter.data, **{kind: state[kind] for kind in _STATES if kind in state}}
            for kind, tensor in held.items():
                full = whole(tensor)
                if keep:
                    yield f"{kind}/{name}", full.cpu().contiguous()


def _restore(path: Path, groups: Sequence[Group], optimiser: torch.optim.Optimizer) -> None:
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file, torch.no_grad():
        known = set(file.keys())
        for group in groups:
            for name, parameter in zip(group.names, group.parameters, strict=True):
                _fill(parameter.data, file.get_tensor(f"weight/{name}"))
                if f"step/{name}" not in known:
                    continue
                state = optimiser.state[parameter]
                for kind in ("exp_avg", "exp_avg_sq"):
                    state[kind] = torch.zeros_like(parameter)
                    _fill(state[kind], file.get_tensor(f"{kind}/{name}"))
                state["step"] = file.get_tensor(f"step/{name}").to(parameter.device)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor gathered from all processes, where it is sharded."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _fill(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """Copy a whole tensor to one that may be sharded."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if tensor.shape != value.shape:  # copy_() would spread it
        raise ValueError(f"a weight has shape {tuple(tensor.shape)} and had {tuple(value.shape)}")
    if isinstance(tensor, DTensor):
        value = distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements)
    tensor.copy_(value)


def _random_states(device: torch.device) -> dict[str, torch.Tensor]:
    import torch

    version, numbers, gauss = random.getstate()
    name, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
    assert version == 3 and name == "MT19937"
    found = {
        "python": torch.tensor(numbers, dtype=torch.int64),
        "python_gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy_gauss": torch.tensor([place, has_gauss, cached], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if device.type != "cpu":
        found["device"] = torch.get_device_module(device).get_rng_state()
    return found


def _restore_random(path: Path, device: torch.device) -> None:
    import torch
    from safetensors.torch import load_file

    found = load_file(path)
    gauss = found["python_gauss"].tolist()
    random.setstate((3, tuple(found["python"].tolist()), gauss[0] if gauss else None))
    place, has_gauss, cached = found["numpy_gauss"].tolist()
    np.random.set_state(
        ("MT19937", found["numpy"].numpy().astype(np.uint32), int(place), int(has_gauss), cached)
    )
    torch.set_rng_state(found["torch"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(found["device"])


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{before}{key}.") if isinstance(inner, Mapping) else {f"{before}{key}": inner}
    return found
