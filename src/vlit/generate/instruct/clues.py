"""Clues: what a teacher is told of a scene, as text that is never longer than it may be."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from vlit.data.boxes import Box
from vlit.data.scene import Scene
from vlit.generate.instruct.recipe import CluesConfig

#: Kinds of clues, the values of ``clues.parts``, ``needs`` and ``cut`` of an instruction recipe.
PARTS = (
    "captions",  # sentences about the whole image
    "objects",  # label and normalised box of each object
    "counts",  # how many there are of what, in words
    "attributes",  # what the objects are like
    "relations",  # how they stand to each other
    "regions",  # phrases about parts of the image, with their boxes where `region_boxes` is true
    "texts",  # recognised characters
    "questions",  # what people asked, and how many gave which answer
    "absent",  # what annotators looked for and did not find
    "region",  # the marked region: its phrases or label, where it lies, and what lies in it
)


@dataclass(frozen=True)
class Clues:
    """What is told of one scene."""

    text: str  #: without a line break at its ends; empty where there is nothing to tell
    cut: tuple[str, ...] = ()  #: how many lines were left out of which part, in order: ``"regions: 12"``
    boxes: tuple[tuple[float, float, float, float], ...] = ()  #: normalised, as they stand in the text
    evidence: tuple[str, ...] = ()  #: ids of the annotations that are told, in the order of the text
    missing: tuple[str, ...] = ()  #: parts of ``needs`` that the scene lacks: then nothing is to be asked


def render(
    scene: Scene, config: CluesConfig, random: Random, *, most: int | None = None, region: Box | None = None
) -> Clues:
    """The clues of a scene. Equal arguments give equal text.

    Args:
        scene: The scene. Without a size (0 x 0) its boxes cannot be normalised: lines that show one are left out.
        config: Layout, parts, and the longest text allowed.
        random: Decides where a part tells a selection (``absent``).
        most: Characters, instead of ``config.most``, where a server found the context too long.
        region: The marked region, in pixels; the part ``region`` tells of it, and is missing without it.
    """
    raise NotImplementedError
