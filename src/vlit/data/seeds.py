"""Randomness drawn from (seed, id), never from order: the same sample whatever ran before it."""

from __future__ import annotations

import hashlib
import random


def rng(seed: int, *keys: str) -> random.Random:
    """A generator that depends on the seed and the keys alone."""
    return random.Random(draw(seed, *keys))


def draw(seed: int, *keys: str) -> int:
    """A uniform 64-bit integer that depends on the seed and the keys alone."""
    text = "\x1f".join((str(seed), *keys))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
