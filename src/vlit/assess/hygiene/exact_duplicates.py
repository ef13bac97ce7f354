"""Hygiene: samples that repeat an earlier one.

Two samples are the same when they show the same images in the same order (by content hash, else by URI) and
their turns have the same roles and the same normalised text: lower case, white space collapsed. The value is
how many earlier samples of the set are the same (0 for the first of its kind).

Memory: the id and 8 bytes a sample during the pass (64 bits of BLAKE2: among 4 million samples the chance of
any false match is 4e-7; 110 MB a million), afterwards 16 bytes and an id for each repeated sample.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.indicator import Indicator, NoConfig
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.data.seeds import hash64


class ExactDuplicate(Indicator[NoConfig]):
    """How many earlier samples have the same images and the same text."""

    name: ClassVar[str] = "exact_duplicate"
    principle = "hygiene"
    direction = "lower is better"

    def fit(self) -> _Pass:
        """Collect hashes of all samples."""
        return _Pass()

    def score(self, part: Part, state: Lookup) -> Iterator[Score]:
        """Look up each sample among the repeated ones."""
        found = state.find([hash64(s.id) for s in part.samples])
        for sample, repeats in zip(part.samples, found, strict=True):
            if repeats is None:
                yield self.of(sample, 0.0)
            else:
                yield self.of(sample, repeats[0], f"the same images and text as {repeats[1]}")


class _Pass:
    def __init__(self) -> None:
        self._hashes = array("Q")
        self._ids: list[str] = []

    def add(self, sample: Sample) -> None:
        self._hashes.append(content_hash(sample))
        self._ids.append(sample.id)

    def state(self, seen: Seen) -> Lookup:
        """Repeated samples: hash of the id -> (how many came before, the first one's id)."""
        hashes = np.frombuffer(self._hashes, dtype=np.uint64) if self._hashes else np.zeros(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        keys, counts, firsts = array("Q"), array("Q"), []
        first, earlier = 0, 0
        same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1
        previous = -2
        for place in same.tolist():
            if place != previous + 1:
                first, earlier = int(order[place - 1]), 0
            earlier += 1
            keys.append(hash64(self._ids[int(order[place])]))
            counts.append(earlier)
            firsts.append(self._ids[first])
            previous = place
        return Lookup(keys, counts, firsts)


def content_hash(sample: Sample) -> int:
    """64 bits that are equal for equal images and equal normalised text."""
    parts = [image.sha256 or image.uri for image in sample.images]
    parts += [f"{turn.role}\x1e{normalised(turn.text)}" for turn in sample.turns]
    return hash64("\x1f".join(parts))


def normalised(text: str) -> str:
    """Lower case, white space collapsed."""
    lower = text.lower()
    single = lower.isprintable() and "  " not in lower and lower == lower.strip()  # most texts are
    return lower if single else " ".join(lower.split())
