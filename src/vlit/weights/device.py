"""Where a model runs and in which number format, and what happens when memory runs out.

Models run on the first GPU where there is one, else on the CPU; ``device`` names another. Weights are bfloat16
where the hardware multiplies it natively (CUDA from Ampere, CPUs with AVX-512 BF16 or AMX), else float32.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, TypeVar

from vlit.data.errors import VlitError
from vlit.data.score import shown

if TYPE_CHECKING:
    import torch

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741

#: What allocators say in a plain RuntimeError: CPU, MPS, cuBLAS, cuDNN.
_SPENT = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed", "failed to allocate")


def pick_device(device: str = "auto") -> torch.device:
    """The device of that name; for ``auto`` the first GPU, or the CPU.

    Raises:
        VlitError: For a name that torch does not know, and for a device that is not there.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        raise VlitError(
            f"there is no device {device!r} here: {str(error).splitlines()[0]}",
            where="device",
            todo="use `device: auto`, or cpu, cuda, cuda:1, mps",
        ) from None
    if found.type == "meta":
        raise VlitError("a meta device computes nothing", where="device", todo="use `device: auto`")
    return found


def pick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where it is multiplied natively, else float32."""
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return torch.float32
    capable = torch.cpu.get_capabilities()
    return torch.bfloat16 if capable.get("avx512_bf16") or capable.get("amx_bf16") else torch.float32


def in_batches(
    items: Sequence[I], size: int, run: Callable[[Sequence[I]], Iterable[O]], what: str
) -> Iterator[O]:
    """Results of ``run`` for all items, in order; where memory runs out, the batches are halved from there on.

    Args:
        items: Whatever ``run`` takes.
        size: Items of a batch at first.
        run: Gives one result for each item of a batch.
        what: The model, as the error names it.

    Raises:
        VlitError: When a single item is too much.
    """
    start = 0
    while start < len(items):
        batch = items[start : start + size]
        found = _tried(run, batch)
        if found is not None:
            yield from found
            start += len(batch)
            continue
        _let_go()
        if len(batch) == 1:
            raise VlitError(
                "memory runs out for one item at a time",
                where=what,
                todo="take a smaller model, `device: cpu`, or fewer --workers",
            )
        size = len(batch) // 2


def spent(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SPENT)


def _tried(run: Callable[[Sequence[I]], Iterable[O]], batch: Sequence[I]) -> Iterable[O] | None:
    """The results, or ``None`` where memory ran out; the error and what its frames hold is gone by then."""
    try:
        return run(batch)
    except (MemoryError, RuntimeError) as error:
        if not spent(error):
            raise
    return None


def _let_go() -> None:
    """Give what the failed batch has held back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def on_grid(length: int, longest: int) -> int:
    """What a text of so many tokens is padded to: the next multiple of 16, above 128 of 64.

    Few shapes and little padding, and a text's result does not depend on the longest of its batch.
    """
    step = 16 if length <= 128 else 64
    return min(-(-length // step) * step, max(longest, length))


def load(name: str, how: Callable[[], Any]) -> Any:
    """Load a model or processor.

    Args:
        name: Hub id or folder, for the error.
        how: Loads it.

    Raises:
        VlitError: When there is no such model, it cannot be reached, its files are damaged, or packages that it
            needs lack.
    """
    try:
        return how()
    except ImportError as error:
        raise VlitError(
            f"a package is missing: {error}", where=name, todo="pip install 'vlit[tune,assess]'"
        ) from error
    except _failures() as error:
        if spent(error):
            raise
        if _no_folder(name):
            raise VlitError(
                "there is no such folder",
                where=name,
                todo="correct the path; one that is not absolute starts at the recipe's folder",
            ) from None
        if isinstance(error, _damaged()):
            said = f"a file of its weights is damaged: {error}"
            raise VlitError(said, where=name, todo="download or write it anew") from error
        raise VlitError(
            f"the model cannot be loaded: {_said(error)}", where=name, todo=_advice(name)
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    return (OSError, ValueError, KeyError, *_damaged())


def _damaged() -> tuple[type[Exception], ...]:
    """What readers of weights raise where a file ends too early, or is another one."""
    safetensors = sys.modules.get("safetensors")  # who has not imported it has read nothing with it
    return (EOFError, UnpicklingError, *((safetensors.SafetensorError,) if safetensors else ()))


def _no_folder(name: str) -> bool:
    """Whether a name is that of a folder, and there is none: a hub id is ``model`` or ``owner/model``."""
    path = name.partition("#")[0]
    return (path.startswith(("/", ".", "~")) or path.count("/") > 1) and not Path(path).exists()


def _said(error: Exception) -> str:
    """The first line of what it says; all of it where that only announces what comes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return shown(" ".join(lines), 400) if lines[0].endswith(":") else lines[0]


def _advice(name: str) -> str:
    if Path(name).is_dir():
        return "name a folder that save_pretrained has written, with its tokenizer or processor"
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        return "HF_HUB_OFFLINE is set: name a local folder, or download the model before"
    return "correct the hub id, or name a local folder; without a network, download the model before"


def quiet() -> None:
    """Let transformers load weights without bars and notices: the run has its own progress."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    for name in ("transformers", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
