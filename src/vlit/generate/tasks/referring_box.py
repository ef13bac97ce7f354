"""Referring expression: words in, box out."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from vlit.generate.expressions import expressions
from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import View


class ReferringBoxConfig(TaskConfig):
    """Referring expression."""

    per_scene: int = 5


class ReferringBox(Task[ReferringBoxConfig]):
    """The expression fits one object alone: the only one, or one that stands out by place or size."""

    name = "referring_box"
    Config = ReferringBoxConfig
    groups = dict.fromkeys(("ask", "ask_next", "say"), ("the_thing", "box"))

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """One an object, in random order."""
        found = expressions(view)
        rng.shuffle(found)
        seen: set[str] = set()
        for expression in found:
            o = expression.object
            if o.id in seen:
                continue
            seen.add(o.id)
            box = view.box_text(o.box)
            yield Fact(
                task=self.name,
                ask="ask",
                note=f"give_{view.box_form}",
                say=(Part("say"),),
                short=box,
                slots={"the_thing": expression.text, "box": box},
                evidence=expression.evidence,
                marks=(view.mark(o),),
                about=(o.label,),
            )
