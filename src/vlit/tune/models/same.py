"""A layer that changes nothing, stored as the linear layer that changes nothing."""

from __future__ import annotations

import torch


class Same(torch.nn.Module):
    """The identity. Its matrix is a buffer: written to checkpoints, multiplied by nothing, tuned by nobody.

    Args:
        width: Of the features.
        device: Where the buffers lie.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, width: int, device: torch.device | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", torch.eye(width, device=device))
        self.register_buffer("bias", torch.zeros(width, device=device))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The features themselves."""
        return features

    def stands_for(self, layer: torch.nn.Linear) -> bool:
        """Whether a linear layer changes nothing either."""
        same = torch.equal(layer.weight.to(self.weight.dtype), self.weight)
        return same and (layer.bias is None or not layer.bias.any())
