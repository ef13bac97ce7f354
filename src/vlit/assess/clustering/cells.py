"""Cells around centres, for points that are too many to compare each with each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.clusters import Stretch
from vlit.assess.clustering.engines import Engine, in_order
from vlit.assess.clustering.filters import Frame
from vlit.assess.clustering.rows import F32, I32, I64, Array, blocks
from vlit.data.seeds import rng

ROUNDS = 6  # of k-means
PER_CELL = 16  # points of the sample for each centre
ASSIGNED = 512  # points whose products with all centres are looked at together


@dataclass(frozen=True)
class Cells:
    """Each point is at home in the cell of the nearest centre, and visits the nearest others."""

    near: npt.NDArray[np.uint16] | I32  #: shape (points, probes): the home first
    count: int

    @property
    def home(self) -> Array:
        """Shape (points,)."""
        return self.near[:, 0]

    def visits(self, order: I64) -> tuple[I64, I32]:
        """Places in ``order`` of the visitors of each cell, ascending, as compressed rows."""
        from vlit.assess.clustering import scans

        found: tuple[I64, I32] = scans.visitors(self.near, order, self.count)
        return found

    def kept(self, pairs: I32, stretch: Stretch) -> I32:
        """Those pairs of visitor and host that meet nowhere else, or here first."""
        from vlit.assess.clustering import scans

        if isinstance(stretch.left, slice):  # both are at home here
            return pairs
        kept = np.empty_like(pairs)
        return kept[: scans.kept_once(pairs, self.near, kept)]


def centres_of(engine: Engine, frame: Frame, vectors: Array, rows: I64, count: int, seed: int) -> Any:
    """Directions by spherical k-means over the heads of a sample, stored for products with heads."""
    drawn = sorted(rng(seed, "cells").sample(range(len(rows)), min(len(rows), PER_CELL * count)))
    sample = np.asarray(drawn, np.int64)
    heads = np.concatenate([frame.heads(vectors[rows[sample[part]]])[0] for part in blocks(len(sample))])
    if frame.basis is not None:
        heads[:, -1] = 0  # the norm of the tail has no direction
    store = engine.store(len(heads), heads.shape[1])
    engine.put(store, slice(0, len(heads)), heads)
    first = rng(seed, "centres").sample(range(len(heads)), count)
    centres = _directions(heads[np.sort(first)])
    stored = engine.store(count, heads.shape[1])
    for _ in range(ROUNDS):
        engine.put(stored, slice(0, count), centres)
        home = nearest(engine, store, stored, 1)[:, 0]
        centres = _moved(centres, heads, home)
    engine.put(stored, slice(0, count), centres)
    return stored


def nearest(engine: Engine, store: Any, centres: Any, probes: int) -> Array:
    """For each stored row the centres of largest product, the largest first, the others in any order."""
    near = np.empty((len(store), probes), np.uint16 if len(centres) <= 1 << 16 else np.int32)
    parts = list(blocks(len(store), ASSIGNED))
    found = in_order(engine, lambda part: engine.largest(store[part], centres, probes), parts)
    for part, cells in zip(parts, found, strict=True):
        near[part] = cells
    return near


def _moved(centres: F32, heads: F32, home: Array) -> F32:
    """Each centre in the middle of the heads at home with it; an empty one stays."""
    order = np.argsort(home, kind="stable")
    cells, starts = np.unique(home[order], return_index=True)
    moved = centres.copy()
    moved[cells] = _directions(np.add.reduceat(heads[order], starts, axis=0))
    return moved


def _directions(rows: F32) -> F32:
    """Rows of unit length; zero rows stay."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm > 0, norm, np.float32(1))).astype(np.float32, copy=False)
