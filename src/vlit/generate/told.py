"""What the texts of a scene say of its labels, before anything is said of them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vlit.data.scene import Caption, Scene
from vlit.language import captions, nouns
from vlit.language.mentions import Mention

_NUMBER_BEFORE = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|couple|pair|[2-9]|1\d)\s+(?:of\s+)?"
    r"(?:(?:pieces|slices|pairs)\s+of\s+)?(?:\w+\s+)?$",
    re.IGNORECASE,
)
_VALUES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "couple": 2, "pair": 2,
}  # fmt: skip


class Told(NamedTuple):
    """What the texts of a scene say of its labels."""

    maybe: set[str]  #: labels that a text may mean
    named: set[str]  #: labels that a caption or region names
    many: set[str]  #: labels that one names in the plural
    numbers: dict[str, set[int]]  #: the numbers that they give


def told_of(
    scene: Scene, in_captions: Sequence[tuple[Caption, list[Mention]]], find: Callable[[str], list[Mention]]
) -> Told:
    """What captions, regions and questions speak of.

    Args:
        scene: The scene.
        in_captions: Its captions, with what ``find`` found in each.
        find: Places of a text that speak of labels of the corpus.
    """
    maybe, named, many = set[str](), set[str](), set[str]()
    numbers: dict[str, set[int]] = {}
    told = [(caption.text, found) for caption, found in in_captions]
    told += [(region.phrase, find(region.phrase)) for region in scene.regions]
    for text, found in told:
        for m in found:
            maybe.add(m.label)
            if m.relation != "broader":
                named.add(m.label)
                if m.plural:
                    many.add(m.label)
            before = _NUMBER_BEFORE.search(text, max(0, m.start - 30), m.start)
            if before:
                word = before[1].lower()
                numbers.setdefault(m.label, set()).add(_VALUES.get(word) or int(word))
        for word in captions.words(text):
            maybe.update(nouns.words().broad.get(word, ()))
    for question in scene.questions:
        maybe.update(m.label for m in find(question.text))
    return Told(maybe, named, many, numbers)
