"""Phrases that give a reply away, from ``phrases.yaml``: leaks, refusals, thinking aloud, polite words."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import yaml

from vlit.language.pieces import Pieces

Section = Literal["leak", "refusal", "thinking", "preamble", "closing"]
Searched = Literal["leak", "refusal", "thinking", "closing"]  #: what whole texts are searched for

_FILE = Path(__file__).parent / "phrases.yaml"
_BLANKS = str.maketrans(dict.fromkeys(string.punctuation + "“”‘’«»…–—", " "))
_EVERYWHERE = frozenset(
    {"a", "an", "and", "any", "as", "can", "have", "in", "is", "it", "no", "not", "of", "the", "to"}
)
_TEXTS = 1 << 13  #: whose pieces are remembered: more than stand in a part of a set
_LONG = 4000  #: characters from which on a text is not remembered: they would fill the memory
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


def search(rules: Iterable[Rule], text: str) -> str | None:
    """The first phrase that a text holds, as it is written there.

    What stands in double quotes is what somebody says or what is written somewhere, and does not count.

    Args:
        rules: Of a section, or those of them that :func:`likely` names.
        text: An answer, a question, or a whole text.
    """
    lower: str | None = None
    for rule in rules:
        if lower is None:
            lower = _unquoted(text)
        if found := _find(rule, lower):
            return " ".join(text[found.start() : found.end()].split())
    return None


def likely(section: Searched, whole: str) -> tuple[Rule, ...]:
    """The rules that can catch something in any line of a text: looked for once, in all of it."""
    pieces = _pieces_in(whole) if len(whole) <= _LONG else _pieces_in.__wrapped__(whole)
    if pieces.isdisjoint(_has(section)):
        return ()
    few = [rule for rule in rules(section) if not pieces.isdisjoint(rule.has)]
    lower = _unquoted(whole)
    return tuple(rule for rule in few if rule.start or rule.pattern.search(lower))


def _sign(piece: str) -> tuple[str, bool]:
    """The word of a piece that says most, a long one and none that is everywhere, and whether it is whole."""
    words = piece.translate(_BLANKS).split()
    rare = [word for word in words if word not in _EVERYWHERE]
    sign = max(rare or words[:1], key=len)
    return sign, sign != words[-1] or piece.endswith(" ")


@cache
def _has(section: Section) -> frozenset[str]:
    return frozenset(piece for rule in rules(section) for piece in rule.has)


@lru_cache(maxsize=_TEXTS)
def _pieces_in(whole: str) -> frozenset[str]:
    """The pieces of rules that a text holds, for all sections at once: it is searched by several, in turn."""
    lower = plain_lower(whole)
    groups = set(_begins().of(lower.translate(_BLANKS)))
    return frozenset(piece for group in groups for piece in group if piece in lower)


@cache
def _begins() -> Pieces[tuple[str, ...]]:
    """Word -> pieces of rules that may stand where it stands.

    A look at each word takes a quarter of the time of a search for each piece.
    """
    pieces = frozenset().union(*map(_has, get_args(Searched)))
    signs = sorted((*_sign(piece), piece) for piece in pieces)
    return Pieces(
        lambda word: tuple(
            p for sign, is_whole, p in signs if word == sign or (not is_whole and word.startswith(sign))
        )
    )


def _unquoted(text: str) -> str:
    """In plain lower case, with points in place of what stands in double quotes."""
    return _QUOTED.sub(lambda quote: '"' + "·" * (len(quote.group()) - 2) + '"', plain_lower(text))


def _find(rule: Rule, lower: str) -> re.Match[str] | None:
    if not _may_catch(rule, lower):
        return None
    if rule.start:
        return rule.pattern.match(lower, len(lower) - len(lower.lstrip(" \t\n*_#>")))
    return rule.pattern.search(lower)


def _may_catch(rule: Rule, lower: str) -> bool:
    """Quick, and never wrong when it says no."""
    for piece in rule.has:  # noqa: SIM110 - the loop takes half the time of any()
        if piece in lower:
            return True
    return False


def begins(section: Section, text: str, at: int = 0) -> int | None:
    """Where a phrase ends that stands at a place of a text; None where none does."""
    lower = plain_lower(text[at : at + 400])
    for rule in rules(section):
        if _may_catch(rule, lower) and (found := rule.pattern.match(lower)):
            return at + found.end()
    return None


@cache
def _file() -> dict[str, tuple[Rule, ...]]:
    held = yaml.load(_FILE.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    words: dict[str, str] = held.pop("define")
    return {section: tuple(_compiled(entries, words)) for section, entries in held.items()}


def _compiled(entries: list[dict[str, object]], words: dict[str, str]) -> Iterator[Rule]:
    for entry in entries:
        pattern = re.sub(r"%(\w+)%", lambda name: words[name[1]], str(entry["pattern"]))
        has = entry["has"]
        assert isinstance(has, list)
        yield Rule(re.compile(pattern), tuple(has), entry.get("at") == "start", str(entry["example"]))
