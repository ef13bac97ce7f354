"""Clues: what a teacher is told of a scene, as text that is never longer than it may be.

Three layouts. ``llava``: captions one a line, a blank line, then ``label: [x1, y1, x2, y2]`` one a line.
``svit``: numbered parts ``(1) captions:``, ``(2) objects:``, ``(3) regions:``, which stay where they are empty.
``plain``: each kind of annotation in sentences, by templates (``clues.yaml``). A part that LLaVA and SVIT do
not know is worded as in ``plain`` by their layouts as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from vlit.data.boxes import Box
from vlit.data.errors import VlitError, nearest
from vlit.data.scene import Scene
from vlit.generate.instruct.clue_blocks import Block, BoxValues, joined, shortened
from vlit.generate.instruct.clue_lines import SceneLines
from vlit.generate.instruct.clue_words import Wordings, built_in
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

#: How LLaVA and SVIT set the parts that they know, whatever the wordings of plain language are.
_PUBLISHED = Wordings(
    {
        "captions": {"head": "", "line": "{text}"},
        "objects": {"head": "", "line": "{label}: {box}"},
        "regions": {"head": "", "line": "{phrase}", "boxed": "{phrase}: {box}"},
    }
)
#: What stands between two parts.
_BETWEEN = {"llava": "\n\n", "svit": "\n", "plain": "\n\n"}


@dataclass(frozen=True)
class Clues:
    """What is told of one scene."""

    text: str  #: without a line break at its ends; empty where there is nothing to tell
    cut: tuple[str, ...] = ()  #: how many lines were left out of which part, in order: ``"regions: 12"``
    boxes: tuple[BoxValues, ...] = ()  #: normalised, as they stand in the text
    evidence: tuple[str, ...] = ()  #: ids of the annotations that are told, in the order of the text
    missing: tuple[str, ...] = ()  #: entries of ``needs`` of which nothing is told: then nothing is to be asked


def render(
    scene: Scene,
    config: CluesConfig,
    random: Random,
    *,
    most: int | None = None,
    region: Box | None = None,
    wordings: Wordings | None = None,
) -> Clues:
    """The clues of a scene. Equal arguments give equal text.

    Args:
        scene: The scene. Without a size (0 x 0) no box can be normalised: the lines that would show one are
            left out, and counted in ``cut``.
        config: Layout, parts, and the longest text allowed.
        random: Decides where a part tells a selection (``absent``).
        most: Characters, instead of ``config.most``, where a server found the context too long.
        region: The marked region, in pixels; the part ``region`` tells of it, and is missing without it.
        wordings: Of what is told in plain language; by default ours.

    Raises:
        VlitError: When the config names a part that there is not.
    """
    check(config)
    wordings = wordings or built_in()
    blocks = _blocks(scene, config, random, region, wordings)
    between = _BETWEEN[config.layout]
    cut = shortened(blocks, config.cut, config.most if most is None else most, between)
    told = [line for block in blocks for line in block.lines]
    full = {block.part for block in blocks if block.lines}
    return Clues(
        text=joined(blocks, between),
        cut=tuple(f"{part}: {count}" for part, count in cut.items()),
        boxes=tuple(box for line in told for box in line.boxes),
        evidence=tuple(dict.fromkeys(id for line in told for id in line.evidence)),
        missing=tuple(need for need in config.needs if full.isdisjoint(_either(need))),
    )


def check(config: CluesConfig, where: str = "") -> None:
    """Find parts that there are not, that stand twice, or that are needed without being told.

    An entry of ``needs`` may name several parts of which one is enough: ``captions or regions``.

    Raises:
        VlitError: With the first one.
    """
    needs = tuple(dict.fromkeys(part for need in config.needs for part in _either(need)))
    for key, names, known in (
        ("parts", config.parts, PARTS),
        ("needs", needs, config.parts),
        ("cut", config.cut, PARTS),  # a part that is not told need not be cut
    ):
        for name in names:
            if name not in known:
                why = "there is no such part of clues" if name not in PARTS else "it is not among `parts`"
                raise VlitError(f"clues.{key}: {name!r}: {why}", where=where, todo=nearest(name, known))
        if len(set(names)) < len(names):
            twice = ", ".join(names)
            raise VlitError(f"clues.{key}: a part stands twice: {twice}", where=where, todo="name each once")


def _either(need: str) -> list[str]:
    return [part.strip() for part in need.split(" or ")]


def _blocks(
    scene: Scene, config: CluesConfig, random: Random, region: Box | None, wordings: Wordings
) -> list[Block]:
    plain = SceneLines(scene, wordings, random, region)
    published = SceneLines(scene, _PUBLISHED, random, region)
    sized = scene.image.width > 0 and scene.image.height > 0
    blocks = []
    for number, part in enumerate(config.parts, 1):
        own = config.layout != "plain" and part in ("captions", "objects", "regions")
        head = "" if own else wordings.head(part)
        block = Block(part, head)
        if config.layout == "svit":
            block = Block(part, f"({number}) {part}:", stays=True)
        boxed = part == "objects" or (part == "regions" and config.region_boxes)
        if boxed and not sized:
            block.lost = len(scene.objects if part == "objects" else scene.regions)
        else:
            block.lines = (published if own else plain).of(part, config.region_boxes)
        blocks.append(block)
    return blocks
