"""What is asked about the pictures, as ids and labels, and rows in which questions share their picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pocket_shapes as shapes
import torch
from torch import Tensor

from vlit.api import Scenes
from vlit.data.sample import IMAGE_TOKEN, Sample, Turn
from vlit.data.seeds import rng

#: How often questions of a task are asked, relative to how many there are.
WEIGHTS = {
    "counting": 3.0, "location": 6.0, "relative_position": 4.0, "open_vqa": 4.0, "presence": 1.0,
    "comparison": 0.5, "multiple_choice": 0.2, "category_listing": 1.0, "short_caption": 0.5,
    "detailed_description": 0.1, "conversation": 0.1, "referring_box": 0.2, "box_expression": 0.2,
    "named": 1.0, "counted": 2.0,
}  # fmt: skip
#: In the first epoch, in which words find what they name.
EARLY = {"named": 1e9, "counted": 1e9, "short_caption": 3.0, "detailed_description": 0.05, "conversation": 0.1}
EARLY_ROW = 144
ROW = 256  #: tokens of questions and answers about a picture in one step
IGNORE = -100


@dataclass(frozen=True)
class Asked:
    """One sample behind the image: ids and labels."""

    sample: Sample
    ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Shown:
    """A picture with all that is asked about it."""

    picture: shapes.Picture
    asked: list[Asked]


def exposition(tokenizer: Any, seed: int, numbers: range, answers: str = "mixed") -> list[Shown]:
    """Pictures with their questions; half of them are labelled by shape, half by colour and shape."""
    found: list[Shown] = []
    for coloured in (False, True):
        pictures = [shapes.picture(seed, n, coloured=coloured) for n in numbers if n % 2 == coloured]
        samples: dict[str, list[Asked]] = {p.scene.id: [] for p in pictures}
        for sample in Scenes(p.scene for p in pictures).adapt(seed=seed, answers=answers):
            samples[sample.provenance.scenes[0]].append(encoded(tokenizer, sample))
        named_too = answers == "mixed"
        for p in pictures:
            drills = [named(tokenizer, p), *counted(tokenizer, p)] if named_too else []
            found.append(Shown(p, samples[p.scene.id] + drills))
    return found


def named(tokenizer: Any, picture: shapes.Picture) -> Asked:
    """All shapes from the top down, each with its part of the picture: what the image says, in few words."""
    across, down = ("left", "center", "right"), ("upper", "middle", "lower")

    def third(place: float) -> int:
        return int(3 * place / shapes.SIDE)

    ordered = sorted(picture.drawn, key=lambda d: (third(d.y), d.x))
    said = ", ".join(f"{down[third(d.y)]} {across[third(d.x)]} {d.colour} {d.shape}" for d in ordered)
    return _drill(tokenizer, picture, "named", "Name the objects row by row.", f"{said}.")


def counted(tokenizer: Any, picture: shapes.Picture) -> list[Asked]:
    """How many there are of each shape and each colour, and what the largest is like."""
    found = []
    for asked, own, other, kinds in (
        ("shape", "shape", "colour", list(shapes.SHAPES)),
        ("color", "colour", "shape", list(shapes.COLOURS)),
    ):
        rng(0, "counted", asked, picture.scene.id).shuffle(kinds)
        said = []
        for kind in kinds:
            those = [d for d in picture.drawn if getattr(d, own) == kind]  # the largest comes first
            said.append(f" {kind} {len(those)}" + (f" {getattr(those[0], other)}" if those else ""))
        text = ",".join(said).strip()
        found.append(_drill(tokenizer, picture, "counted", f"Count the objects of each {asked}.", f"{text}."))
    return found


def _drill(tokenizer: Any, picture: shapes.Picture, task: str, question: str, answer: str) -> Asked:
    turns = (
        Turn(role="user", text=f"{IMAGE_TOKEN}\n{question}"),
        Turn(role="assistant", text=answer),
    )
    return encoded(tokenizer, Sample(id=f"{picture.scene.id}/{task}/{question}", turns=turns, task=task))


def encoded(tokenizer: Any, sample: Sample) -> Asked:
    """What follows the image in the model's chat template; the loss is taken of answers and their end."""
    ids: list[int] = []
    labels: list[int] = []
    for number, turn in enumerate(sample.turns):
        text = turn.text.removeprefix(IMAGE_TOKEN)
        if turn.role == "user":
            opening = "<|im_start|>user\n" if number else ""
            part = tokenizer.encode(f"{opening}{text}<|im_end|>\n<|im_start|>assistant\n")
            ids, labels = ids + part, labels + [IGNORE] * len(part)
        else:
            said = tokenizer.encode(f"{text}<|im_end|>")
            after = tokenizer.encode("\n")
            ids, labels = ids + said + after, labels + said + [IGNORE] * len(after)
    return Asked(sample, ids, labels)


@dataclass
class Rows:
    """A batch: the image, then questions that do not see one another. All (rows, n) but the mask."""

    ids: Tensor
    labels: Tensor
    weights: Tensor  #: of the labels: each answer counts by the root of its length
    positions: Tensor  #: each question goes on behind the image
    mask: Tensor  #: (rows, 1, n, n), added to the attention's logits


def rows(prefix: list[int], questions: Sequence[list[Asked]]) -> Rows:
    """Pad the rows of several pictures to one length."""
    made = []
    for chosen in questions:
        n = len(prefix)
        ids, labels, weights, positions, groups = [*prefix], [IGNORE] * n, [0.0] * n, [*range(n)], [0] * n
        for group, one in enumerate(chosen, 1):
            trained = sum(label != IGNORE for label in one.labels)
            ids, labels = ids + one.ids, labels + one.labels
            weights += [1 / math.sqrt(trained)] * len(one.ids)
            positions += range(n, n + len(one.ids))
            groups += [group] * len(one.ids)
        made.append((ids, labels, weights, positions, groups))
    longest = max(len(ids) for ids, *_ in made)

    def tensor(column: int, fill: float, dtype: torch.dtype) -> Tensor:
        return torch.tensor([row[column] + [fill] * (longest - len(row[column])) for row in made], dtype=dtype)

    of = tensor(4, -1, torch.long)
    seen = (of[:, None, :] == 0) | (of[:, None, :] == of[:, :, None])
    seen &= torch.ones(longest, longest, dtype=torch.bool).tril()
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
    return Rows(
        tensor(0, 0, torch.long), tensor(1, IGNORE, torch.long), tensor(2, 0, torch.float),
        tensor(3, 0, torch.long), mask,
    )  # fmt: skip


def drawn_questions(shown: Shown, seed: int, epoch: int) -> list[Asked]:
    """A random part of the questions about a picture that fits a row."""
    random = rng(seed, "questions", shown.picture.scene.id, str(epoch))
    often = WEIGHTS | (EARLY if epoch == 0 else {})
    order = sorted(shown.asked, key=lambda a: -math.log(1 - random.random()) / often[a.sample.task])
    chosen: list[Asked] = []
    room = ROW if epoch else EARLY_ROW
    for one in order:
        if len(one.ids) <= room:
            chosen.append(one)
            room -= len(one.ids)
        if room < 20:
            break
    return chosen


def pixels(seen: Sequence[Shown]) -> Tensor:
    """As the image processor makes them."""
    found = torch.from_numpy(np.stack([s.picture.pixels for s in seen])).permute(0, 3, 1, 2)
    return found.float() / 127.5 - 1
