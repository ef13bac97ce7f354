"""Words and sentences: one documented tokenisation for every indicator that reads text.

A token is, in lower case,

* a word: letters and digits of any script, with inner apostrophes and hyphens (``don't``, ``3rd``);
* a number: digits with inner points, commas and colons kept (``3``, ``1,200``, ``0.726``, ``11:43``);
* one mark of punctuation: ``. , ; : ! ? ( ) [ ] " % & / …`` or a dash; runs of one mark are one token.

Other signs are left out. Typographic apostrophes and quotes become plain ones.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)*(?![^\W_])"
    r"|[^\W_]+(?:['-][^\W_]+)*"
    r"|\.+|!+|\?+|[,;:()\[\]\"%&/…]|-+|[–—]"
)
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\s*\n\s*")
_NO_END = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|no|vs|etc|e\.g|i\.e|approx|fig|jr|sr|inc|a\.m|p\.m|u\.s)|\b[A-Z])\.$",
    re.IGNORECASE,
)


def words(text: str) -> list[str]:
    """Tokens of a text, in order; empty for a text without any."""
    return _TOKEN.findall(text.translate(_PLAIN).lower())


def sentences(text: str) -> list[str]:
    """Sentences and lines of a text without the white space around them, in order.

    A point after a common abbreviation or a single letter ends no sentence, unless it ends the text.
    """
    found: list[str] = []
    start = 0
    for gap in _END.finditer(text):
        if "\n" not in gap.group() and _NO_END.search(text, start, gap.start()):
            continue
        found.append(text[start : gap.end()].strip())
        start = gap.end()
    found.append(text[start:].strip())
    return [s for s in found if s]
