"""Box to expression: what is in this region, and how would one refer to it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

from vlit.data.scene import Object
from vlit.generate.expressions import clear_box, expressions
from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.view import View
from vlit.language import nouns

_ALIKE = 2  #: boxes of one label of which only the kind is asked


class BoxExpressionConfig(TaskConfig):
    """Box to expression."""

    per_scene: int = 5


class BoxExpression(Task[BoxExpressionConfig]):
    """Only boxes that hold one thing and little of any other."""

    name = "box_expression"
    Config = BoxExpressionConfig
    _slots = ("box", "a_label", "is_label", "label", "the_thing")
    groups = dict.fromkeys(
        ("ask_name", "ask_which", "ask_phrase", "say_name", "say_some", "say_which", "say_phrase"), _slots
    )

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """The kind of any object, or an expression that singles it out; one an object."""
        minimum = view.settings.min_area
        objects = [
            o
            for o in view.scene.objects
            if o.label in view.visible and not o.crowd and view.share(o) >= minimum and clear_box(view, o)
        ]
        rng.shuffle(objects)
        named = {e.object.id: e for e in expressions(view)}
        labels: Counter[str] = Counter()
        for o in objects:
            expression = named.get(o.id)
            if expression is not None and (not expression.unique or rng.random() < 0.3):
                case = "which" if rng.random() < 0.5 else "phrase"
                yield self._fact(view, o, case, expression.text, expression.evidence)
            elif labels[o.label] < _ALIKE:
                labels[o.label] += 1
                evidence = view.evidence(o.label) if len(view.by_label[o.label]) == 1 else (o.id,)
                yield self._fact(view, o, "name", view.bare(o.label), evidence)

    def _fact(self, view: View, o: Object, case: str, short: str, evidence: tuple[str, ...]) -> Fact:
        some = case == "name" and (nouns.is_plural(o.label) or nouns.kind_is(o.label) == "is")
        return Fact(
            task=self.name,
            ask=f"ask_{case}",
            note=f"read_{view.box_form}",
            form="expression" if case == "phrase" else "phrase",
            say=(Part("say_some" if some else f"say_{case}"),),
            short=short,
            slots={
                "box": view.box_text(o.box),
                "a_label": view.a(o.label),
                "is_label": f"{'are' if nouns.is_plural(o.label) else 'is'} {view.a(o.label)}",
                "label": view.bare(o.label),
                "the_thing": short,
            },
            evidence=evidence,
            marks=(view.mark(o),),
            about=(o.label,),
        )
