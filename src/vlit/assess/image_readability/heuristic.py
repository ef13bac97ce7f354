"""Image readability: is the picture sharp, well exposed, clean and large enough to be read?

The value is the product of six parts, each 1 where nothing is wrong and 1/2 at a half-way point ``h``. With
``up(x, h, k) = x^k / (x^k + h^k)`` and ``down = 1 - up``:

    sharpness   up(focus, 0.2, 4)
    exposure    sqrt(1 - dark - bright) up(contrast, 15, 3) up(min(brightness, 255 - brightness), 15, 2)
    size        up(sqrt(width height), 150, 4)
    noise       down(noise, 6, 3)
    blocks      down(blockiness, 0.7, 2)
    nature      1/2 + 1/2 down(unnatural, 8, 4)

``vlit.assess.pictures`` says how these are measured. So one bad part is enough for a low value, and the reason
names all parts. ``nature`` alone does not condemn a picture, for its reference is small. The half-way points
are ours, set on the 44 photos that ship with vlit and on damaged copies of them. A part that a photo is too
small for is left out; its size is then nearly 0 already.

The review takes MANIQA, a network whose weights may not be used freely. Limits: a photo that is soft, dark or
grainy on purpose has a low value; noise in a photo without any smooth place is overrated; motion blur in one
direction is seen only half; a page of text on white counts as overexposed and noisy; it does not see tilt,
glare, or what the picture is of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

from vlit.assess.indicator import Indicator, Need, NoConfig
from vlit.assess.seen import Part
from vlit.data.picture import Looks, Picture
from vlit.data.score import Score


class ImageReadability(Indicator[NoConfig]):
    """Product of sharpness, exposure, size, noise, blocks and nature; the lowest of several images."""

    name: ClassVar[str] = "image_readability"
    principle = "image readability"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("pictures",)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Judge each photo of the part once."""
        known: dict[str, tuple[float | None, str]] = {}
        for sample in part.samples:
            for image in sample.images:
                if image.uri not in known:
                    known[image.uri] = _judged(image.uri, part.pictures.get(image.uri))
            found = [known[image.uri] for image in sample.images]
            if not found:
                yield self.of(sample, None, "the sample has no image")
                continue
            value, reason = min(found, key=lambda f: -1.0 if f[0] is None else f[0])
            yield self.of(sample, value, reason)


def _judged(uri: str, picture: Picture | None) -> tuple[float | None, str]:
    if picture is None or picture.looks is None:
        why = picture.problem if picture is not None else None
        return None, f"{uri}: {why or 'it was not looked at'}"
    parts = readability(picture.looks)
    return math.prod(parts.values()), ", ".join(f"{name} {part:.2f}" for name, part in parts.items())


def readability(looks: Looks) -> dict[str, float]:
    """The parts by name, each 0 to 1; those that could be measured."""
    light = min(looks.brightness, 255 - looks.brightness)
    lit = math.sqrt(max(0.0, 1 - looks.dark - looks.bright))
    parts = {
        "sharpness": None if looks.focus is None else _up(looks.focus, 0.2, 4),
        "exposure": lit * _up(looks.contrast, 15, 3) * _up(light, 15, 2),
        "size": _up(math.sqrt(looks.width * looks.height), 150, 4),
        "noise": None if looks.noise is None else 1 - _up(looks.noise, 6, 3),
        "blocks": None if looks.blockiness is None else 1 - _up(looks.blockiness, 0.7, 2),
        "nature": None if looks.unnatural is None else 1 - _up(looks.unnatural, 8, 4) / 2,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _up(x: float, half: float, power: int) -> float:
    """From 0 at 0 over 1/2 at ``half`` towards 1."""
    raised = max(0.0, x) ** power
    return raised / (raised + half**power)
