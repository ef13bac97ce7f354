"""The loss: cross-entropy summed over label tokens, with the head on their places alone.

The sum of a step is divided by the count of its label tokens over all micro-batches and processes, so that how
a step is split changes nothing. Logits of places without a label are never made, and those with one in slices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlit.tune.example import IGNORE, Batch

if TYPE_CHECKING:
    import torch

#: Places whose logits are held at once. With a vocabulary of 150,000 in float32: 0.6 GB.
SLICE = 1024


def targets(batch: Batch, seq2seq: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the loss is taken, and of which token.

    A decoder's state at one token foretells the next of the same document: the first token of a document has
    nothing before it and is never a target. The decoder of an encoder-decoder is shifted by the model.

    Args:
        batch: Its labels stand at the places of their own tokens.
        seq2seq: Whether the labels are an encoder-decoder's.

    Returns:
        Places (k,) in the flattened states (rows x n), and the tokens (k,) that they foretell.
    """
    labels = batch.labels
    if seq2seq:
        taken = labels != IGNORE
        return taken.flatten().nonzero().squeeze(1), labels[taken]
    own = batch.documents[:, 1:] == batch.documents[:, :-1]
    taken = labels.new_zeros(labels.shape, dtype=own.dtype)
    taken[:, :-1] = own & (labels[:, 1:] != IGNORE)
    places = taken.flatten().nonzero().squeeze(1)
    return places, labels.flatten()[places + 1]


def count(batch: Batch, seq2seq: bool) -> int:
    """Label tokens of the batch, as the loss takes them."""
    return len(targets(batch, seq2seq)[1])


def summed(
    hidden: torch.Tensor, batch: Batch, head: torch.nn.Module, seq2seq: bool, size: int = SLICE
) -> torch.Tensor:
    """Cross-entropy summed over the label tokens of a batch, in float32.

    Logits are made slice by slice and made again in the backward pass: memory does not grow with the batch.
    Without any label token it is 0, and still part of the graph.

    Args:
        hidden: (rows, n, d) last states of the decoder; encoder-decoder: (rows, m, d) at the labels.
        batch: The labels.
        head: States to logits.
        seq2seq: Whether the labels are an encoder-decoder's.
        size: Places to a slice.

    Returns:
        A scalar.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    places, wanted = targets(batch, seq2seq)
    states = hidden.flatten(0, 1)[places]
    if len(states) <= size:
        return _entropy(states, wanted, head)
    total = torch.zeros((), device=hidden.device)
    for piece, tokens in zip(torch.split(states, size), torch.split(wanted, size), strict=True):
        total = total + checkpoint(_entropy, piece, tokens, head, use_reentrant=False)
    return total


def _entropy(states: torch.Tensor, wanted: torch.Tensor, head: torch.nn.Module) -> torch.Tensor:
    import torch

    logits = head(states).float()
    return torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
