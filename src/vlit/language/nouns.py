"""Nouns: a label of an annotation as an English writer would say it, alone, in numbers, in lists.

``kitchen_bottle`` becomes "a kitchen bottle", ``scissors`` "a pair of scissors", three ``broccoli`` "three
pieces of broccoli". The exceptions are data (``nouns.yaml``); all else goes through the library inflect.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BRACKETED = re.compile(r"\([^)]*\)")
_TRAILING_NUMBER = re.compile(r"[\s#]*\d+$")


@dataclass(frozen=True)
class Words:
    """``nouns.yaml``: see the comments there."""

    names: Mapping[str, str]
    loosely: Mapping[str, str]
    plurals: Mapping[str, str]
    pairs: frozenset[str]
    uncounted: frozenset[str]
    mass: frozenset[str]
    portions: Mapping[str, str]
    articles: Mapping[str, str]
    proper: Mapping[str, str]
    phrases: tuple[str, ...]
    broad: Mapping[str, tuple[str, ...]]
    in_crowds: frozenset[str]
    confusable: tuple[frozenset[str], ...]
    people: frozenset[str]


@functools.cache
def words() -> Words:
    """The exceptions, read once a process."""
    text = resources.files("vlit.language").joinpath("nouns.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return Words(
        names=raw["names"],
        loosely=raw["loosely"],
        plurals={**raw["plurals"], **{noun: f"{noun}s" for noun in raw["regular"]}},
        pairs=frozenset(raw["pairs"]),
        uncounted=frozenset(raw["uncounted"]),
        mass=frozenset(raw["mass"]),
        portions=raw["portions"],
        articles=raw["articles"],
        proper={word.lower(): word for word in raw["proper"]},
        phrases=tuple(raw["phrases"]),
        broad={word: tuple(labels) for word, labels in raw["broad"].items()},
        people=frozenset(raw["people"]),
        in_crowds=frozenset(raw["in_crowds"]),
        confusable=tuple(frozenset(row) for row in raw["confusable"]),
    )


@functools.lru_cache(maxsize=65_536)
def clean(label: str) -> str:
    """A label as words: ``kitchen_bottle`` and ``KitchenBottle2`` give "kitchen bottle".

    Proper nouns keep their capital, and so does a whole label of up to three capitals ("SUV").
    """
    text = _BRACKETED.sub(" ", label).replace("_", " ").replace("/", " or ")
    text = _TRAILING_NUMBER.sub("", _CAMEL.sub(" ", text).strip())
    text = " ".join(text.split())
    if text.isupper() and len(text) <= 3:
        return text
    lowered = text.lower()
    return " ".join(words().proper.get(word, word) for word in lowered.split())


@functools.lru_cache(maxsize=65_536)
def name(label: str) -> str:
    """What a writer calls the thing, without pairs and portions: "TV", "computer mouse", "scissors"."""
    text = clean(label)
    return words().names.get(text, text)


def loosely(label: str) -> str:
    """A shorter name for a thing that is there: a "dining table" label is said as "table"."""
    return words().loosely.get(clean(label), label)


@functools.lru_cache(maxsize=65_536)
def _unit(label: str) -> str | None:
    """The word that counts the thing where the noun itself cannot: "pair", "piece"."""
    text = name(label)
    last = text.rsplit(" ", 1)[-1]
    for key in (text, last):
        if key in words().pairs:
            return "pair"
        if key in words().portions:
            return words().portions[key]
    return None


@functools.lru_cache(maxsize=65_536)
def _is_mass(label: str) -> bool:
    text = name(label)
    return text in words().mass or text.rsplit(" ", 1)[-1] in words().mass


@functools.lru_cache(maxsize=65_536)
def is_plural(label: str) -> bool:
    """Whether the label itself names several things ("trees") and so cannot be counted."""
    text = name(label)
    last = text.rsplit(" ", 1)[-1]
    known = words().plurals
    if text in known or last in known or _unit(label) or _is_mass(label):
        return False
    if not last.endswith("s") or last.endswith(("ss", "us", "is", "as", "os")):
        return False
    one = _engine().singular_noun(last)
    return bool(one) and _engine().plural_noun(one) == last


@functools.lru_cache(maxsize=65_536)
def countable(label: str) -> bool:
    """Whether "how many" makes sense and one box is one of it."""
    return (
        name(label) not in words().uncounted
        and not is_plural(label)
        and (not _is_mass(label) or bool(_unit(label)))
    )


@functools.lru_cache(maxsize=65_536)
def bare(label: str) -> str:
    """One of the thing without an article: "dog", "pair of scissors", "broccoli"."""
    return f"pair of {name(label)}" if _unit(label) == "pair" else name(label)


@functools.lru_cache(maxsize=65_536)
def singular(label: str) -> str:
    """One of the thing with its article: "an orange", "a pair of scissors", "some broccoli", "a TV"."""
    if _is_mass(label) or is_plural(label):
        return f"some {name(label)}"
    text = bare(label)
    return f"{_article(text)} {text}"


@functools.lru_cache(maxsize=65_536)
def plural(label: str) -> str:
    """Several of the thing: "dogs", "pairs of scissors", "pieces of broccoli"."""
    unit = _unit(label)
    if unit:
        return f"{_plural_of(unit)} of {name(label)}"
    if _is_mass(label) or is_plural(label):
        return name(label)
    return _plural_of(name(label))


@functools.lru_cache(maxsize=65_536)
def kind(label: str) -> str:
    """The thing as a kind, after "any" or "no": "dogs", "scissors", "broccoli"."""
    return name(label) if _unit(label) or _is_mass(label) else plural(label)


@functools.lru_cache(maxsize=65_536)
def kind_is(label: str) -> str:
    """The verb that goes with :func:`kind`: "is" for broccoli, "are" for dogs and scissors."""
    return "is" if _is_mass(label) else "are"


def counted(n: int, label: str) -> str:
    """A number of the thing: "no dogs", "one dog", "three pairs of scissors", "12 dogs"."""
    if n == 0:
        return f"no {kind(label)}"
    if is_plural(label):
        return f"some {name(label)}"
    if n == 1:
        unit = _unit(label)
        return f"one {unit} of {name(label)}" if unit else f"one {bare(label)}"
    return f"{number_word(n)} {plural(label)}"


@functools.cache
def _singulars() -> dict[str, str]:
    return {many: one for one, many in words().plurals.items()}


def singular_of(plural: str) -> str:
    """The singular of a plural noun, by the exceptions and the rules of regular nouns: "buses" gives "bus"."""
    front, _, last = plural.rpartition(" ")
    known = _singulars().get(last)
    if known is not None:
        last = known
    elif last.endswith(("sses", "shes", "ches", "xes")):
        last = last[:-2]
    elif last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif last.endswith("s") and not last.endswith("ss"):
        last = last[:-1]
    return f"{front} {last}".strip()


def number_word(n: int) -> str:
    """A number in words up to ten, in digits above: "seven", "12"."""
    return _NUMBERS[n] if 0 <= n < len(_NUMBERS) else str(n)


def join(items: Sequence[str], word: str = "and") -> str:
    """A list as a writer gives it: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def capital(text: str) -> str:
    """The text with a capital first letter; the rest stays."""
    return text[:1].upper() + text[1:]


