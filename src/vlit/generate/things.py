"""Lists of things in words: "four people, two cups and a dog"."""

from __future__ import annotations

from collections.abc import Iterable

from vlit.generate.view import View
from vlit.language import nouns

#: Up to this many are given as a number in a list; above, a careful writer says "several" or "many".
_NUMBERED = 5


def amount(view: View, label: str) -> str:
    """How many there are, as exactly as it is known: "a dog", "three cups", "several books", "many people"."""
    said = view.said(label)
    if view.is_one(label):
        return view.a(label)
    boxes, n = len(view.by_label[label]), view.counts.get(label)
    if not nouns.countable(said):
        return f"some {nouns.kind(said)}"
    if n is not None and n <= _NUMBERED:
        return nouns.counted(n, said)
    if view.doubled:
        return f"some {nouns.plural(said)}"
    if boxes > 9 or (label in view.crowded and boxes > 5):
        return f"many {nouns.plural(said)}"
    return f"several {nouns.plural(said)}" if boxes > 2 else f"some {nouns.plural(said)}"


def is_one(view: View, label: str) -> bool:
    """Whether :func:`amount` of it takes "is"."""
    return (view.is_one(label) and not nouns.is_plural(label)) or nouns.kind_is(view.said(label)) == "is"


def amounts(view: View, labels: Iterable[str]) -> str:
    """A list of what there is, in the given order."""
    return nouns.join([amount(view, label) for label in labels])


def is_amounts(view: View, labels: list[str]) -> str:
    """The same after "there": the verb agrees with the first thing."""
    return f"{'is' if is_one(view, labels[0]) else 'are'} {amounts(view, labels)}"
