"""Yes or no in a free answer: the official rules of MME and POPE, and a rule that reads the whole answer.

Sources: MME, Fu et al. (2023), ``calculation.py``; POPE, Li et al. (2023), ``evaluate.py``.
"""

from __future__ import annotations

import re

from vlit.evaluate.parsing.spoken import first_turn, spoken, thought_alone
from vlit.evaluate.question import Parsed

_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_YES = frozenset({"yes", "yeah", "yep", "yup"})
_NO = frozenset({"no", "nope", "nah", "not", "cannot"})
#: Words that take neither side, though they hold a "not".
_UNDECIDED = re.compile(
    r"\b(?:not (?:sure|certain|clear|possible to|enough|able to|applicable)|unsure|unclear|uncertain|unknown"
    r"|cannot|can not|can['’]t|(?:do not|don['’]t) (?:know|have)|impossible to|no (?:doubt|question|way to))\b",
    re.IGNORECASE,
)
#: A yes or no that is all of its clause, as where a mind is changed: "Yes. No, wait."
_OUTRIGHT = re.compile(
    r"(?:^|[.,;!?…\n]|\b(?:wait|actually|rather|but))\s*(yes|no)\s*(?=[.,;!?…\n]|$)", re.IGNORECASE
)
_SURE = re.compile(r"\W*no (?:doubt|question)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.,;!?\n]|\b(?:and|or|so|but)\b", re.IGNORECASE)
_TWICE = re.compile(
    r"(?:\bnot\b|n['’]t\b).*(?:\b(?:not|no|none|nothing|never)\b|n['’]t\b)", re.IGNORECASE | re.DOTALL
)
_BOTH = re.compile(r"\W*(?:yes|no)\W*(?:\b(?:or|and)\b|/)\W*(?:yes|no)\b", re.IGNORECASE)

#: What POPE's script takes for a no; other spellings, such as "NO", are none to it.
_POPE_NO = frozenset({"No", "no", "not"})
_POPE_YES = re.compile(r"\byes\b", re.IGNORECASE)


def mme(text: str) -> Parsed:
    """MME's rule: "yes", else "no", anywhere in the first four characters of the answer in lower case.

    Its quirks, all kept:

    - Parts of words count: "None", "Nothing", "Now" and "Snow" are a no, "Eyes" is a yes.
    - What comes later does not: "The answer is yes" is neither, and therefore wrong. Two blanks before "yes"
      are enough to lose it, since they are among the four characters.
    - The script reads a table of tabs and lines. An answer that holds a tab is skipped by it, together with its
      place in the denominator, and one that holds a line break stops it. Here such an answer is scored.
    """
    start = text.lower()[:4]
    for value in ("yes", "no"):
        if value in start:
            return Parsed(value, f"{value!r} in the first four characters")
    return Parsed(None, _nothing(text) or "neither yes nor no in the first four characters")


def pope(text: str) -> Parsed:
    """POPE's rule: a word "No", "no" or "not" in the first sentence, commas removed, is a no; all else a yes.

    "All else" holds empty answers, and answers to another question. Here such answers are told apart: they are
    not understood unless the first sentence has a "yes". :func:`pope_official` is the script's own value.
    Other quirks, all kept:

    - Case matters: "NO" is no no.
    - Words are split at blanks alone, so that ``No!``, ``"No"`` and "No" with a line break behind it are no no.
    - The sentence ends at the first period, also in "Mr. Smith is not there" and "1.5".
    - "Yes, there is no doubt" is a no.
    """
    sentence = text.partition(".")[0].replace(",", "")
    if not _POPE_NO.isdisjoint(sentence.split(" ")):
        return Parsed("no", "a word of No, no, not in the first sentence")
    if _POPE_YES.search(sentence):
        return Parsed("yes", "none of No, no, not in the first sentence")
    return Parsed(None, _nothing(text) or "neither yes nor no; the official script takes it for a yes")


def pope_official(parsed: Parsed) -> str:
    """What POPE's script makes of an answer: yes, unless it found a no."""
    return parsed.value or "yes"


def whole_answer(text: str) -> Parsed:
    """Our own rule: the first word where it is a yes or a no, else whichever of the two the answer holds alone.

    An answer that holds both or neither, changes its mind, denies a denial ("not no", "no doubt"), or says that
    it cannot be told, is not understood. ``<think>`` and marks are left out.
    """
    if nothing := _nothing(text):
        return Parsed(None, nothing)
    said = spoken(text)
    if not _WORDS.search(said):
        return Parsed(None, "the reasoning has no end" if thought_alone(text) else "holds no word")
    if (turn := first_turn(said)) and (own := _whole(turn)).value:
        return own
    return _whole(said)


def _whole(said: str) -> Parsed:
    """The side of an answer in plain words."""
    if _BOTH.match(said):
        return Parsed(None, "says both yes and no")
    words = [word.lower() for word in _WORDS.findall(said)]
    first = _side(words[0]) if words and not _SURE.match(said) else ""
    if first and words[0] not in ("not", "cannot"):
        changed = any(_side(one.lower()) != first for one in _OUTRIGHT.findall(said))
        return Parsed(None, "says both yes and no") if changed else Parsed(first, "the first word")
    if _UNDECIDED.search(said):
        return Parsed(None, "says that it cannot be told")
    sides = {side for word in words if (side := _side(word))}
    if sides == {"no"} and any(_TWICE.search(clause) for clause in _CLAUSE.split(said)):
        return Parsed(None, "denies a denial")
    if len(sides) == 1:
        (value,) = sides
        return Parsed(value, f"a {value}, and nothing against it")
    return Parsed(None, "says both yes and no" if sides else "neither yes nor no")


def _side(word: str) -> str:
    if word in _YES:
        return "yes"
    return "no" if word in _NO or word.endswith(("n't", "n’t")) else ""


def _nothing(text: str) -> str:
    return "" if text.strip() else "empty answer"
