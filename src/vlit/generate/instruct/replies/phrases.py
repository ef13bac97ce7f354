"""Phrases that give a reply away, from ``phrases.yaml``: leaks, refusals, thinking aloud, polite words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

Section = Literal["leak", "refusal", "thinking", "preamble", "closing"]

_FILE = Path(__file__).parent / "phrases.yaml"
_QUOTED = re.compile(r'"[^"\n]{1,120}"')


class Rule(NamedTuple):
    """One pattern over lower-case text with plain quotes.

    Attributes:
        pattern: What is looked for.
        has: Each match holds one of these: a search for them is much faster than the pattern's.
        start: Whether it counts only at the beginning.
        example: A sentence that it catches.
    """

    pattern: re.Pattern[str]
    has: tuple[str, ...]
    start: bool
    example: str


@cache
def rules(section: Section) -> tuple[Rule, ...]:
    """The rules of a section."""
    return _file()[section]


def plain_lower(text: str) -> str:
    """Lower case with plain quotes; each character stays in its place."""
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(c if len(c.lower()) > 1 else c.lower() for c in text)
    return lower


def search(section: Section, text: str) -> str | None:
    """The first phrase of a section that a text holds, as it is written there.

    What stands in double quotes is what somebody says or what is written somewhere, and does not count.

    Args:
        section: Of which phrases.
        text: An answer, a question, or a whole text.
    """
    lower = plain_lower(text)
    unquoted: str | None = None
    for rule in rules(section):
        if any(piece in lower for piece in rule.has):
            if unquoted is None:
                unquoted = _QUOTED.sub(lambda quote: '"' + "·" * (len(quote.group()) - 2) + '"', lower)
            start = len(unquoted) - len(unquoted.lstrip(" \t\n*_#>"))
            found = rule.pattern.match(unquoted, start) if rule.start else rule.pattern.search(unquoted)
            if found:
                return " ".join(text[found.start() : found.end()].split())
    return None


def suspected(section: Section, text: str) -> bool:
    """Whether any phrase of a section may be in a text: quick, and never wrong when it says no."""
    lower = plain_lower(text)
    return any(piece in lower for piece in _pieces(section))


def begins(section: Section, text: str, at: int = 0) -> int | None:
    """Where a phrase ends that stands at a place of a text; None where none does."""
    lower = plain_lower(text[at : at + 400])
    for rule in rules(section):
        if any(piece in lower for piece in rule.has) and (found := rule.pattern.match(lower)):
            return at + found.end()
    return None


@cache
def _pieces(section: Section) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece for rule in rules(section) for piece in rule.has))


@cache
def _file() -> dict[str, tuple[Rule, ...]]:
    held = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    words: dict[str, str] = held.pop("define")
    return {section: tuple(_compiled(entries, words)) for section, entries in held.items()}


def _compiled(entries: list[dict[str, object]], words: dict[str, str]) -> Iterator[Rule]:
    for entry in entries:
        pattern = re.sub(r"%(\w+)%", lambda name: words[name[1]], str(entry["pattern"]))
        has = entry["has"]
        assert isinstance(has, list)
        yield Rule(re.compile(pattern), tuple(has), entry.get("at") == "start", str(entry["example"]))
