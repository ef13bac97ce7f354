"""Stems: one form for the inflections of an English word, so that "rides", "riding" and "ride" are one.

A light stemmer for comparing texts, never for showing: endings of plurals and verbs go where at least three
letters with a vowel remain, then a last "e", a doubled consonant, and "i" for "y". Limits: "us", "news" and
words like "building" and "build" are treated by the same rules; irregular verbs stay apart.
"""

from __future__ import annotations

import re

_ENDINGS = ("ing", "ed", "es", "s")
_VOWEL = re.compile(r"[aeiouy]")
_IRREGULAR = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "knives": "knife", "leaves": "leaf", "loaves": "loaf", "shelves": "shelf",
    "wolves": "wolf", "calves": "calf",
}  # fmt: skip


def stem(word: str) -> str:
    """The stem of a word.

    Args:
        word: In lower case.
    """
    word = _IRREGULAR.get(word, word)
    for ending in _ENDINGS:
        front = word[: -len(ending)]
        if word.endswith(ending) and len(front) >= 3 and not word.endswith("ss") and _VOWEL.search(front):
            word = _undoubled(front) if ending in ("ing", "ed") else front
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "y" if len(word) > 3 and word.endswith("i") else word


def _undoubled(word: str) -> str:
    """The word without a doubled consonant: "sitt" is "sit"; "fall", "dress" and "buzz" stay."""
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word
