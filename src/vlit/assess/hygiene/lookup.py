"""What an indicator tells of some samples, looked up by 64-bit keys: arrays, for it goes to every worker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Lookup:
    """Key -> (number, id). 16 bytes and the id's own text each; a dictionary of tuples takes 250 more.

    Args:
        keys: Distinct unsigned 64-bit integers, in any order.
        numbers: One for each key.
        ids: One for each key.
    """

    def __init__(self, keys: npt.ArrayLike, numbers: npt.ArrayLike, ids: Sequence[str]) -> None:
        found = np.asarray(keys, np.uint64)
        order = np.argsort(found)
        self._keys = found[order]
        self._numbers = np.asarray(numbers, np.float64)[order]
        self._ids = pa.array(ids, pa.large_string()).take(pa.array(order))

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: Sequence[int]) -> list[tuple[float, str] | None]:
        """What is told of each key; ``None`` where nothing is."""
        if not len(self._keys) or not len(keys):
            return [None] * len(keys)
        wanted = np.asarray(keys, np.uint64)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        there = self._keys[at] == wanted
        return [
            (float(self._numbers[i]), self._ids[i].as_py()) if here else None
            for i, here in zip(at.tolist(), there.tolist(), strict=True)
        ]
