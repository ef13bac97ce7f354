"""Blocks of lines that clues are set from, and the rule by which they are cut.

A line is left out whole or stays whole. Lines go from one block at a time, the last ones first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vlit.data.boxes import BOX_TEXT

BoxValues = tuple[float, float, float, float]

#: Line breaks of all kinds and other control characters, characters that turn the direction of reading or are
#: not seen, and halves of characters, which no server takes.
_UNSEEN = re.compile(
    r"[\x00-\x20\x7f-\xa0\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)
_NUMBERED = re.compile(r"^\((\d+)\)")
_NO_TAGS = str.maketrans("<>", "‹›")


@dataclass(frozen=True)
class Line:
    """One line of clues, and what it shows."""

    text: str
    boxes: tuple[BoxValues, ...] = ()
    evidence: tuple[str, ...] = ()  #: ids of annotations


@dataclass
class Block:
    """The lines of one part under their heading."""

    part: str
    head: str
    lines: list[Line] = field(default_factory=list)
    stays: bool = False  #: whether the heading stands without lines, too
    lost: int = 0  #: lines that could not be set: boxes without the size of the image

    def text(self) -> str:
        """Heading and lines; empty where there is nothing to show."""
        if not self.lines and not self.stays:
            return ""
        return "\n".join([*([self.head] if self.head else []), *(line.text for line in self.lines)])


def joined(blocks: Iterable[Block], between: str) -> str:
    """The text of all blocks."""
    return between.join(filter(None, (block.text() for block in blocks)))


def shortened(blocks: Sequence[Block], order: Iterable[str], most: int, between: str) -> dict[str, int]:
    """Take lines away until the text is short enough; the very last line stays, however long it is.

    Args:
        blocks: Changed in place.
        order: Parts, the one that gives its lines first in front; the other parts follow, the last one first.
        most: Characters.
        between: What stands between two blocks.

    Returns:
        How many lines each part lost, in the order in which they were taken.
    """
    by_part = {block.part: block for block in blocks}
    cut: dict[str, int] = {block.part: block.lost for block in blocks if block.lost}
    size = len(joined(blocks, between))
    left = sum(len(block.lines) for block in blocks)
    named = [part for part in order if part in by_part]
    for part in dict.fromkeys([*named, *reversed(by_part)]):
        block = by_part[part]
        while size > most and block.lines and left > 1:
            gone = block.lines.pop()
            left -= 1
            cut[part] = cut.get(part, 0) + 1
            # A line takes its break with it; the last one of a block may take heading and distance, too.
            size = size - len(gone.text) - 1 if block.lines else len(joined(blocks, between))
    return cut


def cleaned(text: str) -> str:
    """Words of an annotator on one line that cannot be taken for a part of the layout, a tag, or a box."""
    text = _UNSEEN.sub(" ", text).strip()
    text = _NUMBERED.sub(r"\1", text.translate(_NO_TAGS))  # no heading "(2) objects:"
    return BOX_TEXT.sub(lambda box: f"({box[0][1:-1]})", text)
