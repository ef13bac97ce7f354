"""Some of the tensors of a checkpoint, without building its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from vlit.data.errors import VlitError
from vlit.weights.device import load

if TYPE_CHECKING:
    import torch


def tensors(name: str, starts: tuple[str, ...] = ("",)) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors checkpoint by name, in float32; of a large one only the files that hold them.

    Args:
        name: Hub id or folder.
        starts: How the names of the tensors begin.

    Raises:
        VlitError: When there is no such checkpoint, or it is not stored as safetensors.
    """
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    for file in load(name, lambda: _files(name, starts)):
        with safe_open(file, framework="pt") as stored:
            wanted = [key for key in list(stored.keys()) if key.startswith(starts)]
            found |= {key: stored.get_tensor(key).float() for key in wanted}
    return found


def _files(name: str, starts: tuple[str, ...]) -> list[str]:
    from transformers.utils.hub import cached_file

    def there(file: str) -> str | None:
        path: str | None = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
        return path

    if index := there("model.safetensors.index.json"):
        places = json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"]
        return [str(there(file)) for file in sorted({f for key, f in places.items() if key.startswith(starts)})]
    if whole := there("model.safetensors"):
        return [whole]
    raise VlitError(
        "there is no model.safetensors", where=name, todo="load the model once and save_pretrained it anew"
    )
