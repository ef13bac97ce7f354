"""Find the words of a text that speak of a label: the label itself, its plural, and synonyms.

The synonym table is ``synonyms.yaml`` beside this file: our own, over the 80 labels of COCO, with the traps of
real captions: no dog in "hot dog", no train in "train station", no skis in "a man skis". Labels that it does
not know are found by their own name and its regular plural. What is in neither is not seen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal

import msgspec
import yaml

Relation = Literal["equal", "narrower", "broader"]

_WORD = re.compile(r"[^\W_]+")
_BETWEEN_WORDS = " -'’\n_"
#: "a statue of a horse", "a toy truck": annotators may or may not have drawn a box around it.
_DEPICTED = re.compile(
    r"(?:statues?|sculptures?|paintings?|drawings?|murals?|figurines?|posters?|graffiti|cartoons?|mannequins?)\s+of\s+"
    r"(?:(?:an?|the|one|two|three|several|some)\s+)?(?:\w+\s+)?$|\b(?:toys?|stuffed|fake|plastic|ceramic|plush|inflatable"
    r"|carved|decorative|painted|cartoon|toy)[\s-]+(?:\w+\s+)?$",
    re.IGNORECASE,
)


class Mention(msgspec.Struct, frozen=True, gc=False):
    """A place of a text that speaks of a label.

    ``broader`` words may mean something else: they can confirm that the label is there, not the opposite.
    """

    label: str
    start: int  #: offset into the text
    end: int
    text: str  #: as written
    plural: bool  #: the word's form is plural; False where it is the same in both ("sheep")
    relation: Relation = "equal"


@dataclass(frozen=True, slots=True)
class _Surface:
    """What one phrase means: labels with their relation; nothing for a phrase that is a trap."""

    meanings: tuple[tuple[str, Relation], ...]
    plural: bool


@dataclass(frozen=True)
class _Rules:
    """The parts of the synonym file that do not depend on the label set."""

    labels: Mapping[str, Mapping[Relation, list[str]]]
    irregular: Mapping[str, list[str]]
    plural_only: frozenset[str]
    pairs: frozenset[str]
    verbs: frozenset[str]
    colours: frozenset[str]
    after_a_thing: frozenset[str]
    before_a_colour: frozenset[str]
    places_before_to: frozenset[str]
    silent_before: Mapping[str, frozenset[str]]
    never: tuple[str, ...]
    young_of: tuple[str, ...]
    animals: tuple[str, ...]


@functools.cache
def _rules() -> _Rules:
    text = resources.files("vlit.language").joinpath("synonyms.yaml").read_text("utf-8")
    raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return _Rules(
        labels=raw["labels"],
        irregular=raw["irregular"],
        plural_only=frozenset(raw["plural_only"]),
        pairs=frozenset(raw["pairs"]),
        verbs=frozenset(raw["verbs"]),
        colours=frozenset(raw["colours"]),
        after_a_thing=frozenset(raw["after_a_thing"]),
        before_a_colour=frozenset(raw["before_a_colour"]),
        places_before_to=frozenset(raw["places_before_to"]),
        silent_before={word: frozenset(after) for word, after in raw["silent_before"].items()},
        never=tuple(raw["never"]),
        young_of=tuple(raw["young_of"]),
        animals=tuple(raw["animals"]),
    )


def counts_in_pairs(label: str) -> bool:
    """Whether an object of the label is a pair (scissors, skis), so that a number of them cannot be checked."""
    return label.lower() in _rules().pairs


@dataclass
class _Token:
    word: str
    start: int
    end: int


@dataclass
class Lexicon:
    """The words for a set of labels. Building one takes milliseconds: :func:`lexicon` keeps those in use.

    Args:
        names: Any labels; letter case and underscores do not matter for what is found.
    """

    names: Iterable[str]
    labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.labels = tuple(dict.fromkeys(self.names))
        self._surfaces = _surfaces(self.labels)
        first: dict[str, int] = {}
        for words in self._surfaces:
            first[words[0]] = max(first.get(words[0], 0), len(words))
        self._longest_from = first

    def find(self, text: str) -> list[Mention]:
        """All mentions in order of their place; at one place the longest phrase wins.

        A word that may mean several labels ("bike") gives one mention for each of them.
        """
        return list(self._scan(text))

    def _scan(self, text: str) -> Iterator[Mention]:
        longest_from = self._longest_from
        tokens = [_Token(m.group().lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
        after_person = -1  # index of the token after a singular person, where "-s" makes a verb
        i = 0
        while i < len(tokens):
            longest = longest_from.get(tokens[i].word)
            found = self._longest(text, tokens, i, longest) if longest else None
            if found is None:
                i += 1
                continue
            surface, n = found
            if n == 1 and surface.meanings and self._is_another_word(text, tokens, i, surface, after_person):
                i += 1
                continue
            start, end = tokens[i].start, tokens[i + n - 1].end
            depicted = bool(surface.meanings) and _DEPICTED.search(text, max(0, start - 40), start) is not None
            for label, relation in surface.meanings:
                yield Mention(
                    label, start, end, text[start:end], surface.plural, "broader" if depicted else relation
                )
                if label == "person" and not surface.plural and relation != "broader":
                    after_person = i + n
            i += n

    def _longest(self, text: str, tokens: list[_Token], i: int, longest: int) -> tuple[_Surface, int] | None:
        words = [tokens[i].word]
        for j in range(i + 1, min(i + longest, len(tokens))):
            if text[tokens[j - 1].end : tokens[j].start].strip(_BETWEEN_WORDS):
                break
            words.append(tokens[j].word)
        while words:
            surface = self._surfaces.get(tuple(words))
            if surface is not None:
                return surface, len(words)
            words.pop()
        return None

    def _is_another_word(
        self, text: str, tokens: list[_Token], i: int, surface: _Surface, after_person: int
    ) -> bool:
        """Whether a single word is here a verb, a colour, or says what the next word is made of."""
        rules, word = _rules(), tokens[i].word
        before = tokens[i - 1].word if i else ""
        after = tokens[i + 1].word if i + 1 < len(tokens) else ""
        if after in rules.silent_before.get(word, ()) and not text[tokens[i].end : tokens[i + 1].start].strip(
            " -"
        ):
            return True
        if word in rules.verbs:
            if before == "to" and not (i >= 2 and tokens[i - 2].word in rules.places_before_to):
                return True
            if i == after_person and word.endswith("s"):
                return not text[tokens[i - 1].end : tokens[i].start].strip()
        if word in rules.colours and not surface.plural:
            return not self._is_thing(text, tokens, i)
        return False

    def _is_thing(self, text: str, tokens: list[_Token], i: int) -> bool:
        """Whether "orange" is a fruit here: nothing follows that it could colour, no colour is beside it."""
        colours = _rules().colours
        last = i + 1 == len(tokens)
        follows = "" if last else text[tokens[i].end : tokens[i + 1].start]
        if not (last or follows.strip(" -") or tokens[i + 1].word in _rules().after_a_thing):
            return False
        near = [t.word for t in tokens[max(0, i - 2) : i]] + [t.word for t in tokens[i + 1 : i + 3]]
        return not any(w in colours for w in near) and (
            i == 0 or tokens[i - 1].word not in _rules().before_a_colour
        )


@functools.lru_cache(maxsize=64)
def _cached(labels: tuple[str, ...]) -> Lexicon:
    return Lexicon(labels)


def lexicon(labels: Iterable[str]) -> Lexicon:
    """The lexicon of a label set, built once."""
    return _cached(tuple(labels))


def _surfaces(labels: tuple[str, ...]) -> dict[tuple[str, ...], _Surface]:
    """Every phrase that is to be found, as words in lower case."""
    rules = _rules()
    by_name = {" ".join(_split(label)): label for label in labels}
    by_name.pop("", None)
    meanings: dict[tuple[str, ...], dict[str, Relation]] = {}
    plural: dict[tuple[str, ...], bool] = {}

    def add(phrase: str, label: str, relation: Relation) -> None:
        for words, is_plural in _forms(phrase, rules):
            if " ".join(words) in by_name and by_name[" ".join(words)] != label:
                continue  # a word that is itself a label means that label
            meanings.setdefault(words, {}).setdefault(label, relation)
            plural[words] = is_plural

    for name, label in by_name.items():
        add(name, label, "equal")
        for relation, phrases in rules.labels.get(name, {}).items():
            for phrase in phrases:
                add(phrase, label, relation)
        if name in rules.animals:
            for young in rules.young_of:
                add(f"{young} {name}", label, "narrower")
    found = {words: _Surface(tuple(of.items()), plural[words]) for words, of in meanings.items()}
    return {**_silent(), **found}


@functools.cache
def _silent() -> dict[tuple[str, ...], _Surface]:
    """Phrases that speak of none of their words' labels."""
    rules = _rules()
    phrases = [*rules.never, *(f"{young} {animal}" for young in rules.young_of for animal in rules.animals)]
    return {words: _Surface((), plural) for phrase in phrases for words, plural in _forms(phrase, rules)}


def _split(phrase: str) -> list[str]:
    return [w.lower() for w in _WORD.findall(phrase)]


def _forms(phrase: str, rules: _Rules) -> Iterator[tuple[tuple[str, ...], bool]]:
    """A phrase and its plurals as words, each with whether it is plural."""
    words = _split(phrase)
    if not words:
        return
    name = " ".join(words)
    if name in rules.plural_only:
        yield tuple(words), True
        return
    *front, last = words
    yield tuple(words), False
    for many in plurals(last):
        if many != last:
            yield (*front, many), True


def plurals(word: str) -> list[str]:
    """Plural spellings of a noun by rule and a short list of irregular ones: for finding, not for writing."""
    if word in _rules().plural_only:
        return [word]
    irregular = _rules().irregular.get(word)
    if irregular is not None:
        return irregular
    if word.endswith("man") and word not in ("human", "german"):
        return [word[:-3] + "men"]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return [word + "es"]
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return [word[:-1] + "ies"]
    if word.endswith("o"):
        return [word + "s", word + "es"]
    return [word + "s"]
