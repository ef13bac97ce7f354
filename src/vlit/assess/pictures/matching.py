"""Which photos are like an earlier one: all pairs of hashes within a distance, without trying all pairs.

A hash of 256 bits is cut into 16 bands of 16 bits. Of two hashes with at most 15 unequal bits one band at least
is equal (the pigeonhole principle); with at most 31, one band at least has no more than one unequal bit. So
only photos whose bands agree are compared, bit by bit, and no pair is missed. Photos that are equal in all are
told apart first, so that a thousand copies of one file cost a thousand steps.

Limit: among more than ``_CROWD`` unequal photos that share a band, each is compared with the ``_CROWD``
before it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlit.assess.pictures.fingerprint import HASH_BITS
from vlit.data.picture import Picture

I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]

BAND_BITS = 16
BANDS = HASH_BITS // BAND_BITS
MOST_DISTANCE = 2 * BANDS - 1
_CROWD = 2000
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Likeness:
    """For each photo the earlier one that is most like it, the first of equals.

    Attributes:
        distance: Unequal bits, shape (n,); ``HASH_BITS`` where no earlier photo is like it.
        other: Place of the earlier photo, shape (n,); -1 there.
    """

    distance: I64
    other: I64


def closest_earlier(pictures: Sequence[Picture], max_distance: int, min_cosine: float) -> Likeness:
    """Compare photos, which all have a hash and a descriptor, with those before them.

    Args:
        pictures: Photos in their order.
        max_distance: Unequal bits of two hashes that are alike, at most 31.
        min_cosine: Of the descriptors of two photos that are alike.
    """
    n = len(pictures)
    distance, other = np.full(n, HASH_BITS, np.int64), np.full(n, -1, np.int64)
    first: dict[tuple[str | None, bytes], int] = {}
    for place, picture in enumerate(pictures):
        before = first.setdefault((picture.hash, picture.descriptor), place)
        if before != place:
            distance[place], other[place] = 0, before
    distinct = np.flatnonzero(other < 0)
    if len(distinct) > 1:
        chosen = [pictures[i] for i in distinct.tolist()]
        search = _Search(chosen, max_distance, min_cosine)
        found = search.run()
        distance[distinct] = found.distance
        other[distinct] = np.where(found.other >= 0, distinct[found.other], -1)
    return Likeness(distance, other)


class _Search:
    """The search among unequal photos."""

    def __init__(self, pictures: Sequence[Picture], max_distance: int, min_cosine: float) -> None:
        self._max, self._cosine = max_distance, min_cosine
        hashes = b"".join(bytes.fromhex(p.hash or "") for p in pictures)
        self._bands = np.frombuffer(hashes, ">u2").astype(np.uint16).reshape(len(pictures), BANDS)
        data = b"".join(p.descriptor for p in pictures)
        self._vectors = np.frombuffer(data, "<f2").reshape(len(pictures), -1)
        self._distance = np.full(len(pictures), HASH_BITS, np.int64)
        self._other = np.full(len(pictures), -1, np.int64)

    def run(self) -> Likeness:
        for band in range(BANDS):
            for mask in self._masks():
                for later, earlier in _pairs(self._bands[:, band] & mask):
                    self._compare(later, earlier)
        return Likeness(self._distance, self._other)

    def _masks(self) -> list[np.uint16]:
        """Bits of a band that have to agree: all, or all but one after the other."""
        if self._max < BANDS:
            return [np.uint16(0xFFFF)]
        return [np.uint16(0xFFFF ^ 1 << bit) for bit in range(BAND_BITS)]

    def _compare(self, later: I64, earlier: I64) -> None:
        """Each of ``later`` with its partner of ``earlier``; no place is twice in ``later``."""
        for start in range(0, len(later), _CHUNK):
            i, j = later[start : start + _CHUNK], earlier[start : start + _CHUNK]
            unequal = _bit_counts()[self._bands[i] ^ self._bands[j]].sum(axis=1, dtype=np.int64)
            best = self._distance[i]
            better = (unequal <= self._max) & ((unequal < best) | ((unequal == best) & (j < self._other[i])))
            i, j, unequal = i[better], j[better], unequal[better]
            a, b = self._vectors[i].astype(np.float32), self._vectors[j].astype(np.float32)
            alike = (a * b).sum(axis=1) >= self._cosine
            self._distance[i[alike]], self._other[i[alike]] = unequal[alike], j[alike]


def _pairs(keys: U16) -> Iterator[tuple[I64, I64]]:
    """Places with equal keys, as (later, earlier); in each step a place is at most once the later one."""
    order = np.argsort(keys, kind="stable")  # equal keys stay in their order
    ranked = keys[order]
    places = np.arange(len(keys))
    for back in range(1, _CROWD + 1):
        places = places[places >= back]
        places = places[ranked[places] == ranked[places - back]]  # who has none so far back has none beyond
        if not len(places):
            return
        yield order[places], order[places - back]


@functools.cache
def _bit_counts() -> npt.NDArray[np.uint8]:
    """Bits that are set in each number of 16 bits."""
    counts = np.zeros(1 << 16, np.uint8)
    for bit in range(16):
        counts += (np.arange(1 << 16) >> bit & 1).astype(np.uint8)
    return counts
