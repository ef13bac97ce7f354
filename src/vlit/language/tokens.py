"""Words and sentences: one documented tokenisation for every indicator that reads text.

A token is, in lower case,

* a word: letters and digits of any script, with inner apostrophes and hyphens (``don't``, ``3rd``);
* a number: digits with inner points, commas and colons kept (``3``, ``1,200``, ``0.726``, ``11:43``);
* one mark of punctuation: ``. , ; : ! ? ( ) [ ] " % & / …`` or a dash; runs of one mark are one token.

Other signs are left out. Typographic apostrophes and quotes become plain ones.

No token reaches over white space, so a text is taken apart there first and the tokens of
each piece are remembered.
"""

from __future__ import annotations

import re
from itertools import chain, islice

from vlit.language.pieces import Pieces

_WORD = r"[^\W_]+(?:['-][^\W_]+)*"
_SPOKEN = (
    r"[a-z]+(?![\w'-])"  # most words, and no more than a short cut to the word below
    r"|\d+(?:[.,:]\d+)*(?![^\W_])"
    rf"|{_WORD}"
)
_WITHOUT_MARKS = re.compile(_SPOKEN)
_TOKEN = re.compile(
    rf"{_SPOKEN}"
    r"|[,;:()\[\]\"%&/…–—]|\.+|!+|\?+|-+"
)
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})
# Written out mark by mark: the search then leaps from one to the next.
_END = re.compile("|".join(rf"{mark}[\"')\]]*\s+" for mark in (r"\.", "!", r"\?", "…")) + r"|\n\s*")
_NO_END = re.compile(  # at the end of a text, from _LONGEST characters before it on
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|no|vs|etc|e\.g|i\.e|approx|fig|jr|sr|inc|a\.m|p\.m|u\.s)|\b[A-Z])\.$",
    re.IGNORECASE,
)
_LONGEST = len("approx.")
_ENDS = re.compile(r"([.!?…])[\"')\]]*$")  # a piece that may end a sentence


def words(text: str) -> list[str]:
    """Tokens of a text, in order; empty for a text without any."""
    return list(chain.from_iterable(_ALL.of(text)))


def spoken(text: str) -> list[str]:
    """Tokens of a text without the marks."""
    return list(chain.from_iterable(_SPOKEN_ONLY.of(text)))


def words_and_ends(text: str) -> list[str]:
    """Tokens of a text with an empty one after the last of each sentence (those of ``sentences``)."""
    found: list[str] = []
    for line in text.split("\n"):
        found.extend(chain.from_iterable(_WITH_ENDS.of(line)))
        if found and found[-1]:
            found.append("")
    return found


def speaks(text: str, least: int) -> bool:
    """Whether a text has at least so many tokens beside its marks; the rest of it is not looked at."""
    return sum(1 for _ in islice(_WITHOUT_MARKS.finditer(_plain(text)), least)) >= least


def _plain(text: str) -> str:
    return (text if text.isascii() else text.translate(_PLAIN)).lower()


def sentences(text: str) -> list[str]:
    """Sentences and lines of a text without the white space around them, in order.

    A point after a common abbreviation or a single letter ends no sentence, unless it ends the text.
    """
    found: list[str] = []
    start = 0
    for gap in _END.finditer(text):
        if "\n" not in gap.group() and _abbreviated(text, start, gap.start() + 1):
            continue
        found.append(text[start : gap.end()].strip())
        start = gap.end()
    found.append(text[start:].strip())
    return [s for s in found if s]


def _with_end(piece: str) -> tuple[str, ...]:
    end = _ENDS.search(piece)
    return (*_ALL[piece], "") if end and not _abbreviated(piece, 0, end.start() + 1) else _ALL[piece]


def _abbreviated(text: str, start: int, end: int) -> bool:
    """Whether the mark before ``end`` is the point of an abbreviation."""
    return text[end - 1] == "." and _NO_END.search(text, max(start, end - _LONGEST), end) is not None


_ALL = Pieces(lambda piece: tuple(_TOKEN.findall(_plain(piece))))
_SPOKEN_ONLY = Pieces(lambda piece: tuple(_WITHOUT_MARKS.findall(_plain(piece))))
_WITH_ENDS = Pieces(_with_end)
