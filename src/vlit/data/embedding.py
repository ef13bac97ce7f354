"""Embedding: the texts of one sample as vectors."""

from __future__ import annotations

from vlit.data.scene import Row


class Embedding(Row, frozen=True, kw_only=True):
    """Vectors of the instruction and the response of a sample: unit length, or zero where there is no text."""

    sample: str
    instruction: bytes  #: float16, little-endian
    response: bytes  #: float16, little-endian
    encoder: str  #: name and parameters of what made them
