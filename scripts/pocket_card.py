"""What the pocket model gets right on pictures that it was not trained on, and its model card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pocket_shapes as shapes

Row = dict[str, Any]

#: Kinds of questions: which samples, and how many answers one would draw from at random.
KINDS: dict[str, tuple[Callable[[str, str, str], bool], int]] = {
    "colour": (
        lambda task, q, a: task == "open_vqa" and "color is the" in q and a.lower() in shapes.COLOURS,
        8,
    ),
    "shape": (lambda task, q, a: task == "open_vqa" and a.lower() in shapes.SHAPES, 6),
    "count of a kind": (lambda task, q, a: task == "counting", 5),
    "count of all": (lambda task, q, a: task == "open_vqa" and "how many objects are there" in q.lower(), 8),
    "presence": (lambda task, q, a: task == "presence", 2),
    "position in the image": (lambda task, q, a: task == "location", 9),
    "left or right of": (lambda task, q, a: task == "relative_position" and a.lower() in ("left", "right"), 2),
    "which is higher": (lambda task, q, a: task == "relative_position" and "higher" in q, 2),
    "letter of an option": (lambda task, q, a: task == "multiple_choice", 4),
    "list of kinds": (lambda task, q, a: task == "category_listing", 0),
}


def measured(found: Sequence[tuple[Any, bool]]) -> list[Row]:
    """Exact answers by kind of question, beside chance and the answer that is commonest in these pictures."""
    rows: list[Row] = []
    for kind, (belongs, options) in KINDS.items():
        picked = [
            (one.sample.turns[1].text, right)
            for one, right in found
            if belongs(one.sample.task, one.sample.turns[0].text, one.sample.turns[1].text)
        ]
        if picked:
            commonest = Counter(answer for answer, _ in picked).most_common(1)[0][1]
            rows.append(
                {
                    "kind": kind,
                    "questions": len(picked),
                    "right": sum(right for _, right in picked) / len(picked),
                    "majority": commonest / len(picked),
                    "chance": 1 / options if options else None,
                }
            )
    return rows


def write_card(
    folder: Path, table: Sequence[Row], *, parameters: int, pictures: int, held: int, cpu: float
) -> None:
    """README.md beside the weights."""
    lines = [
        f"| {r['kind']} | {r['questions']} | {r['right']:.2f} | {r['majority']:.2f} | "
        f"{'–' if r['chance'] is None else format(r['chance'], '.2f')} |"
        for r in table
    ]
    text = CARD.format(
        parameters=parameters,
        pictures=pictures,
        held=held,
        minutes=cpu / 60,
        table="\n".join(lines),
        side=shapes.SIDE,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


CARD = """---
license: apache-2.0
pipeline_tag: image-text-to-text
library_name: transformers
---
# vlit pocket

A LLaVA of {parameters:,} parameters (CLIP-style vision encoder, two-layer projector, Llama decoder) that is
tuned on two CPU cores in a minute or two. It is there to try vlit with, and to test with; it is no model to
use.

It was built from nothing by `scripts/pocket.py`: {pictures:,} drawn pictures of coloured shapes
({side} x {side} pixels) with instructions that vlit's own templates made of their annotations, in
{minutes:.0f} CPU minutes. It has never seen a photo. Weights are stored in bfloat16.

Exact answers on {held} pictures that it was not trained on, all questions in their short form, greedy decoding.
"Majority" is the share that the commonest answer to questions of that kind would get, "chance" a uniform draw.

| Question | n | right | majority | chance |
|---|---|---|---|---|
{table}

Limits: of photos it knows nothing before it is tuned; lists and captions of more than a few kinds have
mistakes; boxes are rough. Photos are squeezed to {side} x {side} pixels.
"""
