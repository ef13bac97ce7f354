"""Packing held to documents computed one by one: largest differences of logits, loss and gradients, in float32.

    python -m benchmarks.packing

Tiny models of random weights of each architecture; seven documents with no image, one, two and three, one of a
single token, packed into one row. The loss is per label token; gradients are a share of the largest gradient of
their part (vision, connector, llm). Each is below 1e-5, or the script fails. ``mask of ones`` is what packing
without isolation would do. FlexAttention has no backward pass on a CPU: its gradients are those of its eager
form, which torch keeps as the reference of the kernel.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.tune.packed import MODELS, Difference, attend, compute, difference, documents, eager_flex, separate
from vlit.tune.attention import set_attention
from vlit.tune.models.architecture import Architecture

EXACT = 1e-5
HOWS = ("eager", "sdpa", "segments", "flex")


def main() -> None:
    """Print a row for each architecture and attention."""
    torch.set_num_threads(2)
    for name, make in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = make(Path(folder))
        model.model.eval()
        for how, found in measured(model):
            if how in HOWS and not max(found) < EXACT:
                raise SystemExit(f"{name}, {how}: packed documents are not what they are alone: {found}")
            shown = {key: f"{value:.1e}" for key, value in found._asdict().items()}
            print(json.dumps({"architecture": name, "attention": how, **shown}), flush=True)


def measured(model: Architecture) -> Iterator[tuple[str, Difference]]:
    """Differences by attention, and of the mask of ones."""
    examples, pixels = documents(model)
    alone = separate(model, examples, pixels)
    for how in HOWS:
        masks = attend(model, how)
        with eager_flex() if how == "flex" else contextlib.nullcontext():
            yield how, difference(model, compute(model, [[examples]], pixels, masks), alone)
    set_attention(model, "padded")
    leaking = compute(model, [[examples]], pixels, lambda batch: torch.ones_like(batch.ids))
    yield "mask of ones (leaks)", difference(model, leaking, alone)


if __name__ == "__main__":
    main()
