"""Scores in the reply of a judge: two of them on a scale of 1 to 10, or one between 0 and 1.

The official parser of paired scores (LLaVA, ``eval_gpt_review``) reads the first line alone, and returns -1
for both where it has no two numbers; its summary then averages the -1. Judges that reason first, as LLaVA's
rule for mathematics asks them to, write the scores at the end. Hence three forms, in this order:

1. *first line*: two numbers and nothing else but marks, "8 9", "8.5, 9", "**7/10 9/10**", "(8, 9)";
2. *named*: the last "Assistant 1: x" and the last "Assistant 2: y", where nothing but a scale follows;
3. *tuple*: the last "(x, y)" or "[x, y]" that does not stand in the question or in an answer.

A pair in brackets counts as the first form unless it stands in the question.

Numbers outside 0 to 10 are no scores: "(100, 36)" is passed over. What is in none of the forms is a failure.
"""

from __future__ import annotations

import re

from vlit.evaluate.question import Parsed

_NUMBER = r"(?<![\w.])(\d{1,3}(?:\.\d+)?)(?![\w]|\.\d)"
_SCALE = r"(?:\s*/\s*10(?:\.0)?(?!\w)|\s+out\s+of\s+(?:10|ten)\b|\s+points?\b)?"
_MARKS = re.compile(r"[*_`#]+")
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)
_LINE = re.compile(rf"[\s(\[]*{_NUMBER}{_SCALE}(?:\s*[,;|&]\s*|\s+)(?:and\s+)?{_NUMBER}{_SCALE}[\s)\].]*")
_NAMED = re.compile(
    r"\bassistant\s*([12])\b(?:'s)?\s*(?:\((?!\s*\d)[^)\n]{0,20}\))?\s*(?:(?:overall\s+)?(?:score|rating))?"
    rf"\s*(?:is|gets|receives|[:=])\s*{_NUMBER}{_SCALE}(?=\s*(?:[.,;)\]|]|\n|$|and\b|assistant\b))",
    re.I,
)
_TUPLE = re.compile(rf"[(\[]\s*{_NUMBER}{_SCALE}\s*,\s*{_NUMBER}{_SCALE}\s*[)\]]")
#: A number from 0 to 1 that is no part of another ("0,5") and not of a scale ("1 of 10").
_ALONE = re.compile(
    r"(?<![\w.,/-])(?:0(?:\.\d+)?|1(?:\.0+)?|\.\d+)(?![\w/%]|[.,]\d)"
    r"(?!\s+(?:out\s+)?of\s+(?!1(?:\.0+)?\b|one\b)\w)"
)
_SMALL = r"(?:\d{1,3}(?:\.\d{1,9})?|\.\d{1,9})"
_RANGE = re.compile(rf"(?<![\w.]){_SMALL}\s*(?:-|\u2013|to\b)\s*{_SMALL}(?!\d)")
_SCORE = re.compile(r"\b(?:score|correctness|grade)\s*(?:is|[:=])\s*", re.I)


def score_pair(text: str, *said: str) -> Parsed:
    """The scores of Assistant 1 and 2, as ``"8 9.5"``.

    Args:
        text: Reply of the judge.
        said: Question, and answers, whose pairs of numbers are no scores.
    """
    text = spoken(text)
    if not text:
        return Parsed(None, "the judge said nothing")
    known = {(a, b) for other in said for a, b in _TUPLE.findall(_MARKS.sub("", other))}
    first = next(line for line in text.splitlines() if line.strip())
    found = _LINE.fullmatch(first)
    if found and not (_TUPLE.search(first) and found.groups() in known) and (pair := _pair(*found.groups())):
        return Parsed(pair, "first line")
    named = {one[1]: one[2] for one in _NAMED.finditer(text)}
    if len(named) == 2 and (pair := _pair(named["1"], named["2"])):
        return Parsed(pair, "named")
    for one in reversed(list(_TUPLE.finditer(text))):
        if one.groups() not in known and (pair := _pair(*one.groups())):
            return Parsed(pair, "tuple")
    return Parsed(None, "no two scores")


def official_score_pair(text: str) -> Parsed:
    """As LLaVA's script reads them: two numbers of any size, the whole first line, one space or comma between.

    Quirk, kept: "8, 9" and a space behind the second number are no scores, as the script cuts at every space.
    """
    try:
        first, second = map(float, text.split("\n")[0].replace(",", " ").split(" "))
    except ValueError:
        return Parsed(None, "the first line has no two numbers; the official script scores -1 and -1")
    return Parsed(f"{first:g} {second:g}", "first line")


def unit_score(text: str) -> Parsed:
    """One score between 0 and 1, as ``"0.5"``.

    The official grader of MM-Vet (Yu et al. 2023) asks for three tokens, splits them at the space and reads a
    number. Here: the last number after "score:" or the like; else the only number between 0 and 1 of the reply.
    Several different ones without such a word are a failure, and so is a range ("0.5-0.6").
    """
    text = spoken(text)
    if not text:
        return Parsed(None, "the judge said nothing")
    text = _RANGE.sub("", text)
    told = [found for word in _SCORE.finditer(text) if (found := _ALONE.match(text, word.end()))]
    if told:
        return Parsed(_short(told[-1][0]), "score:")
    values = {_short(found[0]) for found in _ALONE.finditer(text)}
    if len(values) == 1:
        return Parsed(values.pop(), "only number")
    return Parsed(None, "several numbers between 0 and 1" if values else "no number between 0 and 1")


def spoken(text: str) -> str:
    """A reply without the thinking that some models write before it, and without marks of emphasis."""
    if "</think" in text.lower():
        text = _THOUGHT.sub("", text)
    return "" if "<think" in text.lower() else _MARKS.sub("", text).strip()


def numbers(value: str) -> tuple[float, ...]:
    """The numbers of a parsed value: ``"8 9.5"`` to (8.0, 9.5)."""
    return tuple(float(part) for part in value.split())


def _pair(first: str, second: str) -> str | None:
    pair = float(first), float(second)
    return f"{pair[0]:g} {pair[1]:g}" if max(pair) <= 10 else None


def _short(number: str) -> str:
    return f"{float(number):g}"
