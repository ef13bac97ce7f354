"""Open answers against those of ten people: the normalisers of VQA and EvalAI with their quirks, soft accuracy.

Sources: VQA, Antol et al. (2015), and VQA v2, Goyal et al. (2017), ``vqaEval.py``; TextVQA, Singh et al.
(2019), ``EvalAIAnswerProcessor`` in ``m4c_evaluators.py``; VizWiz, Gurari et al. (2018), ``vqaEval.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vlit.evaluate.question import Parsed

_PUNCTUATION = tuple(';/[]"{}()=+\\_-><@`,?!')
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
#: The scripts write ``(?!<=\d)(\.)(?!\d)``: a look-behind was meant, and a look-ahead for the text "<=" stands
#: there. It always holds before a period, and what is left is this.
_PERIOD = re.compile(r"\.(?!\d)")
#: ``re.UNICODE`` is handed to ``sub`` where the count belongs; it is 32.
_PERIODS = int(re.UNICODE)
_UP_TO_TEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(n) for n, word in enumerate(_UP_TO_TEN)}
_NUMBERS["none"] = "0"
_ARTICLES = frozenset({"a", "an", "the"})

_SHORT = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll
how's isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've
shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're
there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've when's where'd
where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're
you've"""
_LONG = """
couldn't've hadn't've he'd've it'd've mightn't've 'ow's'at she'd've shouldn't've somebody'd've
someone'd've something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've you'd've"""


def _contractions() -> dict[str, str]:
    found = {word.replace("'", ""): word for word in _SHORT.split()}
    for word in _LONG.split():  # known with one apostrophe missing, and unknown with two
        found |= {word[:at] + word[at + 1 :]: word for at, letter in enumerate(word) if letter == "'"}
    return found | {"somebody'd": "somebodyd"}  # the wrong way round in the scripts


_CONTRACTIONS = _contractions()


def flat(text: str) -> str:
    """The answer as one line without blanks around it."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def punctuation(text: str) -> str:
    """The scripts' treatment of punctuation.

    Quirks, all kept:

    - A mark is deleted where it stands beside a blank anywhere in the text, or where the text has a comma
      between digits; otherwise a blank takes its place: "a-b" is "a b", and "a-b - c" is "ab  c".
    - Periods are deleted unless a digit follows: "5." is "5", and "v.2" stays. A digit before was meant to save
      them.
    - Only the first 32 periods are deleted.
    - Apostrophes and colons stay.
    """
    found = text
    joined = _COMMA_IN_NUMBER.search(text) is not None
    for mark in _PUNCTUATION:
        found = found.replace(mark, "" if joined or f"{mark} " in text or f" {mark}" in text else " ")
    return _PERIOD.sub("", found, count=_PERIODS)


def digits_and_articles(text: str) -> str:
    """Lower case, numbers up to ten as digits ("none" is 0), no articles, apostrophes put back ("don't").

    Quirks, all kept: an answer that is an article is nothing afterwards; "somebody'd" loses its apostrophe; the
    table's "Im", "Ive" and "Id've" are never found, since all is lower case by then.
    """
    words = [_NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


@lru_cache(maxsize=1 << 16)
def vqa(text: str) -> str:
    """An answer as VQA's script compares it, where it normalises at all (see :class:`Rule`)."""
    return digits_and_articles(punctuation(flat(text)))


@lru_cache(maxsize=1 << 16)
def evalai(text: str) -> str:
    """An answer as TextVQA's evaluator compares it, and as answers are sent to the server of VQA v2 and VizWiz.

    As :func:`vqa`, but commas and question marks are deleted first, and "'s" is set apart: "a,b" is "ab", and
    "dog's" is "dog 's".
    """
    words = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return digits_and_articles(punctuation(flat(words)))


@dataclass(frozen=True)
class Rule:
    """How one script compares an answer with people's.

    Attributes:
        name: For the names of metrics.
        normalise: What it makes of an answer.
        spares_agreement: Whether nothing is normalised where all people gave the same answer. Then "Yes." is
            wrong where all ten said "yes", and right where one said "yea".
        people: Whether people's answers are normalised as well.
        drops_equal: Whether leaving one person out leaves out all whose record is equal to that person's. It is
            so where a script compares records, and the file's records have no ``answer_id``.
    """

    name: str
    normalise: Callable[[str], str]
    spares_agreement: bool = False
    people: bool = True
    drops_equal: bool = False

    def parse(self, text: str, answers: Sequence[str]) -> Parsed:
        """The answer as it is compared. An empty one is not understood, even if people's are empty, too."""
        if not text.strip():
            return Parsed(None, "empty answer")
        if self._spared(answers):
            return Parsed(flat(text), "as it is: all people agree")
        return Parsed(self.normalise(text), "normalised")

    def score(self, value: str | None, answers: Sequence[str], confidences: Sequence[str] = ()) -> float:
        """Soft accuracy, 0 to 1, of an answer that was parsed by this rule.

        Args:
            value: What :meth:`parse` gave.
            answers: Of people, as in the file.
            confidences: Of people; needed where equal records are dropped.
        """
        if value is None or not answers:
            return 0.0
        own = [flat(answer) for answer in answers]
        if self.people and not self._spared(answers):
            own = [self.normalise(answer) for answer in own]
        if self.drops_equal and confidences:
            return dropping(value, list(zip(own, confidences, strict=True)))
        return soft_accuracy(value, own)

    def _spared(self, answers: Sequence[str]) -> bool:
        return self.spares_agreement and len({flat(answer) for answer in answers}) <= 1


#: VQA's own script, by which VQA v2 and OK-VQA are scored.
VQA = Rule("VQA's script", vqa, spares_agreement=True, drops_equal=True)
#: VizWiz's own script: the model's answer is normalised, and people's are not.
VIZWIZ = Rule("VizWiz's script", vqa, people=False)
#: TextVQA's evaluator.
EVALAI = Rule("EvalAI processor", evalai)
#: What harnesses do: VQA's normaliser on everything.
ALWAYS = Rule("always normalised", vqa)


def soft_accuracy(value: str, answers: Sequence[str]) -> float:
    """Mean over people of min(1, n / 3), n being how many of the others gave this answer; 0 to 1.

    Of ten people, 0, 1, 2, 3, 4 matches give 0, 0.3, 0.6, 0.9, 1.
    """
    matches, people = sum(answer == value for answer in answers), len(answers)
    if not people:
        return 0.0
    without, with_one = min(1.0, matches / 3), min(1.0, max(0, matches - 1) / 3)
    return ((people - matches) * without + matches * with_one) / people


def dropping(value: str, records: Sequence[tuple[str, str]]) -> float:
    """Soft accuracy where leaving a person out leaves out every record equal to that person's.

    Ten equal records leave nobody over, so that an answer which all ten gave is worth 0.
    """
    if not records:
        return 0.0
    total = 0.0
    for one in records:
        total += min(1.0, sum(other[0] == value for other in records if other != one) / 3)
    return total / len(records)
