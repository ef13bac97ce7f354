"""Detailed description: a paragraph from a caption, numbers, places and what else there is."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar

from vlit.data.sample import Mark
from vlit.data.scene import Object
from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.places import beside, place_of
from vlit.generate.things import amounts, is_amounts
from vlit.generate.view import Line, View
from vlit.language import captions, nouns


class DetailedDescriptionConfig(TaskConfig):
    """Detailed description."""

    per_scene: int = 1
    fewest_sentences: int = 3


class DetailedDescription(Task[DetailedDescriptionConfig]):
    """Opens with a caption that the others agree with; says each thing once."""

    name = "detailed_description"
    Config = DetailedDescriptionConfig
    _slots = (
        "caption", "phrase", "things", "is_things", "the_a", "the_b", "a_a", "a_b",
        "where", "where_a", "where_b", "where_capital", "where_a_capital", "labels", "side",
    )  # fmt: skip
    groups: ClassVar = {
        "ask": (),
        "ask_where": (),
        **dict.fromkeys(
            (
                "opening", "opening_phrase", "numbers", "fills", "known", "new", "new_two", "new_both",
                "apart", "beside", "beside_it", "rest", "rest_one",
            ),
            _slots,
        ),
    }  # fmt: skip

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """One description for each of the first captions that can open a paragraph."""
        lines = [
            line for line in view.lines if captions.is_sentence(line.text) or captions.is_phrase(line.text)
        ]
        for line in [line for line in lines if not line.loose][: self.config.per_scene]:
            writer = _Writer(view, line)
            parts = writer.write()
            if len(parts) >= self.config.fewest_sentences:
                yield Fact(
                    task=self.name,
                    ask="ask_where" if writer.placed and rng.random() < 0.3 else "ask",
                    say=tuple(parts),
                    evidence=tuple(dict.fromkeys(writer.evidence)),
                    marks=tuple(writer.marks),
                    about=tuple(writer.told),
                )


class _Writer:
    """Collects sentences and keeps track of what has been told."""

    def __init__(self, view: View, line: Line) -> None:
        self.view, self.line = view, line
        self.evidence: list[str] = [line.id]
        self.marks: list[Mark] = []
        self.told: dict[str, None] = {}
        found = view.mentions(line.text)
        self.in_caption = {m.label for m in found}
        self.named = {m.label for m in found if m.relation != "broader" and not m.plural}
        self.placed: list[str] = []
        self.last = ""  # label of the last sentence's subject
        people = [m.text.lower() for m in found if m.label == "person" and m.label in self.named]
        self._person = people[0] if people else None

    def the(self, label: str) -> str:
        """The thing as the caption named it."""
        return f"the {self._person}" if label == "person" and self._person else self.view.the(label)

    def write(self) -> list[Part]:
        """The sentences in order."""
        return [
            self._opening(),
            *self._numbers(),
            *self._places(),
            *self._apart(),
            *self._beside(),
            *self._rest(),
        ]

    def _opening(self) -> Part:
        text = self.line.text
        if captions.is_phrase(text):
            return Part("opening_phrase", {"phrase": text[0].lower() + text[1:].rstrip(".")})
        return Part("opening", {"caption": text})

    def _numbers(self) -> list[Part]:
        """What there is more than one of and the caption has not told."""
        view = self.view
        labels = [
            label for label in view.visible if label not in self.in_caption and len(view.by_label[label]) > 1
        ][:4]
        for label in labels:
            self._tell(label, view.by_label[label])
        if not labels:
            return []
        return [Part("numbers", {"things": amounts(view, labels), "is_things": is_amounts(view, labels)})]

    def _places(self) -> list[Part]:
        """Where the single things are: those of the caption first, then new ones, two in a sentence."""
        view = self.view
        parts: list[Part] = []
        new: list[tuple[Object, str]] = []
        for o in view.unique[:6]:
            place = place_of(view, o)
            if o.label in self.named and view.share(o) > 0.45:
                if not parts:
                    parts.append(Part("fills", {"the_a": self.the(o.label)}))
                    self._tell(o.label, [o])
            elif place is not None and o.label in self.named and len(parts) < 3:
                parts.append(Part("known", {"the_a": self.the(o.label), "where": place.where}))
                self._tell(o.label, [o])
                self.placed.append(o.label)
            elif place is not None and o.label not in self.in_caption and len(new) < 4:
                new.append((o, place.where))
                self.placed.append(o.label)
                self._tell(o.label, [o])
        while new:
            (a, where_a), *rest = new
            words = {"a_a": view.a(a.label), "where_capital": nouns.capital(where_a), "where": where_a}
            if not rest:
                parts.append(Part("new", words))
            else:
                b, where_b = rest[0]
                words |= {"a_b": view.a(b.label), "where_b": where_b}
                words |= {"where_a": where_a, "where_a_capital": nouns.capital(where_a)}
                parts.append(Part("new_both" if where_a == where_b else "new_two", words))
            new = rest[1:]
        return parts

    def _apart(self) -> list[Part]:
        """Two of a kind on opposite sides."""
        view = self.view
        for label, n in view.counts.items():
            first, *others = view.by_label[label]
            if n != 2 or min(map(view.share, (first, *others))) < view.settings.min_area:
                continue
            a, b = sorted((first, *others), key=lambda o: (o.box.x1, o.id))
            places = place_of(view, a), place_of(view, b)
            if places[0] and places[1] and places[0] != places[1]:
                self._tell(label, [a, b])
                words = {"where_a": places[0].where, "where_b": places[1].where}
                return [Part("apart", {**words, "labels": nouns.plural(view.said(label))})]
        return []

    def _beside(self) -> list[Part]:
        """One relation between two things that the reader knows by now."""
        view = self.view
        known = [o for o in view.unique if o.label in self.told or o.label in self.named]
        for left, right in beside(view, known):
            if left.label in self.placed and right.label in self.placed:
                continue  # the reader can tell
            a, b, side = (right, left, "right") if right.label in self.placed[-1:] else (left, right, "left")
            for o in (a, b):
                self._tell(o.label, [o])
            group = "beside_it" if a.label in self.placed[-1:] and self.last == a.label else "beside"
            return [Part(group, {"the_a": self.the(a.label), "the_b": self.the(b.label), "side": side})]
        return []

    def _rest(self) -> list[Part]:
        """Single things that have not been told yet."""
        labels = [
            label for label in self.view.visible if label not in self.told and label not in self.in_caption
        ][:5]
        for label in labels:
            self._tell(label, self.view.by_label[label])
        group = "rest" if len(labels) > 1 else "rest_one"
        return [Part(group, {"things": amounts(self.view, labels)})] if labels else []

    def _tell(self, label: str, objects: list[Object]) -> None:
        self.last = label
        if label not in self.told:
            self.told[label] = None
            self.marks += map(self.view.mark, objects)
            self.evidence += self.view.evidence(label)
