"""Relative position: left or right of one another, higher or lower in the picture."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from vlit.data.scene import Object
from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.places import Beside, beside, stacked
from vlit.generate.view import View
from vlit.language.nouns import capital

_OTHER = {"left": "right", "right": "left"}


class RelativePositionConfig(TaskConfig):
    """Relative position."""

    per_scene: int = 3


class RelativePosition(Task[RelativePositionConfig]):
    """Two single things, clearly apart. Depth is never claimed: height is height in the image."""

    name = "relative_position"
    Config = RelativePositionConfig
    _slots = ("the_a", "the_b", "the_a_capital", "the_b_capital", "side", "other_side", "higher", "lower")
    groups = dict.fromkeys(
        (
            "ask_side", "ask_side_next", "ask_which", "ask_check", "ask_height",
            "say_side", "say_which", "say_check_yes", "say_check_no", "say_height",
        ),
        _slots,
    )  # fmt: skip

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """One question a pair, of a random form."""
        objects = view.unique[:6]
        pairs = [(pair, True) for pair in beside(view, objects)] + [(p, False) for p in stacked(view, objects)]
        rng.shuffle(pairs)
        seen: set[frozenset[str]] = set()
        for pair, horizontal in pairs:
            ids = frozenset((pair.a.id, pair.b.id))
            if ids not in seen:
                seen.add(ids)
                yield self._across(view, pair, rng) if horizontal else self._height(view, pair, rng)

    def side(self, view: View, a: Object, b: Object, side: str) -> Fact:
        """On which side of ``b`` is ``a``?"""
        return self._fact(
            view, a, b, "ask_side", "say_side", side, "side", {"side": side, "other_side": _OTHER[side]}
        )

    def _across(self, view: View, pair: Beside, rng: Random) -> Fact:
        side = "left" if rng.random() < 0.5 else "right"
        a, b = pair if side == "left" else (pair.b, pair.a)
        sides = {"side": side, "other_side": _OTHER[side]}
        way = int(rng.random() * 3)
        if way == 0:
            return self.side(view, a, b, side)
        if way == 1:
            return self._fact(view, a, b, "ask_which", "say_which", view.the(a.label), "phrase", sides)
        if rng.random() < 0.5:
            return self._fact(view, a, b, "ask_check", "say_check_yes", "yes", "yes_no", sides)
        wrong = {"side": _OTHER[side], "other_side": side}
        return self._fact(view, a, b, "ask_check", "say_check_no", "no", "yes_no", wrong)

    def _height(self, view: View, pair: Beside, rng: Random) -> Fact:
        higher, lower = view.the(pair.a.label), view.the(pair.b.label)
        a, b = pair if rng.random() < 0.5 else (pair.b, pair.a)
        words = {"higher": higher, "lower": lower}
        return self._fact(view, a, b, "ask_height", "say_height", higher, "phrase", words)

    def _fact(
        self, view: View, a: Object, b: Object, ask: str, say: str, short: str, form: str, words: dict[str, str]
    ) -> Fact:
        the_a, the_b = view.the(a.label), view.the(b.label)
        return Fact(
            task=self.name,
            ask=ask,
            say=(Part(say),),
            short=short,
            form=form,
            slots={
                "the_a": the_a,
                "the_b": the_b,
                "the_a_capital": capital(the_a),
                "the_b_capital": capital(the_b),
                **words,
            },
            evidence=view.evidence(a.label) + view.evidence(b.label),
            marks=(view.mark(a), view.mark(b)),
            about=(a.label, b.label),
        )
