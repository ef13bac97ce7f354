"""How many floating-point operations a device can do in a second: what MFU is a share of.

A figure that nobody has published is not made up: without one MFU is left out.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Peak(NamedTuple):
    """Dense operations a second, in units of 10^12; ``None`` where the hardware has no such units."""

    bf16: float | None  #: tensor cores, sums in float32
    tf32: float | None
    fp32: float


#: By what the driver calls the device; the first that fits. Sources: NVIDIA's data sheets of each product, and
#: its whitepapers on the Ampere, Ada and Hopper architectures; figures "with sparsity" are halved.
_GPUS: tuple[tuple[str, Peak], ...] = (
    ("H200 NVL", Peak(835.5, 417.5, 60.0)),
    ("H200", Peak(989.4, 494.7, 66.9)),
    ("H100 NVL", Peak(835.5, 417.5, 60.0)),
    ("H100 PCIe", Peak(756.0, 378.0, 51.2)),
    ("H100", Peak(989.4, 494.7, 66.9)),
    ("H20", Peak(148.0, 74.0, 44.0)),
    ("A100", Peak(312.0, 156.0, 19.5)),
    ("A800", Peak(312.0, 156.0, 19.5)),
    ("A30", Peak(165.0, 82.0, 10.3)),
    ("A40", Peak(149.7, 74.8, 37.4)),
    ("RTX A6000", Peak(154.8, 77.4, 38.7)),
    ("A10", Peak(125.0, 62.5, 31.2)),
    ("L40S", Peak(362.0, 183.0, 91.6)),
    ("L40", Peak(181.0, 90.5, 90.5)),
    ("L4", Peak(121.0, 60.0, 30.3)),
    ("RTX 4090", Peak(165.2, 82.6, 82.6)),
    ("RTX 3090", Peak(71.0, 35.6, 35.6)),
    ("V100 PCIE", Peak(None, None, 14.0)),
    ("V100", Peak(None, None, 15.7)),
    ("T4", Peak(None, None, 8.1)),
)
#: Names of devices that hold one of the above and are others.
_OTHERS = ("Laptop", "Max-Q", "Mobile", "RTX 4090 D", "MIG")
_SIDE = 1024  #: of the matrices that a CPU is measured with
_LONG = 0.3  #: seconds of it


def peak_flops(device: torch.device, precision: str) -> float | None:
    """Operations a second at most: of a GPU as published, of a CPU as measured by a large product of matrices.

    Args:
        device: Where the model computes.
        precision: ``bf16`` or ``fp32``; on a GPU the latter is TF32 where torch is allowed to use it.

    Returns:
        ``None`` for a device that nobody has published figures of.
    """
    import torch

    if device.type == "cpu":
        return _measured(precision, torch.get_num_threads())
    if device.type != "cuda":
        return None
    kind = precision
    if precision == "fp32" and torch.get_float32_matmul_precision() != "highest":
        kind = "tf32"
    return published(torch.cuda.get_device_name(device), kind)


def published(name: str, kind: str) -> float | None:
    """Operations a second of a GPU.

    Args:
        name: As its driver calls it, such as ``NVIDIA H200``.
        kind: ``bf16``, ``tf32`` or ``fp32``.
    """
    if any(other in name for other in _OTHERS):
        return None
    words = name.replace("-", " ").split()
    for known, peak in _GPUS:
        own = known.split()
        if any(words[i : i + len(own)] == own for i in range(len(words))):
            found: float | None = getattr(peak, kind)
            return None if found is None else found * 1e12
    return None


@cache
def _measured(precision: str, threads: int) -> float:
    """The best of many products of 1024 x 1024 matrices: others may have the machine for a part of the time."""
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one = torch.full((_SIDE, _SIDE), 0.5, dtype=dtype)
    best, until = float("inf"), time.perf_counter() + _LONG
    while time.perf_counter() < until:
        begun = time.perf_counter()
        torch.mm(one, one)
        best = min(best, time.perf_counter() - begun)
    return 2 * _SIDE**3 / best
