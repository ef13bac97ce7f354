"""A filter that lets every pair of neighbours through and few others: products of short, rounded rows.

|x - y| <= eps means x.y >= (|x|^2 + |y|^2 - eps^2) / 2. Rows are turned so that their first coordinates hold
most of their length; of the others only the norm is kept. With heads h and tails of norm t, Cauchy and Schwarz
give x.y <= h_x.h_y + t_x t_y: one product of p + 1 numbers instead of d. Whatever rounding can take from it is
bounded and allowed for: the norm of what each row lost when it became bfloat16, the error of the rotation, the
error of the sums.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlit.assess.clustering.engines import Engine, in_order
from vlit.assess.clustering.rows import F32, F64, I64, Array, Places, blocks

WIDTHS = (31, 63, 95, 127, 159, 191, 255, 319)  # of heads; one more is the tail, and makes them multiples of 32
SHORT = 48  # rows of up to so many numbers are taken whole
FEW = 4096  # of so few rows all products take less time than to find the directions that matter
SAMPLE = 4096
PADDING = 512  # rows of zeros behind the last
TINY = 1e-30  # what vanishes from products of numbers up to 1
UNIT = 2.0**-24  # float32 rounds by up to so much of a number


@dataclass(frozen=True)
class Frame:
    """Where rows are looked at from: moved by ``mean``, scaled into the unit ball, turned by ``basis``."""

    mean: Array | None
    scale: float
    basis: F32 | None  #: shape (d, p), orthonormal columns; None keeps rows as they are

    def moved(self, rows: Array) -> F32:
        """Rows, moved and scaled: each number off by at most 4 units."""
        kind = np.float64 if rows.dtype == np.float64 or not 1e-30 < self.scale < 1e30 else np.float32
        wide: Array = rows.astype(kind)
        if self.mean is not None:
            wide = wide - self.mean.astype(kind)
        return (wide * kind(self.scale)).astype(np.float32, copy=False)

    def norms(self, vectors: Array, rows: I64) -> F64:
        """Norms of some rows in this frame, from 0 to 1."""
        found = np.empty(len(rows))
        for part in blocks(len(rows)):
            found[part] = np.linalg.norm(self.moved(vectors[rows[part]]), axis=1)
        return found

    def heads(self, rows: Array) -> tuple[F32, F64, F64]:
        """First coordinates and the norm of the others; norms of the rows; error of the coordinates."""
        moved = self.moved(rows)
        square = np.einsum("ij,ij->i", moved, moved).astype(np.float64)
        norm = np.sqrt(square)
        if self.basis is None:
            return moved, norm, norm * 4 * UNIT
        d, p = self.basis.shape
        turning = (d + 8) * UNIT * np.sqrt(p)
        heads = np.empty((len(moved), p + 1), np.float32)
        heads[:, :p] = moved @ self.basis
        rest = square - np.einsum("ij,ij->i", heads[:, :p], heads[:, :p])
        heads[:, p] = np.sqrt(np.maximum(rest, 0) + 3 * turning * square) * (1 + 4 * UNIT)  # never too small
        return heads, norm, norm * turning


@dataclass(frozen=True)
class Filter:
    """Heads of all points in the order that they are worked on, and what is known of their errors."""

    engine: Engine
    store: Any  #: heads, of the engine
    norm: F64  #: shape (points,), of the moved rows
    error: F64  #: shape (points,): norm of the difference between a head and what is stored of it
    eps: float  #: in the scale of the frame
    dimensions: int  #: of the rows

    @classmethod
    def of(cls, engine: Engine, vectors: Array, rows: I64, frame: Frame, eps: float) -> Filter:
        """Store the heads of some rows of the vectors."""
        width = vectors.shape[1] if frame.basis is None else frame.basis.shape[1] + 1
        store = engine.store(len(rows) + PADDING, width)
        padding = slice(len(rows), len(rows) + PADDING)
        engine.put(store, padding, np.zeros((PADDING, width), np.float32))
        norm, error = np.empty(len(rows)), np.empty(len(rows))

        def work(part: slice) -> None:
            heads, norm[part], turning = frame.heads(vectors[rows[part]])
            error[part] = engine.put(store, part, heads, tail=frame.basis is not None) + turning

        for _ in in_order(engine, work, blocks(len(rows))):
            pass
        return cls(engine, store, norm, error, eps * frame.scale, vectors.shape[1])

    def ordered(self, order: I64) -> Filter:
        """The same points in another order."""
        padded = np.concatenate([order, np.arange(len(order), len(order) + PADDING)])
        store, norm, error = self.engine.chosen(self.store, padded), self.norm[order], self.error[order]
        return Filter(self.engine, store, norm, error, self.eps, self.dimensions)

    def operands(self, places: slice | Places, count: int) -> Any:
        """Stored rows for a product, and some more: libraries prepare themselves for each size anew."""
        size = padded_size(count)
        if isinstance(places, slice):
            return self.store[places.start : places.start + size]
        padded = np.concatenate([places, np.zeros(size - count, places.dtype)])
        return self.engine.chosen(self.store, padded)

    def bounds(self, left: slice | Places, right: slice | Places) -> F64:
        """For each point on the left, what its product with any neighbour on the right reaches at least."""
        a, e = self.norm[left], self.error[left]
        b, f = self.norm[right], self.error[right].max()
        lowest, highest = b.min(), b.max()
        least = (a**2 + lowest**2 - self.eps**2) / 2
        rounding = e * highest + (a + e) * f
        # sums in float32 of numbers whose norms are those of the rows, up to a few percent
        sums = 4 * (self.store.shape[1] + 8) * UNIT * (a + e) * (highest + f)
        squares = (self.dimensions + 16) * UNIT * (a**2 + highest**2 + self.eps**2)
        own: F64 = least - rounding - sums - squares - TINY
        return own

    def apart(self, left: slice | Places, right: slice | Places) -> bool:
        """Whether the norms alone tell that there are no neighbours here."""
        a, b = self.norm[left], self.norm[right]
        gap = max(a.min() - b.max(), b.min() - a.max())
        error = 4 * (self.dimensions + 16) * UNIT
        return bool(gap > self.eps * (1 + error) + error * max(a.max(), b.max()) + TINY)


def padded_size(count: int) -> int:
    """The next multiple of 64, or of 512 from there on."""
    step = 64 if count <= PADDING else PADDING
    return -(-count // step) * step


def frame_for(
    sample: Array,
    groups: list[I64],
    largest: float,
    eps: float,
    engine: Engine,
    least: int = 0,
    rows: int = sys.maxsize,
) -> Frame:
    """A frame in which the filter is cheap.

    Args:
        sample: Some of the rows.
        groups: Places in the sample: pairs within a group are like those that will be compared.
        largest: The largest norm of all rows.
        eps: Radius, in the scale of the rows.
        engine: Tells what a multiplication costs beside verifying a pair.
        least: How many numbers of a row to keep at least.
        rows: How many there are of them all.
    """
    wide = sample.astype(np.float64)
    mean = wide.mean(axis=0)
    centred = bool(mean @ mean > 4 * np.mean((wide - mean) ** 2) * wide.shape[1])
    reach = largest + (np.linalg.norm(mean) if centred else 0.0)
    frame = Frame(mean if centred else None, float(1 / reach) if reach > 0 else 1.0, None)
    d = wide.shape[1]
    if d <= SHORT or rows <= FEW:
        return frame
    moved = frame.moved(sample).astype(np.float64)
    basis = _directions(moved, min(d, WIDTHS[-1]))
    p = max(_best_width(moved, basis, groups, eps * frame.scale, engine), min(least, d))
    return frame if p >= d else Frame(frame.mean, frame.scale, np.ascontiguousarray(basis[:, :p], np.float32))


def _best_width(moved: Array, basis: Array, groups: list[I64], eps: float, engine: Engine) -> int:
    """How many numbers of a row to keep: more cost products, fewer let more pairs through."""
    # an estimate: half the precision is enough, in half the time
    moved, basis = moved.astype(np.float32), basis.astype(np.float32)
    turned, square = moved @ basis, np.einsum("ij,ij->i", moved, moved)
    d = moved.shape[1]
    slack = 0.004 if "bfloat16" in engine.name else 0.0005
    exact = [moved[group] @ moved[group].T for group in groups]
    costs = {d: float(d)}
    for p in (width for width in WIDTHS if width < min(d, basis.shape[1] + 1)):
        head = turned[:, :p]
        tail = np.sqrt(np.maximum(square - np.einsum("ij,ij->i", head, head), 0))
        passed = pairs = 0
        for group, product in zip(groups, exact, strict=True):
            upper = head[group] @ head[group].T + np.outer(tail[group], tail[group])
            least = (square[group][:, None] + square[group] - eps**2) / 2
            passed += int(np.sum((upper >= least - slack) & (product < least)))
            pairs += upper.size
        costs[p] = p + 1 + engine.verifying * passed / max(pairs, 1)
    best: int = min(costs, key=lambda p: (costs[p], p))
    return best


def _directions(moved: F64, count: int) -> F64:
    """Orthonormal directions that hold most of the rows' length, the longest first. Shape (d, count)."""
    d = moved.shape[1]
    if d <= 1024:
        values, vectors = np.linalg.eigh(moved.T @ moved)
        return vectors[:, np.argsort(-values, kind="stable")[:count]]
    found = np.linalg.qr(moved.T @ moved[:, :count])[0]  # subspace iteration
    for _ in range(2):
        found = np.linalg.qr(moved.T @ (moved @ found))[0]
    values, turns = np.linalg.eigh((moved @ found).T @ (moved @ found))
    basis: F64 = found @ turns[:, np.argsort(-values, kind="stable")]
    return basis
