"""Encoded: a sample as a model reads it, ready to be trained on."""

from __future__ import annotations

from typing import Literal

from vlit.data.scene import Image, Row

Split = Literal["train", "held_out"]


class Encoded(Row, frozen=True, kw_only=True):
    """A sample's ids and labels under the tokenizer and template of one stage of tuning.

    ``ids`` and ``labels`` are int32, little-endian; a label that is not trained is -100.
    """

    id: str  #: of the sample; of an encoder-decoder with ``#1`` ... behind it, one for each answer
    stage: str  #: of tuning, such as align
    split: Split
    task: str = "unknown"  #: of the sample
    length: int  #: tokens, image features counted
    trained: int  #: tokens that the loss is taken of
    ids: bytes
    labels: bytes
    images: tuple[Image, ...] = ()
    slots: tuple[int, ...] = ()  #: begin and end of each image in ``ids``
    instruction: str = ""  #: what an instruction-aware Q-Former is told of the images
    notes: tuple[str, ...] = ()  #: what was cut off, and why
