"""Products of many rows with many: numpy in float32, or torch in bfloat16 or float32 on any of its devices.

An engine changes the speed of a result, never the result: what it lets through is verified.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from vlit.assess.clustering.rows import F32, F64, I32, Array, Places

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """How rows are stored and multiplied."""

    name: str
    #: Verifying one pair takes as long as so many multiplications of a product.
    verifying: float
    #: Whether products come to this processor's memory, where compiled loops scan them.
    here: bool
    #: How many threads should use it at once.
    workers: int

    def one_thread_each(self) -> AbstractContextManager[None]:
        """Within it several threads multiply at once."""

    def store(self, n: int, width: int) -> Any:
        """Room for n rows."""

    def put(self, store: Any, part: slice, heads: F32, tail: bool = False) -> F64:
        """Store rows, rounded (a ``tail`` in the last column upwards); give the norm of what that changed."""

    def chosen(self, store: Any, places: Places) -> Any:
        """Some of the stored rows, copied."""

    def products(self, left: Any, right: Any) -> Array:
        """All rows on the left with all on the right; overwritten by the thread's next call. ``here`` only."""

    def limits(self, bounds: F64) -> Array:
        """Bounds as numbers that products can be compared with (``scans.scanned``), rounded down."""

    def passing(self, left: Any, right: Any, bounds: F64, columns: int, shift: int) -> I32:
        """Places of the products that reach the bound of their row: ``columns``, from row + ``shift`` on."""

    def largest(self, left: Any, right: Any, count: int) -> I32:
        """For each row on the left the rows on the right of largest product, the largest first."""


