"""Places in words: which of nine parts of the image an object is in, what is beside what; clear cases only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random
from typing import NamedTuple

from vlit.data.scene import Object
from vlit.generate.view import View

#: Centres closer than this to the border between two parts, as a share of the side, are in neither.
_LOW, _HIGH = 0.32, 0.68
_MIDDLE = (0.39, 0.61)
#: An object wider or higher than this share of the image is not "in" one part of it.
_EXTENT = 0.6


class Place(NamedTuple):
    """A part of the image."""

    short: str  #: "upper left"
    where: str  #: "in the upper left", followed by "of the image"


PLACES: dict[tuple[int, int], Place] = {
    (0, 0): Place("upper left", "in the upper left"),
    (1, 0): Place("top center", "at the top center"),
    (2, 0): Place("upper right", "in the upper right"),
    (0, 1): Place("left", "on the left side"),
    (1, 1): Place("center", "in the center"),
    (2, 1): Place("right", "on the right side"),
    (0, 2): Place("lower left", "in the lower left"),
    (1, 2): Place("bottom center", "at the bottom center"),
    (2, 2): Place("lower right", "in the lower right"),
}


#: How often things are there, about. Wrong options are drawn by it: else the center, where most things are,
#: would be right whenever it is offered.
_WEIGHTS = {(1, 1): 4, (0, 1): 3, (2, 1): 3, (1, 2): 3}


def wrong_places(right: Place, n: int, rng: Random) -> list[Place]:
    """``n`` other parts of the image that nobody would name instead: the center, or two steps away."""
    (x, y) = next(cell for cell, place in PLACES.items() if place is right)
    others = [
        cell
        for cell in PLACES
        if cell != (x, y) and ((1, 1) in (cell, (x, y)) or abs(cell[0] - x) + abs(cell[1] - y) > 1)
    ]
    drawn = sorted(others, key=lambda cell: -(rng.random() ** (1 / _WEIGHTS.get(cell, 1))))
    return [PLACES[cell] for cell in drawn[:n]]


def place_of(view: View, o: Object) -> Place | None:
    """The part of the image that the object is in, or ``None`` where a person could see it otherwise."""
    x, y = o.box.center
    cell = (_third(x / view.width), _third(y / view.height))
    if None in cell or o.box.width > _EXTENT * view.width or o.box.height > 1.25 * _EXTENT * view.height:
        return None
    return PLACES[cell]  # type: ignore[index]


def _third(f: float) -> int | None:
    if f <= _LOW:
        return 0
    if f >= _HIGH:
        return 2
    return 1 if _MIDDLE[0] <= f <= _MIDDLE[1] else None


class Beside(NamedTuple):
    """``a`` is to the left of ``b``."""

    a: Object
    b: Object


def beside(view: View, objects: Sequence[Object]) -> list[Beside]:
    """Pairs of which one is clearly to the left: apart, and at about the same height, most prominent first."""
    return [
        Beside(*pair)
        for one, other in combinations(objects, 2)
        for pair in ((one, other), (other, one))
        if _apart(view, *pair)
    ]


def _apart(view: View, a: Object, b: Object) -> bool:
    gap = b.box.x1 - a.box.x2
    far = b.box.center[0] - a.box.center[0]
    return gap >= -0.02 * view.width and far >= 0.15 * view.width


def stacked(view: View, objects: Sequence[Object]) -> list[Beside]:
    """Pairs of which the first is clearly higher in the image."""
    found = []
    for one, other in combinations(objects, 2):
        for a, b in ((one, other), (other, one)):
            gap = b.box.y1 - a.box.y2
            if gap >= 0.0 and b.box.center[1] - a.box.center[1] >= 0.2 * view.height:
                found.append(Beside(a, b))
    return found
