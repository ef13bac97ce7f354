"""The forward pass of a micro-batch, from its tensors to the sum of its losses, as one module."""

from __future__ import annotations

import torch

from vlit.tune.attention import Kind, mask
from vlit.tune.example import Batch
from vlit.tune.loss import summed
from vlit.tune.models.architecture import Architecture


class Objective(torch.nn.Module):
    """One module, so that what shards or compiles a module sees all of the computation.

    Args:
        model: Its ``model`` is the one child; parameters have its prefix ``model.``.
        attention: How documents of a row are kept apart.
        dtype: That is multiplied in.
    """

    def __init__(self, model: Architecture, attention: Kind, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model.model
        self._architecture, self._attention, self._dtype = model, attention, dtype

    def forward(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy summed over the label tokens: a scalar in float32."""
        model, half = self._architecture, self._dtype != torch.float32
        # A pass uses each weight once. A cache of their casts would hold those of all layers to its end, also
        # where layers are gathered or recomputed one by one to save just that.
        with torch.autocast(batch.ids.device.type, self._dtype, enabled=half, cache_enabled=False):
            hidden = model.hidden(batch, mask(batch, self._attention, self._dtype))
            return summed(hidden, batch, model.head, model.seq2seq)
