"""Captions that people wrote: cleaned, judged, ranked by how far the captions of one image agree.

Crowd captions hold bad English. Nothing is corrected here beyond capitals, quotes, spaces and the full stop: a
caption that is doubtful is passed over for a better one of the same image.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

_SPACES = re.compile(r"\s+")
_SPACE_BEFORE_STOP = re.compile(r"\s+([,.;:!?])")
_STOP_WITHOUT_SPACE = re.compile(r"([,;])(?=[A-Za-z])")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*|\d+")
_QUOTES = "\"'`“”‘’"


@dataclass(frozen=True)
class _Signs:
    """``captions.yaml``: see the comments there."""

    typos: frozenset[str]
    typo_patterns: re.Pattern[str]
    junk: tuple[tuple[re.Pattern[str], str], ...]
    any_junk: re.Pattern[str]  #: all of them at once, because most captions have none
    loose: tuple[re.Pattern[str], ...]
    finite: frozenset[str]
    masculine: frozenset[str]
    feminine: frozenset[str]
    fillers: frozenset[str]
    starters: frozenset[str]
    before_nouns: frozenset[str]
    prepositions: frozenset[str]
    plain_verbs: frozenset[str]  #: "sit" for the finite "sits"
    past: frozenset[str]
    participles: frozenset[str]
    capitals: Mapping[str, str]
    any_capital: re.Pattern[str]


@functools.cache
def _signs() -> _Signs:
    text = resources.files("vlit.language").joinpath("captions.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    typos = "|".join(raw["typos"]).split("|")
    plain = frozenset(t for t in typos if t.isalpha())
    return _Signs(
        typos=plain,
        typo_patterns=re.compile(rf"\b(?:{'|'.join(t for t in typos if t not in plain)})\b", re.IGNORECASE),
        junk=tuple((re.compile(j["pattern"], re.IGNORECASE), j["reason"]) for j in raw["junk"]),
        any_junk=re.compile("|".join(f"(?:{j['pattern']})" for j in raw["junk"]), re.IGNORECASE),
        loose=tuple(re.compile(pattern, re.IGNORECASE) for pattern in raw["loose"]),
        finite=frozenset(raw["finite"]),
        masculine=frozenset(raw["masculine"]),
        feminine=frozenset(raw["feminine"]),
        fillers=frozenset(raw["fillers"]),
        starters=frozenset(raw["starters"]),
        before_nouns=frozenset(raw["before_nouns"]),
        prepositions=frozenset(raw["prepositions"]),
        plain_verbs=frozenset(w.removesuffix("s") for w in raw["finite"] if w.endswith("s") and len(w) > 4),
        past=frozenset(raw["past"]),
        participles=frozenset(raw["participles"]),
        capitals=raw["capitals"],
        any_capital=re.compile(rf"\b(?:{'|'.join(raw['capitals'])})\b", re.IGNORECASE),
    )


def clean(text: str) -> str:
    """One line, no outer quotes, single spaces, a capital first letter and a full stop.

    A caption all in capitals is set in lower case. The words themselves stay.
    """
    text = _SPACES.sub(" ", text).strip().strip(_QUOTES).strip()
    text = _SPACE_BEFORE_STOP.sub(r"\1", text)
    text = _STOP_WITHOUT_SPACE.sub(r"\1 ", text)
    text = text.lstrip(",.;:!?- ").rstrip(",;:- ")
    if not text:
        return ""
    if len(text) > 3 and text.isupper():
        text = text.lower()
    signs = _signs()
    text = signs.any_capital.sub(lambda m: signs.capitals[m[0].lower()], text)
    text = re.sub(r"\.{2,}$", ".", text)
    if text[-1] not in ".!?":
        text += "."
    return text[0].upper() + text[1:]


def words(text: str) -> list[str]:
    """The words of a caption in lower case."""
    return [w.lower() for w in _WORD.findall(text)]


def problem(text: str, *, shortest: int = 5, longest: int = 32) -> str | None:
    """Why a cleaned caption should not be used as a sentence, or ``None``.

    Args:
        text: Cleaned by :func:`clean`.
        shortest: Words that a caption needs.
        longest: Words above which it is no longer one sentence.
    """
    n = len(text.split())
    if n < shortest:
        return "too short"
    if n > longest:
        return "too long"
    if not text.isascii():
        return "letters outside English"
    if not text.isprintable():
        return "stray characters"
    if (typo := misspelt(text)) is not None:
        return f"misspelt: {typo}"
    signs = _signs()
    lowered = text[0].lower() + text[1:]
    if signs.any_junk.search(lowered):
        return next(reason for pattern, reason in signs.junk if pattern.search(lowered))
    return None


def misspelt(text: str) -> str | None:
    """A word of the text that is known as a misspelling, if there is one."""
    signs = _signs()
    for word in words(text):
        if word in signs.typos:
            return word
    found = signs.typo_patterns.search(text)
    return found.group() if found else None


@functools.lru_cache(maxsize=4096)
def is_sentence(text: str) -> bool:
    """Whether the caption surely has a finite verb: "A man is riding a wave.", not "A man riding a wave."."""
    signs = _signs()
    tokens = words(text)
    for i, word in enumerate(tokens):
        if word in signs.finite and not (i and tokens[i - 1] in _NO_MAIN_VERB_AFTER):
            plain = word in ("is", "are", "was", "were", "has", "have", "had", "does", "do")
            if plain or not word.endswith("s") or not _is_noun(tokens, i):
                return True
    return False


@functools.lru_cache(maxsize=4096)
def is_phrase(text: str) -> bool:
    """Whether the caption surely is a noun phrase that can follow "shows": "A man riding a wave."."""
    signs = _signs()
    tokens = words(text)
    if is_sentence(text) or not tokens or text.count(".") > 1 or "?" in text:
        return False
    if tokens[0] not in ("a", "an", "the") and not _is_plural_phrase(tokens):
        return False
    # Any other word on -s or -ed may be a finite verb ("skates", "walked"), and so may a plain one of many.
    for i, word in enumerate(tokens):
        if i and tokens[i - 1] in ("that", "which", "who"):
            continue
        if (word in signs.finite or word in signs.plain_verbs or word in signs.past) and not _is_noun(
            tokens, i
        ):
            return False
        doing = i > 0 and tokens[i - 1].endswith("ing") and tokens[i - 1] not in _THINGS  # "riding horses"
        if word.endswith("s") and not word.endswith(("ss", "us", "'s")) and not (doing or _is_noun(tokens, i)):
            return False
        if word.endswith("ed") and word not in signs.participles:
            return False
    return _is_one_subject(tokens)


_THINGS = frozenset(("building", "ceiling", "painting", "awning", "railing", "king", "ring", "string", "wing"))
_PLURAL_STARTERS = frozenset(("two", "three", "four", "five", "six", "several", "some", "many"))


def _is_plural_phrase(tokens: Sequence[str]) -> bool:
    """Whether it is "two dogs running", with no verb after the noun: not "two dogs in coats chase a ball"."""
    if tokens[0] not in _PLURAL_STARTERS:
        return False
    head = next((i for i, w in enumerate(tokens[1:4], 1) if w.endswith("s") or w in _PLURALS), 0)
    return head > 0 and (
        head + 1 == len(tokens) or tokens[head + 1].endswith("ing") or tokens[head + 1] in _WHO
    )


def _is_one_subject(tokens: Sequence[str]) -> bool:
    """Whether no "a man and a dog" may be followed by a plain verb ("chase a ball")."""
    prepositions = _signs().prepositions
    for i, word in enumerate(tokens):
        if word in prepositions or word.endswith("ing"):
            return True
        if word == "and":
            behind = tokens[i + 2 : i + 5]
            return any(w in prepositions or w.endswith("ing") for w in behind)
    return True


_PLURALS = frozenset(("people", "men", "women", "children", "sheep", "cattle"))
_WHO = frozenset(("that", "which", "who"))
_NO_MAIN_VERB_AFTER = frozenset(("that", "which", "who", "to"))


def _is_noun(tokens: Sequence[str], i: int) -> bool:
    return i == 0 or tokens[i - 1] in _signs().before_nouns


def ranked(texts: Sequence[str], common: Collection[str] = ()) -> list[int]:
    """Indices of the cleaned captions, the one that the others agree with most first.

    Agreement is the mean share of its content words that each other caption has too; where they agree on
    little, the one that says more comes first. Against a caption count words that no other has and that are not
    ``common`` (there the typing errors are), and headline style.

    Args:
        texts: Cleaned captions of one image.
        common: Words that a larger body of captions uses; empty where none is known.
    """
    content = [frozenset(words(t)) - _signs().fillers for t in texts]
    scores: list[float] = []
    for i, bag in enumerate(content):
        others = [b for j, b in enumerate(content) if j != i]
        score = sum(len(bag & b) / (len(bag | b) or 1) for b in others) / (len(others) or 1)
        if common:
            score -= 0.04 * sum(1 for word in bag if word not in common and not any(word in b for b in others))
        score += 0.01 * min(len(bag), 8)
        score -= 0.15 * _looseness(texts[i])
        scores.append(score)
    return sorted(range(len(texts)), key=lambda i: (-scores[i], i))


def outvoted(texts: Sequence[str]) -> set[int]:
    """Indices of the captions that see a man where as many others see a woman, or the other way round."""
    signs = _signs()
    bags = [frozenset(words(t)) for t in texts]
    sexes = [bool(b & signs.masculine) - bool(b & signs.feminine) for b in bags]
    return {i for i, sex in enumerate(sexes) if sex and sex * sum(sexes) <= 0}


def is_loose(text: str) -> bool:
    """Whether a cleaned caption is in headline or loose style ("Man on phone.")."""
    return _looseness(text) > 0


@functools.lru_cache(maxsize=4096)
def _looseness(text: str) -> int:
    signs = _signs()
    first = text.split(" ", 1)[0].lower()
    opens_well = first in signs.starters or (first.endswith("s") and not first.endswith("ss"))
    headline = not opens_well and not is_sentence(text)
    return headline + sum(1 for pattern in signs.loose if pattern.search(text))
