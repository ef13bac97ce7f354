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
_TRAILING_NUMBER = re.compile(r"(?<=[^\W\d])(?:[\s#]*\d+)+$")
_NO_SIGN = re.compile(r"^no (\w+) (?=\w)")
#: The noun that is inflected, and what follows it: "cup" and " of coffee", "man" and " sitting".
_WITH_TAIL = re.compile(
    r"(?P<noun>.+?)(?P<tail> (?:of|on|in|with|at|by|near|under|without|from) .+)"
    r"|(?P<doer>person|man|woman|boy|girl|child|people|dog|cat|bird)(?P<doing> \w+ing\b.*)"
)


@dataclass(frozen=True)
class Words:
    """``nouns.yaml``: see the comments there."""

    names: Mapping[str, str]
    loosely: Mapping[str, str]
    plurals: Mapping[str, str]
    pairs: frozenset[str]
    uncounted: frozenset[str]
    definite: frozenset[str]
    plural_only: frozenset[str]
    mass: frozenset[str]
    portions: Mapping[str, str]
    articles: Mapping[str, str]
    proper: Mapping[str, str]
    phrases: tuple[str, ...]
    broad: Mapping[str, tuple[str, ...]]
    in_crowds: frozenset[str]
    overlooked: Mapping[str, frozenset[str]]
    confusable: tuple[frozenset[str], ...]
    mixed_up: tuple[frozenset[str], ...]
    seldom_counted: frozenset[str]
    called_otherwise: Mapping[str, frozenset[str]]
    told: frozenset[str]
    animals: frozenset[str]
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
        plural_only=frozenset(raw["plural_only"]),
        definite=frozenset(raw["definite"]),
        mass=frozenset(raw["mass"]),
        portions=raw["portions"],
        articles=raw["articles"],
        proper={word.lower(): word for word in raw["proper"]},
        phrases=tuple(raw["phrases"]),
        broad={word: tuple(labels) for word, labels in raw["broad"].items()},
        people=frozenset(raw["people"]),
        in_crowds=frozenset(raw["in_crowds"]),
        overlooked={label: frozenset(others) for label, others in raw["overlooked"].items()},
        confusable=tuple(frozenset(row) for row in raw["confusable"]),
        mixed_up=tuple(frozenset(row) for row in raw["mixed_up"]),
        seldom_counted=frozenset(raw["seldom_counted"]),
        called_otherwise={label: frozenset(beside) for label, beside in raw["called_otherwise"].items()},
        told=frozenset(raw["told"]),
        animals=frozenset(raw["animals"]),
    )


@functools.lru_cache(maxsize=65_536)
def clean(label: str) -> str:
    """A label as words: ``kitchen_bottle`` and ``KitchenBottle2`` give "kitchen bottle".

    Proper nouns keep their capital, and so do words of two to four capitals ("SUV", "MRI scanner"), unless the
    whole label is in capitals and longer or a word that is known ("DOG").
    """
    text = _BRACKETED.sub(" ", label).replace("_", " ").replace("/", " or ")
    text = _TRAILING_NUMBER.sub("", _CAMEL.sub(" ", text).strip())
    parts = text.split()
    lowered = " ".join(parts).lower()
    shouted = " ".join(parts).isupper() and (len(lowered) > 3 or lowered in words().plurals)
    said = [part if _is_acronym(part) and not shouted else part.lower() for part in parts]
    return _NO_SIGN.sub(r"no-\1 ", " ".join(words().proper.get(word, word) for word in said))


def _is_acronym(word: str) -> bool:
    return 2 <= len(word) <= 4 and word.isalpha() and word.isupper()


@functools.lru_cache(maxsize=65_536)
def name(label: str) -> str:
    """What a writer calls the thing, without pairs and portions: "TV", "computer mouse", "scissors"."""
    text = clean(label)
    return words().names.get(text, text)


def loosely(label: str) -> str:
    """A shorter name for a thing that is there: a "dining table" label is said as "table"."""
    return words().loosely.get(clean(label), label)


@functools.lru_cache(maxsize=65_536)
def _noun(label: str) -> tuple[str, str]:
    """The noun that is inflected and what follows it: "cup of coffee" gives "cup" and " of coffee"."""
    text = name(label)
    found = _WITH_TAIL.fullmatch(text)
    if found is None:
        return text, ""
    return found["noun"] or found["doer"], found["tail"] or found["doing"]


@functools.lru_cache(maxsize=65_536)
def _unit(label: str) -> str | None:
    """The word that counts the thing where the noun itself cannot: "pair", "piece"."""
    text = _noun(label)[0]
    last = text.rsplit(" ", 1)[-1]
    for key in (text, last):
        if key in words().pairs:
            return "pair"
        if key in words().portions:
            return words().portions[key]
    return None


@functools.lru_cache(maxsize=65_536)
def _is_mass(label: str) -> bool:
    text = _noun(label)[0]
    return text in words().mass or text.rsplit(" ", 1)[-1] in words().mass


@functools.lru_cache(maxsize=65_536)
def is_plural(label: str) -> bool:
    """Whether the label itself names several things ("trees", "men") and so cannot be counted."""
    text = _noun(label)[0]
    last = text.rsplit(" ", 1)[-1]
    known = words().plurals
    if text in known or last in known or _unit(label) or _is_mass(label):
        return False
    if last in _singulars() or last in words().plural_only:
        return True
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
def single(label: str) -> str:
    """One of the thing that can be told from others: "dog", "pair of scissors", "piece of broccoli"."""
    unit = _unit(label)
    return f"{unit} of {name(label)}" if unit else name(label)


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
    noun, tail = _noun(label)
    return " or ".join(map(_plural_of, noun.split(" or "))) + tail


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
        return f"one {single(label)}"
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
    if _is_acronym(first):
        return "an" if first[0] in "AEFHILMNORSX" else "a"  # read letter by letter: "an MRI scanner"
    if first[:1] in "aeiou" and not first.startswith(("u", "eu", "one")):
        return "an"
    if first[:1] in "bcdfgjklmnpqrstvwyz" or first.startswith("T-"):
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
    if _is_acronym(last):
        return f"{noun}s"
    return str(_engine().plural_noun(noun))


@functools.cache
def _engine() -> Any:
    import inflect  # takes more than a second to import, and most label sets never need it

    return inflect.engine()
