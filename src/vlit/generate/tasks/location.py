"""Location: in which of nine parts of the image is it?"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.places import place_of
from vlit.generate.view import View


class LocationConfig(TaskConfig):
    """Location."""

    per_scene: int = 3


class Location(Task[LocationConfig]):
    """Only things that there are one of, and that lie clearly in one part."""

    name = "location"
    Config = LocationConfig
    _slots = ("the_label", "label", "where", "place")
    groups = dict.fromkeys(("ask", "ask_next", "ask_it", "say", "say_it"), _slots)

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """In random order."""
        objects = list(view.unique)
        rng.shuffle(objects)
        for o in objects:
            place = place_of(view, o)
            if place is None:
                continue
            yield Fact(
                task=self.name,
                ask="ask",
                say=(Part("say"),),
                short=place.short,
                form="place",
                slots={
                    "the_label": view.the(o.label),
                    "label": view.bare(o.label),
                    "where": place.where,
                    "place": place.short,
                },
                evidence=view.evidence(o.label),
                marks=(view.mark(o),),
                about=(o.label,),
            )
