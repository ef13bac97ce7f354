"""An embedded tagger for English instructions: which words carry meaning, without model weights.

Each word gets one tag from closed word classes, a list of verbs with their forms, its ending, and the words
beside it. From the tags are counted

* **noun chunks**: runs of determiners, numbers, adjectives and nouns that hold a noun ("the two old cups");
* **verbs**: content verbs, so neither auxiliaries nor be, have and do ("is *riding*", "wants to *ride*");
* **clauses**: sentences, and in them subordinating words, question words, infinitives, and verbs after "and".

Noun chunks and verbs together are the semantic elements: roughly the predicates and their arguments. Pronouns
and question words stand for no content and do not count. Limits: English only; nearly every unknown word is a
noun; a word that is both noun and verb is decided by the one before it and the one after it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from vlit.assess.complexity.lexicon import Form, Tag, lexicon
from vlit.language.pieces import Pieces
from vlit.language.tokens import words

_CHUNK = frozenset(("det", "num", "adj", "noun"))
_BEFORE_NOUNS = frozenset(("det", "adj", "num", "prep", "be"))  #: a word that may be both is a noun here
_BEHIND_VERBS = frozenset(("det", "pron", "wh", "num"))  #: what begins an object
_ADJECTIVES = ("ful", "ous", "ive", "able", "ible", "less", "ish", "ical", "ial", "ary")
_NOUNS = ("tion", "sion", "ment", "ness", "ity", "ship", "ance", "ence", "ism", "ist", "ture")
#: Characters that are read of a text: some 2,000 words. What follows says nothing new and takes its time.
LONGEST = 12_000


@dataclass(frozen=True, slots=True)
class Elements:
    """What was counted in one text."""

    words: int  #: without marks
    english: int  #: words that begin with a letter from a to z, or a digit
    nouns: int  #: noun chunks
    verbs: int  #: content verbs
    clauses: int
    questions: int  #: question words
    reasoning: int  #: words that ask for a conclusion, a cause, a judgement or a comparison

    @property
    def total(self) -> int:
        """Semantic elements."""
        return self.nouns + self.verbs


@functools.lru_cache(maxsize=16384)
def elements(text: str) -> Elements:
    """Count the elements of one text. Texts that come again are not read again."""
    reasons = lexicon().reasoning
    count = english = nouns = verbs = clauses = questions = reasoning = 0
    begins, chunk = True, False  # a sentence; inside a chunk that has its noun
    before: Tag = "mark"
    for word, tag in tagged(text[:LONGEST]):
        if tag == "mark":
            begins, chunk, before = begins or word[0] in ".!?", False, tag
            continue
        count += 1
        english += word[0] <= "z"
        reasoning += word in reasons
        questions += tag == "wh"
        verbs += tag == "verb"
        inner = tag in ("sub", "wh") or (tag == "verb" and before == "to")
        clauses += begins or inner or (before == "and" and tag in ("verb", "aux", "be"))
        chunk = chunk and tag in _CHUNK and tag != "det"
        if tag == "noun":
            nouns += not chunk
            chunk = not word.endswith("'s")  # "the dog's tail": two things
        begins, before = False, tag
    return Elements(count, english, nouns, verbs, clauses, questions, reasoning)


def tagged(text: str) -> list[tuple[str, Tag]]:
    """Words and marks of a text in lower case, in order, each with its tag."""
    tokens = words(text)
    found: list[tuple[str, Tag]] = []
    before: Tag = "mark"
    fixed = _ALONE.__getitem__
    asks = False  # an auxiliary has come before its subject: "does the man *hold*"
    for token, following in zip(tokens, [*tokens[1:], "."], strict=False):
        tag = fixed(token) or _tag(token, before, following, asks)
        if tag == "aux" and before in ("wh", "mark", "and", "noun"):
            asks = True
        elif tag == "verb" or (tag == "mark" and token[0] in ".!?"):
            asks = False
        before = tag
        found.append((token, tag))
    return found


def _alone(token: str) -> Tag | None:
    """The tag of a word that has the same one wherever it stands."""
    if not token[0].isalnum():
        return "mark"
    if token[0].isdigit():
        return "num"
    if token == "to":
        return "to"
    if "'" in token:
        return _with_apostrophe(token)
    known = lexicon()
    tag = known.tags.get(token)
    if token == "that" or (tag == "adj" and token in known.plain):
        return None
    return tag or ("noun" if token in known.things else None)


_ALONE = Pieces(_alone)


def _tag(token: str, before: Tag, following: str, asks: bool) -> Tag:
    """The tag of a word that depends on what stands around it."""
    known = lexicon()
    if token == "that" and before in ("noun", "verb"):
        return "sub"
    tag = known.tags.get(token)
    if tag == "adj" and token in known.plain and before in ("to", "aux", "mark"):  # "clean the room"
        return "verb"
    if tag:
        return tag
    if token in known.things:
        return "noun"
    after = known.tags.get(following) or ("noun" if following[0].isalnum() else "mark")
    if token in known.plain:
        return "verb" if _is_plain_verb(before, after, asks) else "noun"
    form = known.forms.get(token)
    if form == "s":
        return "verb" if not asks and _has_subject(before, after) else "noun"
    return _by_ending(token, form, before, after)


def _is_plain_verb(before: Tag, after: Tag, asks: bool) -> bool:
    """Whether a plain form is a verb: "to ride", "does the man hold", not "the play", "what type"."""
    if before in ("noun", "and"):
        return asks or after in _BEHIND_VERBS
    return before not in _BEFORE_NOUNS and not (before == "wh" and after in ("prep", "be", "aux"))


def _has_subject(before: Tag, after: Tag) -> bool:
    """Whether a form on -s is a verb: "who rides", "the dog chases a ball", not "traffic lights"."""
    if before == "noun":
        return after in _BEHIND_VERBS
    return before in ("pron", "sub", "adv") or (before == "wh" and after not in ("be", "aux"))


def _by_ending(token: str, form: Form | None, before: Tag, after: Tag) -> Tag:
    if form == "ing" or (token.endswith("ing") and len(token) > 5):
        if before in ("det", "adj", "num"):
            return "adj" if after in ("noun", "adj", "adv") else "noun"  # "a moving car", "this gathering"
        return "verb"
    if form == "ed" or (token.endswith("ed") and len(token) > 4):
        return "adj" if before in ("det", "adj", "num", "prep") else "verb"
    if len(token) > 4 and token.endswith("ly"):
        return "adv"
    if len(token) > 5 and token.endswith(_ADJECTIVES) and not token.endswith(_NOUNS):
        return "adj"
    return "noun"


def _with_apostrophe(token: str) -> Tag:
    """A contraction or a genitive: "what's" asks, "don't" and "it's" carry nothing, "dog's" is a noun."""
    if token.endswith("n't"):
        return "aux"
    tag = lexicon().tags.get(token.partition("'")[0])
    if tag == "wh":
        return "wh"
    return "pron" if tag or token in ("let's", "o'clock", "ma'am") else "noun"
