"""Presence: is it there? As many questions with yes as with no."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.things import amount, is_amounts
from vlit.generate.view import View
from vlit.language import nouns


class PresenceConfig(TaskConfig):
    """Presence."""

    per_scene: int = 10  #: half of them with yes


class Presence(Task[PresenceConfig]):
    """Absent objects are drawn in turn at random, by how common they are, and by their usual company."""

    name = "presence"
    Config = PresenceConfig
    _slots = ("a_label", "labels", "is_labels", "no_label", "amount", "is_amount")
    groups = dict.fromkeys(
        (
            "ask", "ask_mass", "ask_plural", "ask_next", "ask_mass_next", "ask_plural_next",
            "one", "many", "many_next", "many_mass", "none",
        ),
        _slots,
    )  # fmt: skip

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """Pairs of one object that is there and one that is not, in random order within each pair."""
        there = view.by_name(view.visible)
        rng.shuffle(there)
        for label, missing in zip(there, absent(view, rng), strict=False):
            pair = [self.positive(view, label), self.negative(missing)]
            if rng.random() < 0.5:
                pair.reverse()
            yield from pair

    def positive(self, view: View, label: str) -> Fact:
        """The label is there."""
        many = not view.is_one(label) or nouns.is_plural(label)
        mass = nouns.kind_is(label) == "is"
        return Fact(
            task=self.name,
            ask=_ask(label),
            say=(Part("many_mass" if mass else ("many" if many else "one")),),
            short="yes",
            form="yes_no",
            slots={**_words(label), "amount": amount(view, label), "is_amount": is_amounts(view, [label])},
            evidence=view.evidence(label),
            marks=view.marks(label),
            about=(label,),
        )

    def negative(self, label: str) -> Fact:
        """The label is not there; no annotation shows it, its absence among those searched for does."""
        return Fact(
            task=self.name,
            ask=_ask(label),
            say=(Part("none"),),
            short="no",
            form="yes_no",
            slots=_words(label),
            about=(label,),
        )


def absent(view: View, rng: Random) -> Iterator[str]:
    """Labels that are not there: one at random, one common, one that often is in such company, and so on."""
    left, usual = list(view.absent), view.expected
    common = [label for label in left if view.statistics.scenes[label]]
    start = int(rng.random() * 3)
    ways = ([*left], common[:15], usual[:10])
    given: set[str] = set()
    while len(given) < len(left):
        way = [label for label in ways[(start + len(given)) % 3] if label not in given]
        way = way or [label for label in left if label not in given]
        label = way[int(rng.random() * len(way))]
        given.add(label)
        yield label


def _ask(label: str) -> str:
    if nouns.kind_is(label) == "is":
        return "ask_mass"
    return "ask_plural" if nouns.is_plural(label) else "ask"


def _words(label: str) -> dict[str, str]:
    kind = nouns.kind(label)
    plain = (
        nouns.bare(label) == nouns.name(label) and nouns.kind_is(label) == "are" and not nouns.is_plural(label)
    )
    return {
        "a_label": nouns.singular(label),
        "labels": kind,
        "is_labels": f"{nouns.kind_is(label)} {kind}",
        "no_label": f"is no {nouns.bare(label)}" if plain else f"{nouns.kind_is(label)} no {kind}",
    }
