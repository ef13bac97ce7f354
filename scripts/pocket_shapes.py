"""Pictures of shapes with everything that can be said of them: what the pocket model learns to see by.

Coloured shapes of several sizes stand, now and then overlapping a little, on a ground with texture. Each
picture comes as a :class:`vlit.data.scene.Scene`, so that vlit's own tasks ask and answer about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
import PIL.Image as PILImage
from numpy.typing import NDArray
from PIL import ImageDraw

from vlit.data.boxes import Box
from vlit.data.scene import Answer, Caption, Image, Object, Question, Scene
from vlit.data.seeds import rng
from vlit.language import nouns

SIDE = 96  #: pixels of a picture
_FINE = 2  #: drawn so many times larger, for smooth edges
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
COLOURS = {
    "red": (214, 40, 40), "green": (46, 158, 62), "blue": (40, 84, 214), "yellow": (242, 214, 44),
    "orange": (244, 134, 24), "purple": (140, 52, 176), "black": (22, 22, 26), "white": (246, 246, 246),
}  # fmt: skip
GROUNDS = {"gray": (142, 146, 150), "pink": (238, 178, 196), "brown": (142, 106, 74)}


@dataclass(frozen=True)
class Drawn:
    """One shape as it stands in the picture: centre and radius in pixels."""

    shape: str
    colour: str
    x: float
    y: float
    r: float
    turn: float = 0.0  #: radians


@dataclass(frozen=True)
class Picture:
    """A picture and what is known of it."""

    scene: Scene
    pixels: NDArray[np.uint8]  #: (SIDE, SIDE, 3)
    drawn: tuple[Drawn, ...]
    ground: str


def picture(seed: int, number: int, *, coloured: bool) -> Picture:
    """The picture of that number; ``coloured``: labels say the colour too, "red circle" instead of "circle"."""
    random = rng(seed, "picture", str(number))
    drawn = _composed(random)
    ground = random.choice(list(GROUNDS))
    return Picture(
        _scene(number, drawn, ground, random, coloured), _painted(drawn, ground, random), drawn, ground
    )


def _composed(random: Random) -> tuple[Drawn, ...]:
    """One to four kinds, one to five of each, at most eight in all; largest first, so that it lies behind."""
    kinds = random.sample([(s, c) for s in SHAPES for c in COLOURS], random.choice((1, 2, 2, 3, 3, 4)))
    numbers = [random.choice((1, 1, 1, 1, 2, 2, 3, 4, 5)) for _ in kinds]
    found: list[Drawn] = []
    for (shape, colour), n in zip(kinds, numbers, strict=True):
        for _ in range(min(n, 8 - len(found))):
            if random.random() < 0.12 and n > 1:
                colour = random.choice(list(COLOURS))  # not all of a kind have the same colour
            crowded = sum(numbers) > 4
            for _ in range(20):
                r, turn = random.uniform(7, 12 if crowded else 22), random.uniform(-0.25, 0.25)
                one = Drawn(shape, colour, random.uniform(r, SIDE - r), random.uniform(r, SIDE - r), r, turn)
                if all(math.hypot(one.x - o.x, one.y - o.y) > 0.9 * (one.r + o.r) for o in found):
                    found.append(one)
                    break
    return tuple(sorted(found, key=lambda d: -d.r))


def _painted(drawn: tuple[Drawn, ...], ground: str, random: Random) -> NDArray[np.uint8]:
    noise = np.random.default_rng(random.getrandbits(64))
    slope = np.linspace(-1, 1, 8)[:, None, None] * noise.normal(0, 14)
    base = np.asarray(GROUNDS[ground]) + noise.normal(0, 6, 3) + noise.normal(0, 12, (8, 8, 1)) + slope
    back = PILImage.fromarray(np.clip(base, 0, 255).astype(np.uint8)).resize((SIDE * _FINE,) * 2)
    pen = ImageDraw.Draw(back)
    for one in drawn:
        shade = tuple(int(np.clip(v + noise.normal(0, 10), 0, 255)) for v in COLOURS[one.colour])
        _stroke(pen, one, shade, _FINE)
    pixels = np.asarray(back.resize((SIDE, SIDE), PILImage.Resampling.BOX), dtype=float)
    return np.clip(pixels + noise.normal(0, 5, pixels.shape), 0, 255).astype(np.uint8)


def owners(drawn: tuple[Drawn, ...], patch: int) -> NDArray[np.int64]:
    """Which shape fills most of each patch, row by row; -1 where none fills a tenth."""
    n = SIDE // patch
    places = PILImage.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(places)
    for number, one in enumerate(drawn):
        _stroke(pen, one, number, 1)
    cells = np.asarray(places).reshape(n, patch, n, patch).swapaxes(1, 2).reshape(n * n, patch * patch)
    filled = np.stack([(cells == number).sum(1) for number in range(len(drawn))], 1)
    return np.where(filled.max(1) >= 0.1 * patch * patch, filled.argmax(1), -1)


def _stroke(pen: ImageDraw.ImageDraw, one: Drawn, shade: tuple[int, ...] | int, fine: int) -> None:
    x, y, r = one.x * fine, one.y * fine, one.r * fine
    if one.shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=shade)
    elif one.shape == "ring":
        pen.ellipse((x - r, y - r, x + r, y + r), outline=shade, width=max(2 * fine, int(0.42 * r)))
    else:
        pen.polygon([(x + r * u, y + r * v) for u, v in _corners(one.shape, one.turn)], fill=shade)


def _corners(shape: str, turn: float) -> list[tuple[float, float]]:
    """Corners in the circle of radius one around the centre."""
    if shape == "heart":
        steps = [2 * math.pi * i / 40 for i in range(40)]
        across = [
            (math.sin(t) ** 3, 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t)) for t in steps
        ]
        return [(0.95 * u, -(v - math.cos(4 * t)) / 16.5) for (u, v), t in zip(across, steps, strict=True)]
    points = {"square": 4, "triangle": 3, "star": 10}[shape]
    start = turn + (math.pi / 4 if shape == "square" else -math.pi / 2)
    radius = [0.45 if shape == "star" and i % 2 else 1.0 for i in range(points)]
    angles = [start + 2 * math.pi * i / points for i in range(points)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radius, angles, strict=True)]


def _scene(number: int, drawn: tuple[Drawn, ...], ground: str, random: Random, coloured: bool) -> Scene:
    objects = tuple(
        Object(
            id=f"object:{i}",
            label=f"{d.colour} {d.shape}" if coloured else d.shape,
            box=Box(d.x - d.r, d.y - d.r, d.x + d.r, d.y + d.r),
            attributes=(d.colour,),
        )
        for i, d in enumerate(drawn)
    )
    return Scene(
        id=f"shapes/{number}",
        image=Image(uri=f"shapes/{number}.png", width=SIDE, height=SIDE),
        source="shapes",
        captions=_captions(drawn, ground, random),
        objects=objects,
        questions=_questions(drawn, ground, random),
        searched=tuple(f"{c} {s}" for c in COLOURS for s in SHAPES) if coloured else SHAPES,
    )


def _captions(drawn: tuple[Drawn, ...], ground: str, random: Random) -> tuple[Caption, ...]:
    kinds: dict[str, int] = {}
    for d in drawn:
        kinds[f"{d.colour} {d.shape}"] = kinds.get(f"{d.colour} {d.shape}", 0) + 1
    things = nouns.join(
        [nouns.counted(n, kind) if n > 1 else nouns.singular(kind) for kind, n in kinds.items()]
    )
    back = f"on a {ground} background"
    first = nouns.capital(f"{things} {back}.")
    are = "is" if len(drawn) == 1 else "are"
    second = random.choice((f"There {are} {things} {back}.", f"{nouns.capital(things)} {are} {back}."))
    return (Caption(id="caption:0", text=first), Caption(id="caption:1", text=second))


def _questions(drawn: tuple[Drawn, ...], ground: str, random: Random) -> tuple[Question, ...]:
    """Colours, shapes and numbers, asked as people ask; in random order."""
    asked: list[tuple[str, str]] = [("What color is the background?", ground)]
    shapes, colours = [d.shape for d in drawn], [d.colour for d in drawn]
    for d in drawn:
        if shapes.count(d.shape) == 1:
            asked.append((f"What color is the {d.shape}?", d.colour))
        if colours.count(d.colour) == 1:
            asked.append((f"What is the shape of the {d.colour} object?", d.shape))
    if len(set(colours)) > 1:
        colour = random.choice(sorted(set(colours)))
        asked.append((f"How many objects are {colour}?", str(colours.count(colour))))
    if len(drawn) > 1 and drawn[0].r > 1.35 * drawn[1].r:
        asked.append(("What color is the largest object?", drawn[0].colour))
        asked.append(("What shape is the largest object?", drawn[0].shape))
    asked.append(("How many objects are there?", str(len(drawn))))
    random.shuffle(asked)
    return tuple(
        Question(id=f"question:{i}", text=text, answers=(Answer(text=said, count=10),))
        for i, (text, said) in enumerate(asked)
    )
