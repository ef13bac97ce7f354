"""Polite words around a text: "Sure! Here is …:" before it, "Let me know if …" after it."""

from __future__ import annotations

import re

from vlit.generate.instruct.replies.contract import Repair
from vlit.language.phrases import begins, likely

_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]*_]*\s+")
_RULE = re.compile(r"\n[ \t]*(?:[-=*_~#–—]{2,}|`{3,}|[#*])[ \t]*$")
_HEADING = re.compile(
    r"(?:#{1,6}[ \t]+[^\n]{1,200}|\*\*[^*\n]{1,120}\*\*:?|__[^_\n]{1,120}__:?)[ \t]*\n+(?=\S)"
)
_LABEL = re.compile(
    r"[*_#\s]{0,6}(?:(?:detailed|image|picture|scene|full|the|my|final|your|reworded) ){0,3}"
    r"(?:description|answer|response|paragraph|text|gpt|assistant|a|reply)[*_]{0,2}\s?:[*_]{0,2}(?=\s)\s*",
    re.IGNORECASE,
)
_TAIL = 600


def without_preamble(text: str) -> tuple[str, tuple[Repair, ...]]:
    """A text without polite words, headings and labels before it; something always remains."""
    repairs: set[Repair] = set()
    text = text.strip()
    for _ in range(4):
        if (end := begins("preamble", text)) is not None and text[end:].strip(" *_#\n"):
            repairs.add("preamble")
        elif (found := _HEADING.match(text) or _LABEL.match(text)) and text[found.end() :].strip():
            end = found.end()
            repairs.add("markdown")
        else:
            break
        text = text[end:].strip()
    return text, tuple(r for r in ("preamble", "markdown") if r in repairs)


def without_closing(text: str) -> tuple[str, tuple[Repair, ...]]:
    """A text without polite words and rules after it; something always remains."""
    head, tail = text[:-_TAIL], text[-_TAIL:].rstrip()
    bare = _RULE.sub("", tail).rstrip()
    if likely("closing", bare):
        while start := _last_start(bare):
            bare = _RULE.sub("", bare[:start].rstrip()).rstrip()
    return (head + bare, ("closing",)) if bare != tail else (head + tail, ())


def _last_start(text: str) -> int | None:
    """Where the last paragraph, or the last sentence, begins, if it is polite words."""
    paragraph = text.rfind("\n") + 1
    sentence = max((m.end() for m in _SENTENCE.finditer(text, paragraph)), default=0)
    for start in (paragraph, sentence):
        if start and text[:start].strip() and begins("closing", text, start) is not None:
            return start
    return None
