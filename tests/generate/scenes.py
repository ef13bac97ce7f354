"""Scenes for the tests of generation: small ones made by hand, and the shipped photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlit.data.boxes import Box
from vlit.data.scene import Answer, Caption, Image, Object, Question, Scene

SEARCHED = (
    "person",
    "dog",
    "cat",
    "chair",
    "cup",
    "fork",
    "scissors",
    "broccoli",
    "car",
    "truck",
    "bicycle",
    "tv",
)


def scene(*objects: tuple[Any, ...], captions: tuple[str, ...] = (), **other: Any) -> Scene:
    """A 100 x 100 image; objects are (label, x1, y1, x2, y2) or (label, x1, y1, x2, y2, "crowd")."""
    fields: dict[str, Any] = {"id": "s", "source": "test", "licence": "CC BY", "searched": SEARCHED} | other
    return Scene(
        image=Image(uri="/photos/s.jpg", width=100, height=100),
        captions=tuple(Caption(id=f"c{i}", text=text) for i, text in enumerate(captions)),
        objects=tuple(
            Object(id=f"o{i}", label=label, box=Box(*map(float, box[:4])), crowd="crowd" in box)
            for i, (label, *box) in enumerate(objects)
        ),
        **fields,
    )


def question(text: str, *answers: str, **other: Any) -> Question:
    """A question with one answer an annotator."""
    counted = {a: answers.count(a) for a in answers}
    order = sorted(counted, key=lambda a: -counted[a])
    return Question(id="q0", text=text, answers=tuple(Answer(text=a, count=counted[a]) for a in order), **other)


#: A scene on which every task finds something.
RICH = scene(
    ("dog", 5, 5, 25, 25),
    ("bicycle", 70, 70, 95, 95),
    ("cup", 40, 5, 48, 15),
    ("cup", 60, 5, 68, 15),
    ("cup", 80, 5, 90, 17),
    ("chair", 5, 70, 20, 90),
    ("chair", 40, 70, 60, 95),
    ("scissors", 42, 44, 56, 56),
    captions=(
        "a dog near some cups and a bicycle",
        "A dog is sitting in a room with a bicycle.",
        "A dog in a room with cups, chairs and a bicycle.",
    ),
    questions=(
        question("What color is the dog?", *["brown"] * 9, "tan"),
        question(
            "What is the dog doing?", *["sitting"] * 9, choices=("sitting", "eating", "sleeping"), correct=0
        ),
    ),
)


def shipped(demo: Path) -> list[Scene]:
    """Scenes of the photos that ship with vlit."""
    from vlit.collect.stage import collect_folder

    return collect_folder(demo)[0]
