"""Comparison of numbers: more cups or more forks?"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from random import Random

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import View
from vlit.language import nouns

#: "More vases than ovens" of two and one is no question that anybody asks.
_LARGER = 3


class ComparisonConfig(TaskConfig):
    """Comparison of numbers."""

    per_scene: int = 2
    most: int = 10  #: larger numbers are not compared: annotators miss some


class Comparison(Task[ComparisonConfig]):
    """Two kinds of which both numbers are known and differ; at least three of one of them."""

    name = "comparison"
    Config = ComparisonConfig
    _slots = ("more_labels", "fewer_labels", "labels_a", "labels_b", "n_more", "n_fewer")
    groups = dict.fromkeys(("ask_which", "ask_check", "say_which", "say_check_yes", "say_check_no"), _slots)

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """Random pairs; as many to be affirmed as denied."""
        # "More pieces of broccoli than bowls" compares what nobody would; so does "more people than tables".
        plain = {
            label: n
            for label, n in view.numbers.items()
            if nouns.kind(label) == nouns.plural(label) and nouns.loosely(label) == label
        }
        known = sorted((label, n) for label, n in plain.items() if n <= self.config.most)
        pairs = [(a, b) for a, b in combinations(known, 2) if a[1] != b[1] and max(a[1], b[1]) >= _LARGER]
        rng.shuffle(pairs)
        for one, other in pairs:
            more, fewer = (one, other) if one[1] > other[1] else (other, one)
            yield self._fact(view, more, fewer, rng)

    def _fact(self, view: View, more: tuple[str, int], fewer: tuple[str, int], rng: Random) -> Fact:
        named = {label: nouns.plural(view.said(label)) for label, _ in (more, fewer)}
        first, second = (more, fewer) if rng.random() < 0.5 else (fewer, more)
        if rng.random() < 0.4:
            ask, say, short, form = "ask_which", "say_which", named[more[0]], "phrase"
        else:
            yes = first is more
            ask, say = "ask_check", "say_check_yes" if yes else "say_check_no"
            short, form = "yes" if yes else "no", "yes_no"
        return Fact(
            task=self.name,
            ask=ask,
            say=(Part(say),),
            short=short,
            form=form,
            slots={
                "more_labels": named[more[0]],
                "fewer_labels": named[fewer[0]],
                "labels_a": named[first[0]],
                "labels_b": named[second[0]],
                "n_more": nouns.counted(more[1], view.said(more[0])),
                "n_fewer": nouns.counted(fewer[1], view.said(fewer[0])),
            },
            evidence=view.evidence(more[0]) + view.evidence(fewer[0]),
            marks=view.marks(more[0]) + view.marks(fewer[0]),
            about=(more[0], fewer[0]),
        )
