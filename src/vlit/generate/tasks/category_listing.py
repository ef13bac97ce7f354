"""Category listing: which kinds of objects are there?"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.things import amounts, is_amounts
from vlit.generate.view import View
from vlit.language import nouns


class CategoryListingConfig(TaskConfig):
    """Category listing."""

    per_scene: int = 1
    fewest: int = 2  #: kinds that a list needs
    most: int = 9  #: kinds; fuller scenes give no list, because it would leave something out


class CategoryListing(Task[CategoryListingConfig]):
    """All kinds that are easily seen, those that take most of the image first."""

    name = "category_listing"
    Config = CategoryListingConfig
    groups: ClassVar = {"ask": (), "ask_next": (), "say": ("things", "is_things", "kinds")}

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """At most one."""
        labels = view.visible
        if not self.config.fewest <= len(labels) <= self.config.most:
            return
        said = [view.said(label) for label in labels]
        yield Fact(
            task=self.name,
            ask="ask",
            say=(Part("say"),),
            short=", ".join(map(nouns.name, said)),
            form="list",
            slots={
                "things": amounts(view, labels),
                "is_things": is_amounts(view, labels),
                "kinds": nouns.join([nouns.kind(label) for label in said]),
            },
            evidence=tuple(e for label in labels for e in view.evidence(label)),
            marks=tuple(m for label in labels for m in view.marks(label)),
            about=tuple(labels),
        )
