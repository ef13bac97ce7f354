"""Reading a judge's verdict, and counting the votes of several replies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from vlit.assess.judge.hearing import Flaw, answer_of, cut_short
from vlit.teacher.reply import Choice

Label = Literal["incorrect", "cannot tell", "correct"]

#: From the lowest to the highest: a tie goes to the lower one.
LABELS: tuple[Label, ...] = get_args(Label)

_MARKS = re.compile(r"[*_`#]+")
_LINE = re.compile(r"verdict\s*:\s*(?P<said>.*?)\s*\.?", re.I)
_FAILS = re.compile(r"(?P<claim>.+?)\s*(?:[:=]|-+>?|[–—→])\s*fails\b", re.I)
_BULLET = re.compile(r"^(?:[-•]|\d{1,2}[.)])\s+")


@dataclass(frozen=True)
class Vote:
    """One verdict, with the first claim that fails according to the judge."""

    label: Label
    fails: str | None = None


@dataclass(frozen=True)
class Tally:
    """Votes that were counted."""

    incorrect: int = 0
    cannot_tell: int = 0
    correct: int = 0

    @classmethod
    def of(cls, labels: Iterable[Label]) -> Tally:
        """Count labels."""
        found = list(labels)
        return cls(*(found.count(label) for label in LABELS))

    @property
    def counts(self) -> tuple[int, int, int]:
        """In the order of ``LABELS``."""
        return self.incorrect, self.cannot_tell, self.correct

    @property
    def mode(self) -> Label:
        """The most frequent label; of equally frequent ones the lowest."""
        return LABELS[self.counts.index(max(self.counts))]

    def __str__(self) -> str:
        n = sum(self.counts)
        told = [f"{c} {label}" for label, c in zip(LABELS, self.counts, strict=True) if c]
        return f"{n} vote{'s' * (n != 1)}: {', '.join(reversed(told))}"


_TALLY = re.compile(r"\d+ votes?: (?P<counts>(?:\d+ (?:incorrect|cannot tell|correct)(?:, )?)+)")


def tally_in(text: str) -> Tally | None:
    """The tally that a text begins with, as ``str`` writes it."""
    if not (found := _TALLY.match(text)):
        return None
    parts = (part.partition(" ") for part in found["counts"].strip(", ").split(", "))
    told = {label: int(count) for count, _, label in parts}
    return Tally(*(told.get(label, 0) for label in LABELS))


def read_vote(choice: Choice) -> Vote | Flaw:
    """The vote of a reply: exactly one line "Verdict: ...", with one of the labels and nothing else."""
    text = answer_of(choice)
    lines = [_MARKS.sub("", line).strip() for line in text.splitlines()]
    found = [match["said"].lower() for line in lines if (match := _LINE.fullmatch(line))]
    if len(found) > 1:
        return Flaw("there are several lines that begin with Verdict")
    if not found:
        cut = "it breaks off before the" if cut_short(choice) else "there is no"
        return Flaw(f"{cut} line that begins with Verdict" if text else "it is empty")
    label = " ".join(found[0].split())
    if label not in LABELS:
        return Flaw("its verdict is none of the words correct, incorrect, cannot tell")
    claims = (_BULLET.sub("", line) for line in lines)
    fails = next((match["claim"] for line in claims if (match := _FAILS.match(line))), None)
    return Vote(next(known for known in LABELS if known == label), fails)
