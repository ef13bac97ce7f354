"""A score from 1 to 10 out of a reply: the expectation over the probabilities of what could stand there.

    score = sum over k of k * P(k) / sum over k of P(k),  k = 1 ... 10

Tokenizers differ in 10: some have a token for it, others write 1 and then 0. In the second case the
probability of "1" is shared by 1 and 10, and only a reply that goes on with "0", or with something else,
tells how it is shared. Where the reply holds another number, it is given to the end of the scale that lies
nearer to the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vlit.assess.judge.hearing import Flaw, answer_of, cut_short
from vlit.teacher.reply import Choice, Token

LOWEST, HIGHEST = 1, 10

#: Share that the scores have to hold among what could stand there: less is a judge that meant something else.
_LEAST = 0.5

_REPLY = re.compile(r"(?:(?:score|rating|complexity)\s*[:=]?\s*)?(?P<score>\d{1,2})(?:\s*/\s*10)?\s*\.?", re.I)
_MARKS = re.compile(r"[*_`#]+")
#: How tokenizers write a blank before a word, where a server lets it through.
_BLANKS = " \t\n▁Ġ"


@dataclass(frozen=True)
class Expected:
    """An expected score."""

    score: float
    unsure: float = 0.0  #: probability of "1" that may be the beginning of 10, among that of all scores


def read_score(choice: Choice) -> int | Flaw:
    """The score that a reply says: "7", "7/10" or "Score: 7", and nothing else."""
    text = " ".join(_MARKS.sub("", answer_of(choice)).split())
    found = _REPLY.fullmatch(text)
    if not found:
        if not text:
            return Flaw("it breaks off before the score" if cut_short(choice) else "it is empty")
        return Flaw("it is not a score alone, written like 4/10")
    score = int(found["score"])
    return score if LOWEST <= score <= HIGHEST else Flaw(f"{score} does not lie between 1 and 10")


def expected_of(choice: Choice) -> Expected | None:
    """The expectation, where the reply says a score and nothing before it: thinking aloud has numbers too."""
    if isinstance(read_score(choice), Flaw) or answer_of(choice) != choice.text.strip():
        return None
    return expected(choice.tokens)


def expected(tokens: Iterable[Token]) -> Expected | None:
    """The expectation at the first token that is a number; ``None`` where the probabilities do not tell it.

    Args:
        tokens: Of the reply, with the likeliest others at each place.
    """
    row = list(tokens)
    at = next((i for i, token in enumerate(row) if _number(token.text) is not None), None)
    if at is None or not row[at].top:
        return None
    shares: dict[int, float] = {}
    for text, logprob in _with_chosen(row[at]):
        if (number := _number(text)) is not None:
            shares[number] = shares.get(number, 0.0) + math.exp(logprob)
    whole = sum(shares.values())
    if whole < _LEAST or not shares:
        return None
    unsure = 0.0
    if (one := shares.get(1, 0.0)) and HIGHEST not in shares:
        ten = _goes_on_with_zero(row[at], row[at + 1 :])
        if ten is None:
            rest = [(k, p) for k, p in shares.items() if k != 1]
            middle = sum(k * p for k, p in rest) / sum(p for _, p in rest)
            ten, unsure = float(middle > (LOWEST + HIGHEST) / 2), one / whole
        shares[1], shares[HIGHEST] = one * (1 - ten), one * ten
    return Expected(math.fsum(k * p for k, p in shares.items()) / whole, unsure)


def _goes_on_with_zero(token: Token, behind: list[Token]) -> float | None:
    """The probability that "1" goes on to 10; ``None`` where the reply begins with another number."""
    if _number(token.text) != 1:
        return None
    if not behind:
        return 0.0
    odds = {text: math.exp(logprob) for text, logprob in _with_chosen(behind[0])}
    return min(odds.get("0", 0.0) / max(sum(odds.values()), 1e-9), 1.0)


def _with_chosen(token: Token) -> list[tuple[str, float]]:
    """What could stand there, with what does: a sampled token need not be among the likeliest."""
    top = list(token.top)
    return top if any(text == token.text for text, _ in top) else [*top, (token.text, token.logprob)]


def _number(text: str) -> int | None:
    word = text.strip(_BLANKS)
    if not word.isdecimal() or not word.isascii() or len(word) > 2 or word.startswith("0"):
        return None
    number = int(word)
    return number if LOWEST <= number <= HIGHEST else None
