"""Claims that a statement makes about a picture, found by rule: what is there, how many, what is not there.

The unit is the sentence. A sentence speaks of the *whole* picture when, apart from the things named, it holds
only words such as "there are", "the image shows", "I can see": "There are two dogs." is about all dogs, "Two
dogs sleep on the couch." is not, and may be true of a picture with five. Hedged sentences, questions,
comparisons ("like a dog") and alternatives ("a dog or a cat") claim nothing.

Limits: no coreference ("both of them"), no scope over several sentences, English only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Literal

import msgspec
import yaml

from vlit.data.boxes import BOX_TEXT
from vlit.language.mentions import Lexicon, Mention, Relation, plurals

Kind = Literal["present", "count", "absent"]
Comparison = Literal["=", ">=", ">", "<=", "<", "about", "!="]

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
NUMBERS = {word: n for n, word in enumerate([*_UNITS.split(), "seventeen", "eighteen", "nineteen"])}
NUMBERS |= {word: 10 * n for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty"], start=2)} | {
    "single": 1
}


class Claim(msgspec.Struct, frozen=True, gc=False):
    """Something that a text says of the objects of a label."""

    kind: Kind
    label: str
    word: str  #: as written
    relation: Relation = "equal"
    n: int = 1
    comparison: Comparison = "="
    whole: bool = False  #: speaks of the whole picture, not of some of its objects
    plural: bool = False


class _Token(msgspec.Struct, gc=False):
    word: str
    start: int
    end: int
    mention: int = -1  #: index of the mention that it belongs to


_SENTENCE = re.compile(r"[^.!?;\n]+(?:[.:](?=\d)[^.!?;\n]+)*[.!?;\n]*")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[,:()/]")


@functools.cache
def _lists() -> dict[str, frozenset[str]]:
    text = resources.files("vlit.assess.correctness").joinpath("claim_words.yaml").read_text("utf-8")
    return {name: frozenset(words.split()) for name, words in yaml.safe_load(text).items()}


_NEUTRAL = _lists()["neutral"]
_EXISTENCE = _lists()["existence"]
_ARTICLES = _lists()["articles"]
_PARTIAL = _lists()["partial"]
_STOPS = _lists()["stops"]
_NEGATIONS = _lists()["negations"]
_SEEING = _lists()["seeing"]
_MODALS = _lists()["modals"]
_LIKE = _lists()["like"]
_AFTER_NOT = _lists()["after_not"]
_BE = _lists()["be"]
_LIST_END = _lists()["list_end"]
_ASKING = _lists()["asking"]
_OPERATORS: dict[str, Comparison] = {
    "least": ">=",
    "most": "<=",
    "over": ">",
    **dict.fromkeys(("about", "around", "approximately", "nearly", "almost", "roughly"), "about"),
}
_THAN: dict[str, Comparison] = {"more": ">", "fewer": "<", "less": "<"}


def claims_of(text: str, lexicon: Lexicon) -> list[Claim]:
    """All claims of a text, in order.

    Args:
        text: What was said, e.g. a response or a caption.
        lexicon: The labels to look for.
    """
    mentions = lexicon.find(BOX_TEXT.sub(lambda m: " " * len(m[0]), text))
    if not mentions:
        return []
    found: list[Claim] = []
    at = 0
    for sentence in _SENTENCE.finditer(text):
        inside = []
        while at < len(mentions) and mentions[at].start < sentence.end():
            inside.append(mentions[at])
            at += 1
        if inside and not sentence.group().rstrip().endswith("?"):
            found.extend(_Sentence(text, sentence.start(), sentence.end(), inside).claims())
    return found


def asks_of_all(question: str, mentions: Sequence[Mention]) -> bool:
    """Whether the sentences of a question that hold the mentions say nothing more: "Is there a dog here?"."""
    for sentence in _SENTENCE.finditer(question):
        spans = [(m.start, m.end) for m in mentions if sentence.start() <= m.start < sentence.end()]
        if not spans:
            continue
        for token in _TOKEN.finditer(question, sentence.start(), sentence.end()):
            word = token.group().lower()
            plain = word in _NEUTRAL or word in _ASKING or not word[0].isalnum() or value_of(word) is not None
            if not plain and not any(start <= token.start() < end for start, end in spans):
                return False
    return True


class _Sentence:
    """One sentence with its tokens, and the mentions at their tokens."""

    def __init__(self, text: str, start: int, end: int, mentions: Sequence[Mention]) -> None:
        self.text = text
        self.tokens = [_Token(m.group().lower(), m.start(), m.end()) for m in _TOKEN.finditer(text, start, end)]
        self.places: list[tuple[int, int, list[Mention]]] = []  # first token, token after, meanings
        at = 0
        for mention in mentions:
            if self.places and self.places[-1][2][0].start == mention.start:
                self.places[-1][2].append(mention)
                continue
            while at < len(self.tokens) and self.tokens[at].end <= mention.start:
                at += 1
            first = at
            while at < len(self.tokens) and self.tokens[at].start < mention.end:
                self.tokens[at].mention = len(self.places)
                at += 1
            self.places.append((first, at, [mention]))
        words = {t.word for t in self.tokens}
        self.hedged = not words.isdisjoint(_MODALS)
        self.exists = not words.isdisjoint(_EXISTENCE)

    def claims(self) -> Iterator[Claim]:
        """One claim for each meaning of each mention that is claimed at all."""
        negated = False
        for k, (first, after, meanings) in enumerate(self.places):
            negated = self._negated(first, after) or (negated and self._continues(k))
            n, comparison, partial = self._number(first, after, meanings[0])
            if not negated and (self._hedged(first) or self._alternative(first, after)):
                continue
            whole = self._left_is_plain(first) and self._right_is_plain(after)
            for m in meanings:
                if negated or n == 0:
                    if not partial:
                        whole = whole and self.exists and "without" not in self._words(first - 4, first)
                        yield Claim("absent", m.label, m.text, m.relation, 0, "=", whole, m.plural)
                elif n is None or partial or (n == 1 and not whole):  # "one man": there may be others
                    yield Claim("present", m.label, m.text, m.relation, plural=m.plural)
                else:
                    yield Claim("count", m.label, m.text, m.relation, n, comparison, whole, m.plural)

    def _words(self, start: int, end: int) -> list[str]:
        return [t.word for t in self.tokens[max(start, 0) : end]]

    def _number(self, first: int, after: int, m: Mention) -> tuple[int | None, Comparison, bool]:
        """The number said of a mention, how it compares, whether a part is meant ("two other dogs")."""
        i, between = first - 1, 0
        while i >= 0 and between <= 3:
            token = self.tokens[i]
            word = token.word
            if token.mention >= 0 or word in _ARTICLES or word in _STOPS or not word[0].isalnum():
                break
            if word in _PARTIAL:
                return None, "=", True
            n = value_of(word)
            if n is not None:
                return self._checked(i, n, between, after, m)
            if word.endswith("s") and not word.endswith("ss"):
                break  # "two hands holding knives": the number belongs to another noun
            between += 1
            i -= 1
        return self._number_behind(after)

    def _checked(
        self, i: int, n: int, between: int, after: int, m: Mention
    ) -> tuple[int | None, Comparison, bool]:
        """A number before a mention, if it agrees with the noun and is not part of something else."""
        token = self.tokens[i]
        beside = self.text[token.start - 1 : token.start] + self.text[token.end : token.end + 1]
        if any(c in "./:'’" for c in beside) or (beside[:1] == "-" and token.word[0].isdigit()):
            return None, "=", False
        before = self._words(i - 2, i)
        previous = before[-1] if before else ""
        if beside[:1] == "-" and previous in NUMBERS:  # twenty-one
            n, before = NUMBERS[previous] + n, before[:-1]
            previous = before[-1] if before else ""
        if n >= 2 and not m.plural:
            last = m.text.split()[-1].lower()
            ends = after == len(self.tokens) or not self.tokens[after].word[0].isalnum()
            if plurals(last) != [last] and (between or not ends):
                return None, "=", False
        if n == 1 and m.plural:
            return None, "=", False
        if previous in ("number", "other", "another", "no", "than") and not (
            previous == "than" and len(before) > 1
        ):
            return None, "=", previous in ("other", "another")
        if previous == "than":
            return n, _THAN.get(before[-2], "about"), False
        return n, _OPERATORS.get(previous, "="), False

    def _number_behind(self, after: int) -> tuple[int | None, Comparison, bool]:
        """A number behind the noun: "dogs: 3", "dogs (3)"."""
        rest = self._words(after, after + 3)
        if len(rest) >= 2 and rest[0] in ":(" and rest[1].isdigit() and rest[2:] in ([], [","], [")"]):
            return int(rest[1]), "=", False
        return None, "=", False

    def _negated(self, first: int, after: int) -> bool:
        i = first - 1
        while i >= 0 and first - i <= 3 and self.tokens[i].mention < 0:  # "no big dogs", "not a dog"
            word = self.tokens[i].word
            if word in ("no", "zero", "without"):
                return True
            if word in _ARTICLES or word in _STOPS or word in _PARTIAL or not word[0].isalnum():
                break
            i -= 1
        for back in range(6):  # "do not see any", "there isn't a"
            if i - back < 0:
                break
            word = self.tokens[i - back].word
            if word in _NEGATIONS or word.endswith(("n't", "n’t")):
                return True
            if word not in _SEEING:
                break
        rest = self._words(after, after + 5)
        if not rest or rest[0] not in _BE:
            return False
        not_at = next(
            (j for j, w in enumerate(rest[:2]) if w in ("not", "cannot") or w.endswith(("n't", "n’t"))), -1
        )
        if not_at < 0:
            return len(rest) > 1 and rest[1] in ("absent", "missing")
        following = [w for w in rest[not_at + 1 :] if w != "be"]
        return bool(following) and following[0] in _AFTER_NOT

    def _continues(self, k: int) -> bool:
        """Whether a mention goes on with a negated list: "no dogs, cats or birds"."""
        return k > 0 and set(self._words(self.places[k - 1][1], self.places[k][0])) <= {
            ",",
            "or",
            "nor",
            "any",
            "and",
        }

    def _hedged(self, first: int) -> bool:
        if self.hedged and any(w in _MODALS for w in self._words(0, first)):
            return True
        before = self._words(first - 3, first)
        while before and before[-1] in _ARTICLES:
            before.pop()
        return bool(before) and before[-1] in _LIKE

    def _alternative(self, first: int, after: int) -> bool:
        return self._words(after, after + 1) in (["or"], ["/"])

    def _is_plain(self, token: _Token) -> bool:
        word = token.word
        return token.mention >= 0 or word in _NEUTRAL or not word[0].isalnum() or value_of(word) is not None

    def _left_is_plain(self, first: int) -> bool:
        start = next((i for i in range(first - 1, -1, -1) if self.tokens[i].word == "there"), 0)
        return all(map(self._is_plain, self.tokens[start:first]))

    def _right_is_plain(self, after: int) -> bool:
        for i in range(after, len(self.tokens)):
            token = self.tokens[i]
            if token.word in _LIST_END and token.mention < 0:
                return True
            if token.word == "," and not any(t.mention >= 0 for t in self.tokens[i + 1 : i + 5]):
                return True
            if not self._is_plain(token):
                return False
        return True


def is_plain_word(word: str, *, asking: bool = False) -> bool:
    """Whether a word in lower case says no more of things than that, or how many, are in the picture.

    Args:
        word: In lower case.
        asking: It stands in a question, where "how" and "please" say nothing either.
    """
    plain = word in _NEUTRAL or word in _EXISTENCE or word in _ARTICLES or value_of(word) is not None
    return plain or (asking and word in _ASKING)


def value_of(word: str) -> int | None:
    """The number that a word or up to three digits stand for."""
    if word.isdecimal() and len(word) <= 3:
        return int(word)
    return NUMBERS.get(word)
