"""Load what was saved as a stranger would: in a process of its own, with transformers alone; see its logits.

    from tests.tune import fresh

    (there,) = fresh.logits(fresh.Saved(folder, {"input_ids": ids, "pixel_values": pixels}))
    assert np.array_equal(there, here)

Several folders go into one call: the start of the process is what costs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Saved:
    """A folder that ``save_pretrained`` has written, and what its model is asked."""

    folder: Path
    inputs: Mapping[str, Any]  #: keyword arguments of the forward pass; tensors or arrays
    kind: str = "AutoModelForImageTextToText"  #: class of transformers that loads it
    trust: bool = False  #: let the checkpoint bring its own code (``trust_remote_code``)
    adapter: Path | None = None  #: folder of peft adapters that are put on it


def logits(*saved: Saved, vlit: bool = False) -> list[NDArray[Any]]:
    """``model(**inputs).logits`` in float32 of each, from one fresh process.

    Args:
        saved: Any number.
        vlit: Whether vlit's own classes may be known there. By default its import is an error.

    Raises:
        AssertionError: When the process fails; with what it said.
    """
    with tempfile.TemporaryDirectory() as place:
        for number, one in enumerate(saved):
            arrays: dict[str, Any] = {name: _array(value) for name, value in one.inputs.items()}
            np.savez(Path(place) / f"{number}.npz", **arrays)
        jobs = [(str(s.folder), s.kind, s.trust, None if s.adapter is None else str(s.adapter)) for s in saved]
        run(_SCRIPT.format(jobs=jobs, vlit=vlit, place=place))
        return [np.load(Path(place) / f"logits-{number}.npy") for number in range(len(saved))]


def run(script: str) -> str:
    """What a script prints in a fresh python, away from the checkout and without a network."""
    with tempfile.TemporaryDirectory() as empty:
        found = subprocess.run(
            [sys.executable, "-c", script],
            cwd=empty,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": empty},
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 0, found.stderr[-4000:]
    return found.stdout


def _array(value: Any) -> NDArray[Any]:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


_SCRIPT = """
import sys
import numpy as np, torch, transformers
if {vlit}:
    import vlit.tune.models.registry as registry
    for name in registry.ARCHITECTURES.names():
        try:
            registry.ARCHITECTURES.load(name)
        except ImportError:
            pass
torch.set_num_threads(1)
for number, (folder, kind, trust, adapter) in enumerate({jobs}):
    model = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32, trust_remote_code=trust)
    if adapter is not None:
        import peft
        model = peft.PeftModel.from_pretrained(model, adapter)
    arrays = np.load({place!r} + f"/{{number}}.npz")
    inputs = {{name: torch.from_numpy(arrays[name]) for name in arrays}}
    with torch.no_grad():
        found = model.eval()(**inputs).logits
    np.save({place!r} + f"/logits-{{number}}.npy", found.float().numpy())
if not {vlit}:
    assert not [name for name in sys.modules if name.split(".")[0] == "vlit"], "this checkpoint needs vlit"
"""
