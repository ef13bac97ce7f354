"""Claims of boxes: four numbers in brackets beside a label must lie where an object of that label is.

A box is right where its intersection over union with an object of the label is at least 0.5. Texts give
fractions of the image or of the padded square, pixels, or thousandths; whichever fits. It is *contradicted*
where it is no box (other than four numbers where a box was asked for, corners in the wrong order), lies outside
the image, or misses every object of a label that annotators searched for exhaustively.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from vlit.assess.correctness.answers import Question
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, about, contradicted
from vlit.data.boxes import BOX_TEXT, Box, find_boxes, format_box, from_normalised, from_padded_square
from vlit.language.mentions import Mention

Four: TypeAlias = tuple[float, float, float, float]

_OVERLAP, _SLACK = 0.5, 0.01
_FRACTIONS = 2.0  #: a box with a number from here on is not in fractions of the image
_ASKS_BOX = re.compile(r"\bbox(?:es)?\b|\bcoordinates?\b", re.IGNORECASE)
_NUMBERS = re.compile(r"\[\s*-?[\d.]+\s*(?:,\s*-?[\d.]+\s*)+\]")


def judge_boxes(
    facts: Facts, question: Question, answer: str, mentions: Sequence[Mention]
) -> Iterator[Judgement]:
    """Judge the boxes of an answer, or the one of its question; ``mentions`` are those of the answer."""
    if "[" not in answer and "[" not in question.text:
        return
    if _ASKS_BOX.search(question.text):
        for found in _NUMBERS.finditer(answer):
            if not BOX_TEXT.fullmatch(found.group()):
                yield about("box", found.group(), contradicted(f"{found.group()} is no box of four numbers"))
    said = find_boxes(answer)
    boxes = said or find_boxes(question.text)
    if len(boxes) == 1:
        named = list(mentions) or list(question.mentions) if said else list(mentions)
        labels = {m.label for m in named if m.relation != "broader"}
        if len(labels) == 1:
            yield about("box", format_box(boxes[0]), _box(facts, labels.pop(), boxes[0]))
    elif said:
        for label, values in _beside(answer, mentions):
            yield about("box", format_box(values), _box(facts, label, values) if label else UNVERIFIABLE)


def _beside(answer: str, mentions: Sequence[Mention]) -> Iterator[tuple[str | None, Four]]:
    """Each box with the one label between it and the box before; of several boxes in a row the same one."""
    start, label = 0, None
    for m in BOX_TEXT.finditer(answer):
        between = [x for x in mentions if start <= x.start < m.start()]
        if between:
            labels = {x.label for x in between if x.relation != "broader"}
            label = labels.pop() if len(labels) == 1 else None
        yield label, (float(m[1]), float(m[2]), float(m[3]), float(m[4]))
        start = m.end()


def _box(facts: Facts, label: str, values: Four) -> Judgement:
    found = facts.objects.get(label, [])
    shown = format_box(values)
    if values[0] >= values[2] or values[1] >= values[3]:
        return contradicted(f"gives the box {shown} for {label!r}; its corners are in the wrong order")
    width, height = facts.scene.image.width, facts.scene.image.height
    most = 1.0 if max(values) < _FRACTIONS else max(width, height, 1000)
    if min(values) < -_SLACK * most or max(values) > (1 + _SLACK) * most:
        return contradicted(f"gives the box {shown} for {label!r}; it is not inside the image")
    if not found or any(o.crowd for o in found):
        return UNVERIFIABLE
    if any(o.box.iou(box) >= _OVERLAP for o in found for box in _readings(values, width, height)):
        return SUPPORTED
    if label not in facts.searched:
        return UNVERIFIABLE
    return contradicted(f"gives the box {shown} for {label!r}; no {label} of the annotations is there")


def _readings(values: Four, width: int, height: int) -> Iterator[Box]:
    """The boxes of the image that the numbers may mean."""
    if max(values) >= _FRACTIONS:
        yield Box(*values)
        values = values[0] / 1000, values[1] / 1000, values[2] / 1000, values[3] / 1000
    yield from_normalised(values, width, height)
    yield from_padded_square(values, width, height)
