"""Claims about how a thing looks: "a red bus", "the door is open", "What color is the cat?" - "Black.".

A claim is *supported* when an object of the label has the attribute, or a text of the scene says so. It is
*contradicted* only between attributes that exclude one another (``attribute_kinds.yaml``: colours, open and
closed, empty and full, wet and dry), and only where

* all objects of the label are known: they were searched for exhaustively, or there is exactly one and the text
  says "the": that there is just one is then said by the text itself;
* each of them has an attribute of that kind (of the only one, two texts may tell it as well), and every one of
  these excludes what is said;
* no caption, region or answer about the label has a word that agrees with what is said.

Everything else, above all an attribute that no annotator wrote down, is *unverifiable*.

Limits: adjectives before a noun, "is" and "are" after it, and answers to "What color ...?". Nothing is read of
plural nouns, nor colours of people ("a white man").
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

import msgspec
import yaml

from vlit.assess.correctness.answers import YES_NO, Question, chosen
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, about, contradicted
from vlit.language.mentions import Mention

#: Kind and family of a word: ("colour", "red").
Family = tuple[str, str]

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_IS = re.compile(r"\s+(?:is|are|was|were|appears|looks)\b(?P<rest>[^.,;:!?\n]*)", re.IGNORECASE)
#: What may stand between the beginning of a clause and its subject.
_OPENS = re.compile(
    r"(?:^|[.;:!?,\n]|\b(?:and|but|while|that|yes|no))\s*(?:(?:the|this|that|a|an|its|his|her)\s+)?$", re.I
)
_DEFINITE = re.compile(r"\b(?:the|this|that)\s+(?:[^\W\d_]+\s+){0,3}$", re.IGNORECASE)
_ANOTHER = re.compile(r"\b(?:another|other|one of|some|several|second)\b", re.IGNORECASE)
_WHAT_COLOUR = re.compile(r"\bwhat\s+(?:is\s+the\s+)?colou?rs?\b|\bwhich\s+colou?r\b", re.IGNORECASE)
_OF_PART = re.compile(r"['’]s?\s+\w+|\b(?:wearing|with|of|on|in)\b", re.IGNORECASE)
_NOT = re.compile(r"\bnot\b|n['’]t\b|\bno\b|\bor\b", re.IGNORECASE)
_WITNESSES = 2  #: texts that have to agree on a look before it speaks against another
_MOST_WORDS = 12  #: of an answer from which bare colours are read


class _Kinds(msgspec.Struct, frozen=True):
    of: Mapping[str, Family]  #: word -> kind and family
    near: frozenset[tuple[str, str, str]]
    beside: frozenset[str]
    many_coloured: frozenset[str]
    not_before: frozenset[str]
    any_word: re.Pattern[str]


@functools.cache
def _kinds() -> _Kinds:
    text = resources.files("vlit.assess.correctness").joinpath("attribute_kinds.yaml").read_text("utf-8")
    raw = yaml.safe_load(text)
    of = {
        str(word): (kind, str(family))
        for kind, body in raw["kinds"].items()
        for family, words in body["families"].items()
        for word in words
    }
    near = {(kind, a, b) for kind, body in raw["kinds"].items() for a, b in body["near"]}
    return _Kinds(
        of=of,
        near=frozenset(near | {(kind, b, a) for kind, a, b in near}),
        beside=frozenset(raw["beside"]),
        many_coloured=frozenset(raw["many_coloured"]),
        not_before=frozenset(raw["not_before"]),
        any_word=re.compile(rf"\b(?:{'|'.join(of)})\b", re.IGNORECASE),
    )


def families(text: str) -> set[Family]:
    """Kind and family of every attribute word in a text that excludes others."""
    of = _kinds().of
    return {of[w] for m in _WORD.finditer(text) for w in m.group().lower().split("-") if w in of}


def excludes(one: Family, other: Family) -> bool:
    """Whether nothing can be both: "red" and "green", not "red" and "open", not "red" and "orange"."""
    return one[0] == other[0] and one[1] != other[1] and (one[0], one[1], other[1]) not in _kinds().near


class Said(msgspec.Struct, frozen=True):
    """What a text says of the look of one thing."""

    mention: Mention
    families: frozenset[Family]  #: of one kind; a thing may have several colours
    definite: bool  #: "the", so that there is just one
    words: str
    denied: bool = False


def judge_attributes(
    facts: Facts, question: Question, answer: str, mentions: Sequence[Mention]
) -> Iterator[Judgement]:
    """Judge what an answer says of the look of things; ``mentions`` are those of the answer."""
    any_word = _kinds().any_word
    if not any_word.search(answer) and not (question.mentions and any_word.search(question.text)):
        return
    alone = not any(_ANOTHER.search(answer, max(0, m.start - 24), m.start) for m in mentions)
    several = {m.label for m in mentions if m.plural} if alone else {m.label for m in mentions}
    seen: set[tuple[str, frozenset[Family], bool]] = set()
    for said in (*looks(answer, mentions), *_answered(question, answer, mentions)):
        key = said.mention.label, said.families, said.denied
        if key not in seen:
            seen.add(key)
            yield about("attribute", said.words, _judge(facts, said, said.mention.label not in several))


def looks(text: str, mentions: Sequence[Mention]) -> Iterator[Said]:
    """Attributes before and after the mentions of a text."""
    kinds = _kinds()
    for m in mentions:
        if m.plural or m.relation == "broader" or m.label.lower() in kinds.not_before:
            continue
        if m.text.lower() in kinds.not_before or _is_a_part(text, m):
            continue
        start, found = _before(text, m.start)
        definite = bool(_DEFINITE.search(text, max(0, m.start - 60), m.start))
        if found and not _NOT.search(text, max(0, start - 12), m.start):
            yield from _by_kind(m, found, definite, text[start : m.end])
        behind = _IS.match(text, m.end)
        if behind and _OPENS.search(text[:start]):
            rest = re.split(r"\b(?:and\s+(?:the|a|an)|while|but|with)\b", behind["rest"])[0]
            if not _NOT.search(rest) and _is_plain(rest):
                yield from _by_kind(m, families(rest), definite, text[m.start : m.end] + " is" + rest)


def _by_kind(
    m: Mention, found: set[Family], definite: bool, words: str, denied: bool = False
) -> Iterator[Said]:
    for kind in sorted({kind for kind, _ in found}):
        yield Said(m, frozenset(f for f in found if f[0] == kind), definite, " ".join(words.split()), denied)


def _before(text: str, end: int) -> tuple[int, set[Family]]:
    """Attributes that stand directly before a place, and where they begin."""
    kinds = _kinds()
    found: set[Family] = set()
    start = end
    words = list(_WORD.finditer(text, max(0, end - 60), end))
    for m in reversed(words):
        gap = text[m.end() : start].strip()
        parts = m.group().lower().split("-")
        known = {kinds.of[p] for p in parts if p in kinds.of}
        joins = m.group().lower() == "and" and bool(found)
        if gap not in ("", ",") or not (known or joins or all(p in kinds.beside for p in parts)):
            break
        found |= known
        start = m.start()
    return start, found


def _is_a_part(text: str, m: Mention) -> bool:
    """Whether the mention only says whose part is meant: "the bus's door", "the bus door"."""
    return bool(re.match(r"['’]s?\s+\w|-", text[m.end : m.end + 4]))


def _is_plain(rest: str) -> bool:
    """Whether what follows "is" says a look and no more: "dark red", not "next to a red bus"."""
    kinds = _kinds()
    known = {
        *kinds.beside,
        "and",
        "in",
        "color",
        "colour",
        "a",
        "all",
        "mainly",
        "now",
        "painted",
        "wide",
        "left",
    }
    words = [w for m in _WORD.finditer(rest) for w in m.group().lower().split("-")]
    return any(w in kinds.of for w in words) and all(w in kinds.of or w in known for w in words)


def _answered(question: Question, answer: str, mentions: Sequence[Mention]) -> Iterator[Said]:
    """What an answer says by its question: "What color is the bus?" - "Red", "Is the bus red?" - "No"."""
    asked = [m for m in question.mentions if m.relation != "broader"]
    subject = (
        asked[0] if len({m.start for m in asked}) == len({m.start for m in question.mentions}) == 1 else None
    )
    if subject is None or subject.plural or subject.label.lower() in _kinds().not_before:
        return
    text = question.text
    definite = bool(_DEFINITE.search(text, max(0, subject.start - 60), subject.start))
    said = (chosen(question, answer) if question.options else None) or answer
    if _WHAT_COLOUR.search(text):
        others = any(m.label != subject.label for m in mentions)
        behind = text[subject.end :].strip(" ?.")
        before = text[: subject.start]
        if others or len(said.split()) > _MOST_WORDS or _NOT.search(said):
            return
        if _OF_PART.search(before.rpartition("color")[2].rpartition("colour")[2].replace(" of the", "")):
            return
        if behind and not re.match(r"(?:in|of|on|from|here|shown|visible|that|seen)\b|[.\n]", behind):
            return  # "What color is the cat's collar?", "What color is the bus stop?"
        yield from _by_kind(subject, families(said), definite, said)
        return
    yes_no = YES_NO.match(said)
    rest = text[subject.end :].rstrip().partition("?")[0]
    opens = re.search(r"\b(?:is|was)\s+(?:the|this|that)\s+(?:\w+\s+)?$", text[: subject.start], re.IGNORECASE)
    if yes_no and opens and not mentions and not _NOT.search(rest) and _is_plain(rest):
        denied = yes_no[1].lower().startswith("n")
        yield from _by_kind(subject, families(rest), True, f"{yes_no[1]}: {subject.text}{rest}", denied)


def _judge(facts: Facts, said: Said, alone: bool) -> Judgement:
    label = said.mention.label
    objects = facts.objects.get(label, [])
    known = [families(" ".join(o.attributes)) for o in objects]
    if facts.only(label):  # what texts say of the label, they say of the only one
        told = Counter(f for found in _told_of(facts, label) for f in found)
        known[0].update(f for f, n in told.items() if n >= _WITNESSES)
    if said.denied:
        return _denied(said, known)
    if any(said.families <= k for k in known) or _told(facts, said):
        return SUPPORTED
    if not objects or not alone or not _are_all(facts, label, said.definite):
        return UNVERIFIABLE
    if not all(_rules_out(o.attributes, k, said.families) for o, k in zip(objects, known, strict=True)):
        return UNVERIFIABLE
    elsewhere = families(" ".join(facts.texts_about(label)))
    if any(f == s or (f[0] == s[0] and not excludes(f, s)) for f in elsewhere for s in said.families):
        return UNVERIFIABLE
    kinds = {kind for kind, _ in said.families}
    shown = " and ".join(sorted({family for k in known for kind, family in k if kind in kinds}))
    return contradicted(f"says {said.words!r}; the annotations call the {label} {shown}")


def _rules_out(attributes: Sequence[str], known: set[Family], said: frozenset[Family]) -> bool:
    """Whether an object of these attributes cannot look as it is said to."""
    if any(a.lower() in _kinds().many_coloured for a in attributes):
        return False
    return all(
        any(f[0] == s[0] for f in known) and all(excludes(f, s) for f in known if f[0] == s[0]) for s in said
    )


def _denied(said: Said, known: Sequence[set[Family]]) -> Judgement:
    """Judge a "No" to "Is the bus red?": wrong where it is, right where its colour excludes red."""
    if len(known) != 1:
        return UNVERIFIABLE
    if said.families <= known[0]:
        return contradicted(f"answers {said.words!r}; the annotations say so of it")
    return SUPPORTED if _rules_out((), known[0], said.families) else UNVERIFIABLE


def _told(facts: Facts, said: Said) -> bool:
    """Whether a text of the scene says the same of the label."""
    return any(said.families <= found for found in _told_of(facts, said.mention.label))


def _told_of(facts: Facts, label: str) -> Iterator[frozenset[Family]]:
    """What each text of the scene says of the look of a label."""
    for text in facts.texts_about(label):
        for found in looks(text, facts.lexicon.find(text)):
            if found.mention.label == label:
                yield found.families


def _are_all(facts: Facts, label: str, definite: bool) -> bool:
    """Whether the annotated objects of a label are all that the text can mean."""
    exact = facts.exact(label)
    if exact is not None:
        return exact > 0
    found = facts.objects[label]
    if not definite or len(found) != 1 or found[0].crowd:
        return False
    head = label.split()[-1]
    namesakes = any(other != label and other.split()[-1] == head for other in facts.objects)  # "work truck"
    many = any(m.label == label and m.plural for t in facts.texts_about(label) for m in facts.lexicon.find(t))
    return not namesakes and not many