class NumpyEngine:
    """Float32 by numpy."""

    name, verifying, here, workers = "numpy float32", 3_000.0, True, 1  # its library has threads of its own

    def __init__(self) -> None:
        self._own = threading.local()

    def one_thread_each(self) -> AbstractContextManager[None]:
        """See ``Engine``. The library of numpy keeps its threads."""
        return nullcontext()

    def store(self, n: int, width: int) -> F32:
        """See ``Engine``."""
        return np.empty((n, width), np.float32)

    def put(self, store: F32, part: slice, heads: F32, tail: bool = False) -> F64:
        """See ``Engine``."""
        store[part] = heads
        return np.zeros(len(heads))

    def chosen(self, store: F32, places: Places) -> F32:
        """See ``Engine``."""
        return store.take(places, axis=0)

    def products(self, left: F32, right: F32) -> Array:
        """See ``Engine``."""
        size = len(left) * len(right)
        buffer = getattr(self._own, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = self._own.buffer = np.empty(size, np.float32)
        return np.matmul(left, right.T, out=buffer[:size].reshape(len(left), len(right)))

    def limits(self, bounds: F64) -> Array:
        """See ``Engine``."""
        return _below(bounds)

    def passing(self, left: F32, right: F32, bounds: F64, columns: int, shift: int) -> I32:
        """See ``Engine``."""
        found = self.products(left, right)[: len(bounds), :columns] >= self.limits(bounds)[:, None]
        return np.argwhere(np.triu(found, shift)).astype(np.int32)

    def largest(self, left: F32, right: F32, count: int) -> I32:
        """See ``Engine``."""
        return _largest(self.products(left, right), count)


class TorchEngine:
    """Bfloat16 or float32 by torch, on the processor or another device."""

    def __init__(self, device: str, dtype: str) -> None:
        import torch

        self.torch, self.device, self.dtype = torch, torch.device(device), getattr(torch, dtype)
        self.name, self.here = f"torch {dtype} on {device}", self.device.type == "cpu"
        self.workers = min(processors(), torch.get_num_threads())  # who set the latter meant it
        self.verifying = 9_000.0 if dtype == "bfloat16" else 3_000.0
        if not self.here:
            self.verifying = 1e6  # the device multiplies, the processor verifies
        self._own = threading.local()

    @contextmanager
    def one_thread_each(self) -> Iterator[None]:
        """See ``Engine``. New threads take the number of threads that was set last."""
        before, cuda = self.torch.get_num_threads(), self.torch.backends.cuda.matmul
        reduced = cuda.allow_bf16_reduced_precision_reduction
        try:
            if self.here:
                self.torch.set_num_threads(1)
            else:
                cuda.allow_bf16_reduced_precision_reduction = False  # the bounds count on sums in float32
            yield
        finally:
            if self.here:
                self.torch.set_num_threads(before)
            else:
                cuda.allow_bf16_reduced_precision_reduction = reduced

    def store(self, n: int, width: int) -> Any:
        """See ``Engine``."""
        return self.torch.empty((n, width), dtype=self.dtype, device=self.device)

    def put(self, store: Any, part: slice, heads: F32, tail: bool = False) -> F64:
        """See ``Engine``."""
        if tail and self.dtype == self.torch.bfloat16:
            heads[:, -1] = _up(heads[:, -1])
        exact = self.torch.from_numpy(heads)
        rounded = exact.to(self.dtype)
        store[part] = rounded.to(self.device)
        lost: F64 = (exact - rounded.float()).norm(dim=1).double().numpy()
        return lost * 1.001

    def chosen(self, store: Any, places: Places) -> Any:
        """See ``Engine``."""
        return store.index_select(0, self.torch.from_numpy(places).to(self.device))

    def products(self, left: Any, right: Any) -> Array:
        """See ``Engine``."""
        found = self._products(left, right)
        products: Array = (found if self.dtype == self.torch.float32 else found.view(self.torch.int16)).numpy()
        return products

    def limits(self, bounds: F64) -> Array:
        """See ``Engine``.

        A bfloat16 is the upper half of a float32. A sum that reaches the bound still reaches the bound rounded
        down when it is rounded itself: rounding keeps the order. So the rounding of the products costs nothing.
        """
        below = _below(bounds)
        if self.dtype == self.torch.float32:
            return below
        bits = (below.view(np.uint32) >> 16).astype(np.int32)
        # turned as in ``lanes.turned``; what was cut off made a negative number larger: one step back
        return np.where(bits < 0x8000, bits, np.maximum(-2 - (bits & 0x7FFF), -0x8000)).astype(np.int16)

    def passing(self, left: Any, right: Any, bounds: F64, columns: int, shift: int) -> I32:
        """See ``Engine``."""
        lowest = self.torch.from_numpy(_below(bounds - np.abs(bounds) * 2.0**-7)).to(self.device)
        found = self._products(left, right)[: len(bounds), :columns] >= lowest[:, None]
        if shift > -len(left):
            found = found.triu(shift)
        places: I32 = found.nonzero().to(dtype=self.torch.int32).cpu().numpy()
        return places

    def largest(self, left: Any, right: Any, count: int) -> I32:
        """See ``Engine``."""
        if self.here:
            return _largest(self.products(left, right), count)
        places = self._products(left, right).topk(count, dim=1).indices
        found: I32 = places.to(dtype=self.torch.int32).cpu().numpy()
        return found

    def _products(self, left: Any, right: Any) -> Any:
        size = len(left) * len(right)
        buffer = getattr(self._own, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = self._own.buffer = self.torch.empty(size, dtype=self.dtype, device=self.device)
        return self.torch.mm(left, right.T, out=buffer[:size].view(len(left), len(right)))


def engine_for(device: str) -> Engine:
    """An engine.

    Args:
        device: ``auto`` (a GPU, else the processor), ``numpy`` (without torch), or a device of torch, such as
            ``cpu`` or ``cuda:1``.

    Raises:
        ValueError: A device of torch where there is no torch.
    """
    if device == "numpy":
        return NumpyEngine()
    try:
        import torch
    except ImportError:
        if device == "auto":
            return NumpyEngine()
        raise ValueError(f"device {device!r} needs torch; without it there is 'numpy'") from None
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if torch.device(device).type != "cpu":
        return TorchEngine(device, "bfloat16")
    if _bfloat16_is_fast():
        return TorchEngine("cpu", "bfloat16")
    # at a lower precision torch may round float32 before it multiplies
    return TorchEngine("cpu", "float32") if torch.get_float32_matmul_precision() == "highest" else NumpyEngine()


def processors() -> int:
    """How many of them this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(engine: Engine, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function to each item, in the engine's threads; results come in the order of the items."""
    with engine.one_thread_each(), ThreadPoolExecutor(engine.workers) as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > 2 * engine.workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


@functools.cache
def _bfloat16_is_fast() -> bool:
    """Whether this processor multiplies bfloat16 by itself; others imitate it, slowly."""
    flags = {"avx512_bf16", "amx_bf16", "svebf16", "bf16"}
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return not flags.isdisjoint(told.split())


def _largest(products: Array, count: int) -> I32:
    from vlit.assess.clustering import scans

    lowest = np.int16(-0x8000) if products.dtype == np.int16 else np.float32(-np.inf)
    found: I32 = scans.largest(products, count, lowest)
    return found


def _up(numbers: F32) -> F32:
    """The next bfloat16 of numbers from 0 on, as float32."""
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    return ((bits + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)).view(np.float32)


def _below(bounds: F64) -> F32:
    """Float32 below, whichever way the conversion rounds."""
    with np.errstate(over="ignore"):
        return np.nextafter(bounds.astype(np.float32), np.float32(-np.inf), dtype=np.float32)