@functools.lru_cache(maxsize=65_536)
def proper(text: str) -> str:
    """An answer with its proper nouns capitalised: "new york" gives "New York", "a thai dish" "a Thai dish"."""
    known = words()
    for phrase in known.phrases:
        text = re.sub(rf"\b{re.escape(phrase)}\b", phrase, text, flags=re.IGNORECASE)
    return " ".join(known.proper.get(word, word) for word in text.split())


def _article(text: str) -> str:
    first = text.split(" ", 1)[0]
    for key in (text, first):
        if key in words().articles:
            return words().articles[key]
    if first[:1] in "aeiou" and not first.startswith(("u", "eu", "one")):
        return "an"
    if first[:1] in "bcdfgjklmnpqrstvwyz" or first == "TV" or first.startswith("T-"):
        return "a"
    if text in words().plurals:  # a frequent label: "umbrella"
        return "an" if first[:1] in "aeiou" else "a"
    return str(_engine().a(text)).split(" ", 1)[0]


@functools.lru_cache(maxsize=65_536)
def _plural_of(noun: str) -> str:
    known = words().plurals
    front, _, last = noun.rpartition(" ")
    if noun in known:
        return known[noun]
    if last in known:
        return f"{front} {known[last]}"
    return str(_engine().plural_noun(noun))


@functools.cache
def _engine() -> Any:
    import inflect  # takes more than a second to import, and most label sets never need it

    return inflect.engine()
