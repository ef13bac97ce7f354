"""What a model reads: a sample as ids and labels, and a batch of them as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlit.data.scene import Image

if TYPE_CHECKING:
    import torch

#: Label of a token that the loss leaves out. Fixed by ``torch.nn.functional.cross_entropy``.
IGNORE = -100

Ids = NDArray[np.int32]


class Refused(ValueError):
    """Why a sample cannot be trained on; the text is the reason in a quarantine row.

    Args:
        reason: Equal for all samples of which the same is wrong, so that they are counted together.
        found: What is wrong with this one, such as its length.
    """

    def __init__(self, reason: str, found: str = "") -> None:
        super().__init__(reason)
        self.found = found


@dataclass(frozen=True)
class Example:
    """A sample as a model reads it: ids and labels, built together, turn by turn.

    For an encoder-decoder ``ids`` is what the encoder reads, and ``labels`` what the decoder has to say.
    """

    id: str
    ids: Ids  #: (n,)
    labels: Ids  #: (n,): the id itself where the loss is taken, else ``IGNORE``; encoder-decoder: (m,)
    images: tuple[Image, ...] = ()  #: in the order of their slots
    slots: tuple[tuple[int, int], ...] = ()  #: where each image stands in ``ids``, end exclusive
    instruction: str = ""  #: what an instruction-aware Q-Former is told of the images
    notes: tuple[str, ...] = ()  #: what was cut off, and why

    @property
    def trained(self) -> int:
        """Tokens that the loss is taken of."""
        return int((self.labels != IGNORE).sum())


@dataclass(frozen=True)
class Batch:
    """Examples as tensors: several documents to a row where the architecture packs, else one.

    A label stands at the place of its own token; the shift by one is the loss's affair.
    """

    ids: torch.Tensor  #: (rows, n) int64
    labels: torch.Tensor  #: (rows, n) int64; encoder-decoder: (rows, m)
    positions: torch.Tensor  #: (rows, n) int64: from 0 in each document
    documents: torch.Tensor  #: (rows, n) int32: from 1 in each row; 0 is padding
    images: Mapping[str, torch.Tensor] = field(default_factory=dict)
    #: ^ what the vision part reads, all images of the batch in the order of their slots; empty without images
    instructions: Mapping[str, torch.Tensor] = field(default_factory=dict)  #: what the Q-Former reads, likewise
    samples: tuple[str, ...] = ()  #: ids of the samples, in order

    @property
    def trained(self) -> int:
        """Tokens that the loss is taken of."""
        return int((self.labels != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        """The same on a device; copies from pinned memory do not wait."""

        def there(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}

        whole: dict[str, Any] = there(
            {n: getattr(self, n) for n in ("ids", "labels", "positions", "documents")}
        )
        return replace(self, **whole, images=there(self.images), instructions=there(self.instructions))
