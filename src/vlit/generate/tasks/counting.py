"""Counting: how many are there? Only where the annotations tell it exactly."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import View
from vlit.language import nouns


class CountingConfig(TaskConfig):
    """Counting."""

    per_scene: int = 3
    most: int = 10  #: larger numbers are not asked for: annotators miss some
    singles: int = 2  #: questions of which the answer is one


class Counting(Task[CountingConfig]):
    """Numbers from one up."""

    name = "counting"
    Config = CountingConfig
    _slots = ("labels", "n_labels", "is_n", "n")
    groups: ClassVar = {"ask": _slots, "ask_next": _slots, "ask_it": _slots, "say": _slots, "say_one": _slots}

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """Several of a kind first, single ones after: "how many" mostly asks for more than one."""
        labels = [label for label, n in view.numbers.items() if n <= self.config.most]
        rng.shuffle(labels)
        labels.sort(key=lambda label: view.counts[label] == 1)
        singles = 0
        for label in labels:
            singles += view.counts[label] == 1
            if singles > self.config.singles:
                return
            yield self.fact(view, label)

    def fact(self, view: View, label: str) -> Fact:
        """The number of one label."""
        n, said = view.counts[label], view.said(label)
        counted = nouns.counted(n, said)
        return Fact(
            task=self.name,
            ask="ask",
            say=(Part("say" if n > 1 else "say_one"),),
            short=str(n),
            form="number",
            slots={
                "labels": nouns.plural(said),
                "n_labels": counted,
                "is_n": f"{'is' if n == 1 else 'are'} {counted}",
                "n": nouns.number_word(n),
            },
            evidence=view.evidence(label),
            marks=view.marks(label),
            about=(label,),
        )
