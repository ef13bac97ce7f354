"""Hygiene: samples that repeat an earlier one.

Two samples are the same when they show the same images in the same order (by content hash, else by URI) and
their turns have the same roles and the same normalised text: lower case, white space collapsed. The value is
how many earlier samples of the set are the same (0 for the first of its kind).

Memory: the id and 8 bytes a sample during the pass (64 bits of BLAKE2: among 4 million samples the chance of
any false match is 4e-7), and one entry for each repeated sample afterwards.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from vlit.assess.indicator import Indicator, NoConfig
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Score


class ExactDuplicate(Indicator[NoConfig]):
    """How many earlier samples have the same images and the same text."""

    name: ClassVar[str] = "exact_duplicate"
    principle = "hygiene"
    direction = "lower is better"

    def fit(self) -> _Pass:
        """Collect hashes of all samples."""
        return _Pass()

    def score(
        self, samples: Sequence[Sample], scenes: Mapping[str, Scene], state: Mapping[str, tuple[int, str]]
    ) -> Iterator[Score]:
        """Look up each sample among the repeated ones."""
        for sample in samples:
            earlier, first = state.get(sample.id, (0, ""))
            yield self.of(sample, float(earlier), f"the same images and text as {first}" if earlier else None)


class _Pass:
    def __init__(self) -> None:
        self._hashes = array("Q")
        self._ids: list[str] = []

    def add(self, sample: Sample) -> None:
        self._hashes.append(content_hash(sample))
        self._ids.append(sample.id)

    def state(self) -> dict[str, tuple[int, str]]:
        """Repeated samples: id -> (how many came before, the first one's id)."""
        hashes = np.frombuffer(self._hashes, dtype=np.uint64) if self._hashes else np.zeros(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        repeated: dict[str, tuple[int, str]] = {}
        first, earlier = 0, 0
        same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1
        previous = -2
        for place in same.tolist():
            if place != previous + 1:
                first, earlier = int(order[place - 1]), 0
            earlier += 1
            repeated[self._ids[int(order[place])]] = (earlier, self._ids[first])
            previous = place
        return repeated


def content_hash(sample: Sample) -> int:
    """64 bits that are equal for equal images and equal normalised text."""
    parts = [image.sha256 or image.uri for image in sample.images]
    parts += [f"{turn.role}\x1e{normalised(turn.text)}" for turn in sample.turns]
    return int.from_bytes(hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big")


def normalised(text: str) -> str:
    """Lower case, white space collapsed."""
    return " ".join(text.lower().split())
