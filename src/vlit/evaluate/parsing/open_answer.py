"""MMMU's rule for open answers: candidates in what was said, and when one matches a reference.

Source: Yue et al., MMMU (2023), eval_utils.py. Lenient by design: see the quirks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_INDICATORS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_MARKS = frozenset(":,.!?;'")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),  # 12,345
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),  # 1.2e-3
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),  # 12.5
)

Candidate = str | float


def candidates(text: str) -> list[Candidate]:
    """What an answer may mean: the shortest tails of its lines behind words such as "is", and numbers.

    Quirks: the text is put in lower case before it is cut at ". " and a capital letter, so that it is cut at
    line ends alone; "=" leads to a tail in the last line only; "is " is found inside "this ".
    """
    found: list[str] = []
    said = text.strip().strip(".").lower()
    lines = re.split(r"\.\s(?=[A-Z])|\n", said)
    for number, line in enumerate(lines):
        words = _INDICATORS if number < len(lines) - 1 else (*_INDICATORS, "=")
        tails = [line.split(word)[-1].strip() for word in words if word in line]
        tail = _shortest(tails)
        if tail and tail not in _MARKS:
            found.append(tail)
    found = found or [said]
    found += [number for tail in found for pattern in _NUMBERS for number in pattern.findall(tail)]
    return list(dict.fromkeys(one for tail in found for one in normalised(tail)))


def matches(said: Sequence[Candidate], references: Sequence[str]) -> bool:
    """Whether a candidate holds a reference, or equals it as a number.

    Quirk: text matches where it contains the reference, so that "not a dog" matches "dog".
    """
    wanted = [one for reference in references for one in normalised(reference)]
    for one in said:
        if isinstance(one, str):
            if any(isinstance(other, str) and other in one for other in wanted):
                return True
        elif one in wanted:
            return True
    return False


def normalised(text: str) -> list[Candidate]:
    """Text in lower case, or a number of two decimals.

    Quirk: a single character is looked for with a space before or behind it, against chance matches.
    """
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except (ValueError, OverflowError):
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _shortest(tails: Sequence[str]) -> str:
    """The shortest tail as the script keeps it: an empty one is replaced by the next, whatever its length."""
    kept = ""
    for tail in tails:
        if not kept or len(tail) < len(kept):
            kept = tail
    return kept
