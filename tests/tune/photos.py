"""Examples of real photos, made without a chat template: for tests of what comes after encoding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from vlit.data.images import probe
from vlit.data.scene import Image
from vlit.tune.example import IGNORE, Example
from vlit.tune.models.architecture import Architecture

ANSWERS = ("a dog on a bench", "no", "two men and a boat at sea", "red", "a wet street", "yes, three")


@cache
def photos() -> tuple[Image, ...]:
    """Those of the demo."""
    folder = Path(str(files("vlit") / "demo" / "images"))
    return tuple(probe(str(path), decode=False) for path in sorted(folder.glob("*.jpg")))


def example(model: Architecture, number: int, *, images: Sequence[Image] | None = None) -> Example:
    """A question and an answer on a photo; every fourth has none. Lengths differ."""
    if images is None:
        images = () if number % 4 == 3 else (photos()[number % len(photos())],)
    ids: list[int] = []
    slots: list[tuple[int, int]] = []
    for image in images:
        slot = list(model.slot(image))
        slots.append((len(ids), len(ids) + len(slot)))
        ids += slot
    question = f"What is this, number {number}?{' Look well.' * (number % 3)} "
    asked = model.tokenizer(question, add_special_tokens=False)["input_ids"]
    answer = f"{ANSWERS[number % len(ANSWERS)]} {number}"
    said = model.tokenizer(answer, add_special_tokens=False)["input_ids"] + [model.tokenizer.eos_token_id]
    if model.seq2seq:
        return Example(
            id=f"s{number}", ids=np.array([*ids, *asked], np.int32), labels=np.array(said, np.int32),
            images=tuple(images), slots=tuple(slots),
        )  # fmt: skip
    return Example(
        id=f"s{number}",
        ids=np.array([*ids, *asked, *said], np.int32),
        labels=np.array([IGNORE] * (len(ids) + len(asked)) + said, np.int32),
        images=tuple(images),
        slots=tuple(slots),
    )


def examples(model: Architecture, count: int) -> list[Example]:
    """Numbered from 0."""
    return [example(model, number) for number in range(count)]
