"""Layers of Flamingo: the resampler, and the gated cross-attention. Nothing of vlit is imported here.

Source: Flamingo: a Visual Language Model for Few-Shot Learning (Alayrac and others, 2022), sections 2.1, 2.2;
biases, widths and norms as in OpenFlamingo, so that its weights fit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer


class Seen(NamedTuple):
    """What each token of a batch sees."""

    media: Tensor | None = (
        None  #: (rows, most, latents, width): each row's images; rows with fewer end in zeros
    )
    sees: Tensor | None = None  #: (rows, n) bool: whether an image precedes the token in its document
    mask: Tensor | None = None  #: (rows, 1, n, most * latents) bool; ``None`` where no row has a second image


def among(order: Tensor, most: int, latents: int) -> Tensor | None:
    """The mask of :class:`Seen`.

    Args:
        order: (rows, n): the number of the image that a token sees, from 1 in each row; 0 for none.
        most: Images of the row that has most.
        latents: Tokens of an image.
    """
    if most == 1:
        return None
    numbers = torch.arange(1, most + 1, device=order.device)
    found = (order[..., None] == numbers) | (order == 0)[..., None]  # an empty row of the softmax would be NaN
    return found.repeat_interleave(latents, dim=-1)[:, None]


def attend(query: Tensor, key_value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Softmax attention, in heads.

    Args:
        query: (rows, n, heads * d).
        key_value: (rows, m, 2 * heads * d): keys, then values.
        heads: They share the width.
        mask: (rows, 1, n, m) bool: what is attended to.
    """
    parts = (query, *key_value.chunk(2, dim=-1))
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in parts)
    found = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return found.transpose(1, 2).flatten(2)


class FeedForward(nn.Module):
    """Layer norm and two layers without biases."""

    def __init__(self, width: int, times: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, times * width, bias=False)
        self.down = nn.Linear(times * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) to (…, width)."""
        found: Tensor = self.down(nn.functional.gelu(self.up(self.norm(x))))
        return found


class ResamplerLayer(GradientCheckpointingLayer):
    """Latents attend to the features of an image and to themselves."""

    def __init__(self, width: int, heads: int, head_dim: int, feed_forward: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_features = nn.LayerNorm(width)
        self.norm_latents = nn.LayerNorm(width)
        self.query = nn.Linear(width, heads * head_dim, bias=False)
        self.key_value = nn.Linear(width, 2 * heads * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, width, bias=False)
        self.feed_forward = FeedForward(width, feed_forward)

    def forward(self, latents: Tensor, features: Tensor) -> Tensor:
        """Latents (images, latents, width) and features (images, patches, width) to new latents."""
        asking = self.norm_latents(latents)
        told = torch.cat([self.norm_features(features), asking], dim=1)
        latents = latents + self.out(attend(self.query(asking), self.key_value(told), self.heads))
        found: Tensor = latents + self.feed_forward(latents)
        return found


class Resampler(nn.Module):
    """A perceiver: any number of features to a fixed number of latents."""

    def __init__(
        self, width: int, layers: int, latents: int, heads: int, head_dim: int, feed_forward: int
    ) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, width))
        self.layers = nn.ModuleList(ResamplerLayer(width, heads, head_dim, feed_forward) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """(images, patches, width) to (images, latents, width)."""
        features = features.to(self.latents.dtype)
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        found: Tensor = self.norm(latents)
        return found


class GatedCrossAttention(GradientCheckpointingLayer):
    """Text attends to the latents of an image; how much of it goes on, two gates say. They start at 0."""

    def __init__(self, width: int, vision_width: int, heads: int, head_dim: int, feed_forward: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, heads * head_dim, bias=False)
        self.key_value = nn.Linear(vision_width, 2 * heads * head_dim, bias=False)
        self.out = nn.Linear(heads * head_dim, width, bias=False)
        self.gate = nn.Parameter(torch.zeros(1))
        self.feed_forward = FeedForward(width, feed_forward)
        self.feed_forward_gate = nn.Parameter(torch.zeros(1))

    def forward(
        self, x: Tensor, media: Tensor | None = None, sees: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Hidden states (rows, n, width) to the same; what is seen as in :class:`Seen`, or nothing."""
        dtype, own = x.dtype, self.norm.weight.dtype
        x = x.to(own)
        if media is not None and sees is not None:
            told = self.key_value(media.flatten(1, 2).to(own))
            found = self.out(attend(self.query(self.norm(x)), told, self.heads, mask))
            x = x + self.gate.tanh() * torch.where(sees[..., None], found, 0)
        x = x + self.feed_forward_gate.tanh() * self.feed_forward(x)
        return x.to(dtype)
