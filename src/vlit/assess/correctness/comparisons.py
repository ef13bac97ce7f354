"""Claims that there is more of one thing: "more cups than forks", "the cups outnumber the forks".

Judged where the annotations count both; equal numbers contradict either order.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from vlit.assess.correctness.answers import YES_NO, Question
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, about, contradicted
from vlit.language.mentions import Mention

_MORE, _FEWER = re.compile(r"\bmore\s*$", re.IGNORECASE), re.compile(r"\bfewer\s*$", re.IGNORECASE)
_THAN = re.compile(r"\s*than\s+", re.IGNORECASE)
_OUTNUMBER = re.compile(r"\s*outnumber\s+(?:the\s+)?", re.IGNORECASE)
_GREATER = re.compile(r"\s*(?:is\s+)?greater\s+than\s+the\s+number\s+of\s*", re.IGNORECASE)


def judge_comparisons(
    facts: Facts, question: Question, answer: str, mentions: Sequence[Mention]
) -> Iterator[Judgement]:
    """Judge the comparisons of an answer, or of a question that is answered by a bare yes or no."""
    for more, fewer in _compared(answer, mentions):
        yield about("comparison", answer.strip(), _judge(facts, more, fewer, True))
    yes_no = YES_NO.match(answer)
    if yes_no and not mentions:
        for more, fewer in _compared(question.text, question.mentions):
            found = _judge(facts, more, fewer, yes_no[1].lower().startswith("y"))
            yield about("comparison", answer.strip(), found)


def _compared(text: str, mentions: Sequence[Mention]) -> Iterator[tuple[Mention, Mention]]:
    for a, b in itertools.pairwise(m for m in mentions if m.relation == "equal"):
        if _OUTNUMBER.fullmatch(text, a.end, b.start) or _GREATER.fullmatch(text, a.end, b.start):
            yield a, b
        elif _THAN.fullmatch(text, a.end, b.start):
            if _MORE.search(text, 0, a.start):
                yield a, b
            elif _FEWER.search(text, 0, a.start):
                yield b, a


def _judge(facts: Facts, more: Mention, fewer: Mention, said: bool) -> Judgement:
    larger, smaller = facts.exact(more.label), facts.exact(fewer.label)
    if larger is None or smaller is None:
        return UNVERIFIABLE
    if (larger > smaller) == said:
        return SUPPORTED
    counted = f"the annotations count {larger} and {smaller}"
    return contradicted(
        f"says that there are {'' if said else 'not '}more {more.text} than {fewer.text}; {counted}"
    )
