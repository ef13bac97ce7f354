"""``words.yaml`` made ready for the tagger: classes of words, and the forms of verbs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, TypeAlias

import yaml

#: "aux" asks for a plain form after it (do, modals), "be" does not (be, have).
Tag: TypeAlias = Literal[
    "det", "pron", "wh", "aux", "be", "prep", "to", "and", "sub", "num", "adv", "adj", "verb", "noun", "mark"
]
Form: TypeAlias = Literal["s", "ing", "ed"]

#: Of a word that stands in several classes, the last one counts.
_CLASSES: dict[str, Tag] = {
    "numbers": "num",
    "adjectives": "adj",
    "adverbs": "adv",
    "negations": "adv",
    "subordinators": "sub",
    "prepositions": "prep",
    "coordinators": "and",
    "modals": "aux",
    "do": "aux",
    "be": "be",
    "have": "be",
    "pronouns": "pron",
    "possessives": "det",
    "determiners": "det",
    "questions": "wh",
}


@dataclass(frozen=True)
class Lexicon:
    """What is known of words."""

    tags: dict[str, Tag]  #: words of a closed class, and common adverbs and adjectives
    plain: frozenset[str]  #: plain forms of verbs
    forms: dict[str, Form]  #: their other forms, without those that are plain forms too
    things: frozenset[str]  #: nouns that end as verbs do
    reasoning: frozenset[str]


@functools.cache
def lexicon() -> Lexicon:
    """The words of the file."""
    text = resources.files("vlit.assess.complexity").joinpath("words.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    plain = frozenset(raw["verbs"].split())
    forms: dict[str, Form] = {}
    for verb in sorted(plain | set(raw["irregular"])):
        forms |= inflected(verb)
    for others in raw["irregular"].values():
        for form in others.split():
            forms[form] = "ing" if form.endswith("ing") else "s" if form == "goes" else "ed"
    return Lexicon(
        tags={word: tag for name, tag in _CLASSES.items() for word in raw[name].split()},
        plain=plain,
        forms={form: kind for form, kind in forms.items() if form not in plain},
        things=frozenset(raw["things"].split()),
        reasoning=frozenset(raw["reasoning"].split()),
    )


def inflected(verb: str) -> dict[str, Form]:
    """Forms of a regular verb by the rules of spelling; more than one where a last letter may be doubled.

    >>> sorted(inflected("stop"))
    ['stoped', 'stoping', 'stopped', 'stopping', 'stops']
    """
    stem = verb.removesuffix("e")
    found: dict[str, Form] = {stem + "ed": "ed", (verb if verb.endswith("ee") else stem) + "ing": "ing"}
    found[verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")] = "s"
    if verb[-1] == "y" and verb[-2] not in "aeiou":
        found |= {verb[:-1] + "ies": "s", verb[:-1] + "ied": "ed"}
    if len(verb) > 2 and verb[-1] not in "aeiouwxy" and verb[-2] in "aeiou" and verb[-3] not in "aeiou":
        found |= {verb + verb[-1] + "ed": "ed", verb + verb[-1] + "ing": "ing"}
    return found
