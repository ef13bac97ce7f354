"""Boxes in a text: none where there may be none; in tags, well formed and not invented where there must be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from vlit.data.boxes import format_box
from vlit.generate.instruct.tags import BOX, BoxValues, Reference, find_references

_FRACTION = r"(?:0?\.\d{1,9}|[01]\.0{1,9})"
_COORDINATES = re.compile(
    rf"<\s{{0,3}}/?\s{{0,3}}(?:st|ed)\s{{0,3}}>|{BOX.pattern}"
    rf"|[\[(]\s{{0,4}}{_FRACTION}(?:\s{{0,4}},\s{{0,4}}{_FRACTION}){{1,3}}\s{{0,4}}[\])]"
    r"|\bx_?(?:1|min)\b[^\n]{1,20}\by_?(?:1|min)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(r"<\s{0,3}st\s{0,3}>", re.IGNORECASE)
_CLOSING = re.compile(r"<\s{0,3}(?:/?\s{0,3}ed|/\s{0,3}st)\s{0,3}>", re.IGNORECASE)
#: How far a box may be from the one that was told: the third decimal, rounded another way.
SAME = 0.002


def coordinates(text: str) -> str | None:
    """Coordinates or a tag in a text that may have none, as written."""
    if "[" not in text and "(" not in text and "<" not in text:
        return None
    found = _COORDINATES.search(text)
    return found.group() if found else None


def tag_problems(text: str, boxes: Collection[BoxValues]) -> Iterator[str]:
    """What is wrong with the references of a text that has to have at least one.

    Args:
        text: A question, an answer or a whole text, its references in the canonical spelling.
        boxes: Those that the teacher was shown; where there are none, no box is called invented.
    """
    found = list(find_references(text))
    opened, closed = len(_OPENING.findall(text)), len(_CLOSING.findall(text))
    if not found and not opened and not closed:
        yield "refers to no object with <st>name<ed> [x1, y1, x2, y2]"
    elif opened != len(found) or closed != len(found):
        yield "has a tag without its partner, its name or its box"
    rest = _between(text, found)
    if stray := _COORDINATES.search(_OPENING.sub("", _CLOSING.sub("", rest))):
        yield f"has {stray.group()} without a name in tags before it"
    for reference in found:
        if not reference.name:
            yield "has nothing between <st> and <ed>"
        for box in reference.boxes:
            if problem := _problem(box, boxes):
                yield f"has {format_box(box)}, {problem}"


def _between(text: str, found: list[Reference]) -> str:
    ends = [0, *(r.span[1] for r in found)]
    starts = [*(r.span[0] for r in found), len(text)]
    return " ".join(text[start:end] for start, end in zip(ends, starts, strict=True))


def _problem(box: BoxValues, boxes: Collection[BoxValues]) -> str | None:
    x1, y1, x2, y2 = box
    if not all(0 <= value <= 1 for value in box):
        return "which lies outside 0 to 1"
    if x1 >= x2 or y1 >= y2:
        return "whose first corner is not left of and above its second"
    if boxes and box not in boxes and not any(_same(box, known) for known in boxes):
        return "which is none of the boxes that you were given"
    return None


def _same(box: BoxValues, known: BoxValues) -> bool:
    return all(abs(a - b) <= SAME + 1e-9 for a, b in zip(box, known, strict=True))
