"""Filters and sums that several measures share. Plain sums of arrays: results never depend on threads."""

from __future__ import annotations

import numpy as np

from vlit.assess.pictures.pixels import F32


def smoothed(values: F32) -> F32:
    """Binomial window of 7 x 7 (standard deviation 1.22), inner part: shape (h - 6, w - 6)."""
    for _ in range(6):
        values = values[:-1] + values[1:]
    for _ in range(6):
        values = values[:, :-1] + values[:, 1:]
    return values * np.float32(1 / 4096)


def halved(values: F32) -> F32:
    """Means of 2 x 2, shape (h // 2, w // 2)."""
    h, w = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    v = values[:h, :w]
    rows = v[::2] + v[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)


def block_sums(values: F32, height: int, width: int) -> F32:
    """Sums over a grid of whole blocks from the upper left, shape (h // height, w // width)."""
    rows, columns = values.shape[0] // height, values.shape[1] // width
    v = values[: rows * height, : columns * width]
    v = np.add.reduceat(v, np.arange(0, rows * height, height), axis=0)
    return np.add.reduceat(v, np.arange(0, columns * width, width), axis=1)
