"""References to objects in a text, as SVIT spells them: ``<st>name<ed> [x1, y1, x2, y2], [x1, y1, x2, y2]``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from vlit.data.boxes import format_box, from_normalised, to_padded_square

#: ``x1, y1, x2, y2``, mostly fractions of the image.
BoxValues: TypeAlias = tuple[float, float, float, float]

# Bounded, so that no text of digits or spaces makes the search slow.
_NUMBER = r"[-+]?(?:\d{1,9}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
_GAP = r"\s{0,8}"
_BOX = rf"\[{_GAP}{_NUMBER}(?:{_GAP},{_GAP}{_NUMBER}){{3}}{_GAP}\]"
_NEXT = rf"{_GAP}(?:,|;|&|(?:,{_GAP})?\band\b)?{_GAP}"
BOX = re.compile(_BOX)
#: Tolerates spaces, ``<ed>:``, ``</st>`` in place of ``<ed>``, and "and" between boxes.
REFERENCE = re.compile(
    rf"<{_GAP}st{_GAP}>(?P<name>[^<>\[\]]{{0,200}})<{_GAP}/?{_GAP}(?:ed|st){_GAP}>"
    rf"(?:{_GAP}:)?{_GAP}(?P<boxes>{_BOX}(?:{_NEXT}{_BOX}){{0,99}})",
    re.IGNORECASE,
)
_NUMBERS = re.compile(_NUMBER)
#: How models dress up references: escaped tags, emphasis or code around them, boxes in round brackets.
_ESCAPED = re.compile(r"&lt;(\s{0,3}/?\s{0,3}(?:st|ed)\s{0,3})&gt;", re.IGNORECASE)
_EMPHASIS = re.compile(r"\*{1,3}|`{1,3}")
_ROUND = re.compile(
    rf"(?<=>)(:?{_GAP})\(({_GAP}{_NUMBER}(?:{_GAP},{_GAP}{_NUMBER}){{3}}{_GAP})\)", re.IGNORECASE
)


class Reference(msgspec.Struct, frozen=True, gc=False):
    """A name in tags with its boxes.

    Attributes:
        name: Without the white space around it; may be empty.
        boxes: At least one, with the numbers as they are written.
        span: Where it stands in the text: start, and end behind the last box.
    """

    name: str
    boxes: tuple[BoxValues, ...]
    span: tuple[int, int]


def find_references(text: str) -> Iterator[Reference]:
    """References of a text, in order. A name without a box, or a box without a name, is none."""
    for found in REFERENCE.finditer(text):
        boxes = tuple(map(_values, BOX.findall(found["boxes"])))
        yield Reference(" ".join(found["name"].split()), boxes, found.span())


def canonical(text: str) -> str:
    """The text with every reference spelt ``<st>name<ed> [0.100, 0.200, 0.300, 0.400], [...]``.

    Where there are tags, they are taken out of Markdown and HTML first.
    """

    def spelt(found: re.Match[str]) -> str:
        boxes = ", ".join(format_box(_values(box)) for box in BOX.findall(found["boxes"]))
        return f"<st>{' '.join(found['name'].split())}<ed> {boxes}"

    if "<" in text or "&lt;" in text:
        text = _ROUND.sub(r"\1[\2]", _ESCAPED.sub(r"<\1>", _EMPHASIS.sub("", text)))
    return REFERENCE.sub(spelt, text)


def convert_boxes(text: str, convert: Callable[[BoxValues], Sequence[float]]) -> str:
    """The text with every box in it converted, in or out of a reference, with three decimals.

    Each box is converted once, where it stands: a box whose new numbers are another's old ones is no trouble.
    """
    return BOX.sub(lambda found: format_box(convert(_values(found.group()))), text)


def pad_square(text: str, width: int, height: int) -> str:
    """The text with its boxes as fractions of the padded square of LLaVA-1.5.

    Args:
        text: Its boxes are fractions of the image.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
    """
    return convert_boxes(text, lambda box: to_padded_square(from_normalised(box, width, height), width, height))


def _values(box: str) -> BoxValues:
    x1, y1, x2, y2 = map(float, _NUMBERS.findall(box))
    return x1, y1, x2, y2
