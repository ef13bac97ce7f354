"""Build the pocket model from nothing: pictures of shapes, vlit's own instructions, and two stages of training.

    python scripts/pocket.py [--out src/vlit/tune/pocket] [--seed 0]

1. The vision encoder learns which shape of which colour covers each patch, and where its centre is; the
   projector learns to put a patch near the words of what it shows.
2. The whole LLaVA learns to answer vlit's instructions about the pictures; in its first epoch it also names all
   shapes row by row. The questions about a picture share its image tokens: each attends to the image and to
   itself alone, as if it were a sample of its own.

Writes a standard ``LlavaForConditionalGeneration`` in bfloat16 and a model card with what was measured on
pictures that were not trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pocket_card import measured, write_card
from pocket_looks import Looks
from pocket_parts import PATCHES, new_model, new_tokenizer, write
from pocket_questions import IGNORE, Asked, Rows, Shown, drawn_questions, exposition, pixels, rows
from torch import Tensor
from torch.nn import functional

from vlit.data.seeds import rng

BATCH = 16  #: pictures of a step


def seen_by(model: Any, pictures: Tensor) -> Tensor:
    """Patch features of the last layer, without CLS."""
    found: Tensor = model.model.vision_tower(pixel_values=pictures).last_hidden_state[:, 1:]
    return found


def answer_loss(model: Any, batch: Rows, features: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted loss of the labels, and whether each label is the most probable token."""
    inner = model.model
    embedded = inner.language_model.embed_tokens(batch.ids)
    start = batch.ids[0].tolist().index(model.config.image_token_id)
    image = inner.multi_modal_projector(features)
    embedded = torch.cat([embedded[:, :start], image, embedded[:, start + PATCHES :]], 1)
    hidden = inner.language_model(
        inputs_embeds=embedded, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    labels, weights = batch.labels[:, 1:], batch.weights[:, 1:]
    at = labels != IGNORE
    logits = model.lm_head(hidden[:, :-1][at]).float()
    loss = functional.cross_entropy(logits, labels[at], reduction="none")
    return (loss * weights[at]).sum() / weights[at].sum(), logits.argmax(-1) == labels[at]


def shuffled(items: Sequence[Shown], seed: int, epoch: int) -> Iterator[list[Shown]]:
    """Batches of one epoch."""
    order = list(range(len(items)))
    rng(seed, "order", str(epoch)).shuffle(order)
    for start in range(0, len(order) - BATCH + 1, BATCH):
        yield [items[i] for i in order[start : start + BATCH]]


def optimiser(modules: Sequence[torch.nn.Module], rate: float, steps: int, warmup: int = 50) -> tuple[Any, Any]:
    """AdamW with a cosine."""
    found = torch.optim.AdamW(
        [p for m in modules for p in m.parameters()], rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True
    )

    def share(step: int) -> float:
        return min((step + 1) / warmup, 0.02 + 0.98 * (1 + math.cos(math.pi * step / steps)) / 2)

    return found, torch.optim.lr_scheduler.LambdaLR(found, share)


def see(model: Any, looks: Looks, items: Sequence[Shown], seed: int, epochs: int) -> None:
    """The first stage."""
    steps = epochs * (len(items) // BATCH)
    adam, rate = optimiser(
        [model.model.vision_tower, model.model.multi_modal_projector, model.lm_head, looks], 2e-3, steps
    )
    step, started = 0, time.process_time()
    for epoch in range(epochs):
        for batch in shuffled(items, seed, epoch):
            loss = looks.loss(model, seen_by(model, pixels(batch)), batch)
            advance(loss, adam, rate)
            step += 1
            if step % 50 == 0:
                print(
                    f"see {step}/{steps} loss {loss:.3f} cpu {time.process_time() - started:.0f} s", flush=True
                )


def speak(
    model: Any, tokenizer: Any, looks: Looks, prefix: list[int], items: Sequence[Shown], a: argparse.Namespace
) -> None:
    """The second stage: everything is trained, and the first stage's questions go on."""
    steps = (a.epochs - a.first) * (len(items) // BATCH)
    adam, rate = optimiser([model, looks], a.rate, steps)
    step, started, mean = 0, time.process_time(), 0.0
    for epoch in range(a.first, a.epochs):
        for batch in shuffled(items, a.seed + 1, epoch):
            made = rows(prefix, [drawn_questions(s, a.seed, epoch) for s in batch])
            features = seen_by(model, pixels(batch))
            loss, right = answer_loss(model, made, features)
            advance(loss + 0.2 * looks.loss(model, features, batch), adam, rate)
            step += 1
            mean = float(loss.detach()) if step == 1 else 0.95 * mean + 0.05 * float(loss.detach())
            if step % 50 == 0:
                share = right.float().mean()
                print(f"speak {step}/{steps} loss {mean:.3f} tokens right {share:.3f} "
                      f"cpu {time.process_time() - started:.0f} s", flush=True)  # fmt: skip
            if step % 100 == 0 and a.held:
                few = exposition(tokenizer, a.seed, range(2_000_000, 2_000_010), "short")
                print(
                    [(r["kind"], round(r["right"], 2)) for r in measured(right_answers(model, prefix, few))],
                    flush=True,
                )
            if step % 100 == 0 and a.keep:
                torch.save(model.state_dict(), a.keep)


def advance(loss: Tensor, adam: Any, rate: Any) -> None:
    """One step."""
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for group in adam.param_groups for p in group["params"]], 1.0)
    adam.step()
    rate.step()


@torch.no_grad()
def right_answers(model: Any, prefix: list[int], items: Sequence[Shown]) -> list[tuple[Asked, bool]]:
    """Whether greedy decoding gives exactly the answer: each of its tokens is the most probable one."""
    found: list[tuple[Asked, bool]] = []
    for shown in items:
        for start in range(0, len(shown.asked), 8):
            chosen = shown.asked[start : start + 8]
            batch = rows(prefix, [chosen])
            _, right = answer_loss(model, batch, seen_by(model, pixels([shown])))
            ends = np.cumsum([sum(label != IGNORE for label in one.labels) for one in chosen])[:-1]
            found += [
                (one, bool(part.all())) for one, part in zip(chosen, np.split(right.numpy(), ends), strict=True)
            ]
    return found


def main() -> None:
    """Build, measure, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "src" / "vlit" / "tune" / "pocket"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=8_000)
    parser.add_argument("--epochs", type=int, default=4, help="of the second stage")
    parser.add_argument("--see", type=int, default=4, help="epochs of the first stage")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--held", type=int, default=400, help="pictures that it is measured on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, default=None, help="weights to start the second stage with")
    parser.add_argument("--first", type=int, default=0, help="epoch of the second stage to start with")
    parser.add_argument("--keep", type=Path, default=None, help="a file that takes the weights now and then")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokenizer = new_tokenizer(a.seed)
    model = new_model(tokenizer)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(tokenizer)} tokens, {parameters:,} parameters", flush=True)
    items = exposition(tokenizer, a.seed, range(a.pictures))
    print(f"{sum(len(s.asked) for s in items):,} samples, cpu {time.process_time():.0f} s", flush=True)
    prefix = tokenizer.encode("<|im_start|>user\n") + [model.config.image_token_id] * PATCHES
    looks = Looks(tokenizer, model.config.vision_config.hidden_size)
    if a.start:
        model.load_state_dict(torch.load(a.start))
    else:
        see(model, looks, items, a.seed, a.see)
    speak(model, tokenizer, looks, prefix, items, a)
    model.to(torch.bfloat16)
    write(model, tokenizer, a.out)
    model.float().eval()
    held = exposition(tokenizer, a.seed, range(1_000_000, 1_000_000 + a.held), "short")
    table = measured(right_answers(model, prefix, held))
    print(json.dumps(table, indent=1))
    write_card(a.out, table, parameters=parameters, pictures=a.pictures, held=a.held, cpu=time.process_time())


if __name__ == "__main__":
    main()
