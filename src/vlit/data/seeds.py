"""Randomness drawn from (seed, id), never from order: the same sample whatever ran before it."""

from __future__ import annotations

import functools
import hashlib
import random


def rng(seed: int, *keys: str) -> random.Random:
    """A generator that depends on the seed and the keys alone."""
    return random.Random(draw(seed, *keys))


@functools.lru_cache(maxsize=16)
def draw(seed: int, *keys: str) -> int:
    """A uniform 64-bit integer that depends on the seed and the keys alone.

    The last few are remembered: in a pass over a set one indicator after the other draws the same sample.
    """
    return hash64("\x1f".join((str(seed), *keys)))


def hash64(data: str | bytes | memoryview) -> int:
    """64 bits that are equal for equal data in every process, unlike ``hash``."""
    data = data.encode() if isinstance(data, str) else data
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
