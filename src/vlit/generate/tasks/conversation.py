"""Conversation: several rounds on one image, chained from facts of the other tasks in a sensible order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import ClassVar

from msgspec.structs import replace

from vlit.generate.fact import Fact, Part, Task, TaskConfig
from vlit.generate.tasks import TASKS
from vlit.generate.tasks.category_listing import CategoryListing
from vlit.generate.tasks.comparison import Comparison
from vlit.generate.tasks.counting import Counting
from vlit.generate.tasks.location import Location
from vlit.generate.tasks.open_vqa import OpenVqa
from vlit.generate.tasks.presence import Presence
from vlit.generate.tasks.referring_box import ReferringBox
from vlit.generate.tasks.relative_position import RelativePosition
from vlit.generate.tasks.short_caption import ShortCaption, said
from vlit.generate.view import View


class ConversationConfig(TaskConfig):
    """Conversation."""

    per_scene: int = 3
    fewest_rounds: int = 3
    most_rounds: int = 6
    boxes: bool = False  #: whether a round may ask for a box


class Conversation(Task[ConversationConfig]):
    """Each round adds something: nothing is asked that an earlier answer has told."""

    name = "conversation"
    Config = ConversationConfig
    groups: ClassVar = {"ask_what": (), **dict.fromkeys(("say", "say_phrase"), ("caption", "phrase"))}

    def facts(self, view: View, rng: Random) -> Iterable[Fact]:
        """Conversations have rounds, see :meth:`rounds`."""
        return ()

    def rounds(self, view: View, rng: Random) -> Iterator[tuple[Fact, ...]]:
        """One that opens with the whole scene, one with the list of objects, one with a single object."""
        lines = [line for line in view.lines if not line.loose]
        given, asked = 0, set[str]()
        for n in range(self.config.per_scene + 1):
            chain = _Chain(view, rng, self.config, asked)
            if n < len(lines) and n != 1:
                line = lines[n]
                group, slots = said(line)
                opening = Fact(
                    task=self.name,
                    ask="ask_what",
                    say=(Part(group),),
                    short=line.text,
                    slots=slots,
                    evidence=(line.id,),
                )
                chain.open(opening, line.text)
            elif n == 1:
                chain.list_objects()
            chain.go_on()
            if len(chain.facts) >= self.config.fewest_rounds and given < self.config.per_scene:
                given += 1
                asked |= chain.asked
                yield tuple(chain.facts)


class _Chain:
    """One conversation in the making.

    Args:
        view: The scene.
        rng: Decides what is asked.
        config: Limits.
        before: What earlier conversations on the image have asked; not asked again.
    """

    def __init__(self, view: View, rng: Random, config: ConversationConfig, before: set[str]) -> None:
        self.view, self.rng, self.config = view, rng, config
        self.facts: list[Fact] = []
        self.asked = set(before)
        self._denied = {key.split("/")[1] for key in before if key.startswith(f"{Presence.name}/")}
        self._told: set[str] = set()  # labels of which presence is known by now
        self._numbered: set[str] = set()  # labels of which the number is known by now
        self._topic: str | None = None  # label that the last answer was about, one thing

    def open(self, fact: Fact, text: str) -> None:
        """Begin with the whole scene."""
        found = self.view.mentions(text)
        self._told |= {m.label for m in found}
        self._numbered |= {m.label for m in found if not m.plural}
        self.facts.append(fact)

    def list_objects(self) -> None:
        """Begin with the objects."""
        for fact in CategoryListing().facts(self.view, self.rng):
            self.facts.append(fact)
            self._told |= set(fact.about)
            self._numbered |= set(fact.about)

    def go_on(self) -> None:
        """Add rounds until there is nothing to add or the conversation is long enough."""
        length = self.rng.randint(self.config.fewest_rounds, self.config.most_rounds)
        presence, counting = Presence(), Counting()
        listed = bool(self.facts) and self.facts[0].task == CategoryListing.name
        if not listed:
            for fact in presence.facts(self.view, self.rng):
                if fact.short == "yes" and fact.about[0] not in self._told:
                    self._add(fact)
                    label = fact.about[0]
                    if 1 < self.view.numbers.get(label, 0) <= 10:
                        self._add(counting.fact(self.view, label))
                    break
        steps = [
            self._counting(counting), self._location(), self._question(), self._relation(),
            self._compare(), self._missing(presence),
        ]  # fmt: skip
        if self.config.boxes:
            steps.append(iter(ReferringBox().facts(self.view, self.rng)))
        closing = self._overall()
        while steps and len(self.facts) < length - len(closing):
            for step in list(steps):
                found = next(step, None)
                if found is None:
                    steps.remove(step)
                elif len(self.facts) < length - len(closing):
                    self._add(found)
        for fact in closing:
            self._add(fact)

    def _counting(self, counting: Counting) -> Iterator[Fact]:
        for fact in counting.facts(self.view, self.rng):
            if fact.short != "1" and fact.about[0] not in self._numbered:
                yield fact

    def _location(self) -> Iterator[Fact]:
        facts = list(Location().facts(self.view, self.rng))
        # What was just spoken of comes first: then "it" is clear.
        facts.sort(key=lambda fact: fact.about[0] != self._topic)
        for fact in facts:
            if fact.about[0] in self._told:
                yield fact

    def _question(self) -> Iterator[Fact]:
        yield from OpenVqa().facts(self.view, self.rng)

    def _relation(self) -> Iterator[Fact]:
        for fact in RelativePosition().facts(self.view, self.rng):
            if fact.ask == "ask_side" and all(label in self._told for label in fact.about):
                yield fact

    def _compare(self) -> Iterator[Fact]:
        for fact in Comparison().facts(self.view, self.rng):
            if fact.ask == "ask_which" and not self._numbered & set(fact.about):
                yield fact
                return

    def _missing(self, presence: Presence) -> Iterator[Fact]:
        """One thing that one would expect here; a row of absent things is no conversation."""
        expected = [label for label in self.view.expected if label not in self._denied][:6]
        if expected:
            yield presence.negative(expected[int(self.rng.random() * len(expected))])

    def _overall(self) -> list[Fact]:
        """The whole scene at the end, where the conversation did not begin with it."""
        if self.facts and self.facts[0].task == Conversation.name:
            return []
        lines = sorted(self.view.lines, key=lambda line: line.loose)
        return [ShortCaption().fact(line, "ask_next") for line in lines[:1]]

    def _add(self, fact: Fact) -> None:
        key = "/".join((fact.task, *fact.about, *fact.evidence))
        if key in self.asked or len(self.facts) >= self.config.most_rounds:
            return
        self.asked.add(key)
        self._told |= set(fact.about) if fact.short != "no" else set()
        if fact.task == Counting.name:
            self._numbered |= set(fact.about)
        self.facts.append(self._linked(fact))
        self._topic = fact.about[0] if len(fact.about) == 1 and fact.short != "no" else None

    def _linked(self, fact: Fact) -> Fact:
        """The fact asked as a later round asks, with "it" or "them" where the last answer makes that clear."""
        if fact.say == (Part("many"),):
            fact = replace(fact, say=(Part("many_next"),))  # the number may be asked for next
        if not self.facts:
            return fact
        if fact.about and fact.about == (self._topic,):
            if fact.task == Location.name and self.view.counts.get(fact.about[0]) == 1:
                return replace(fact, ask="ask_it", say=(Part("say_it"),))
            if fact.task == Counting.name and self.facts[-1].task == Presence.name:
                return replace(fact, ask="ask_it")
        later = f"{fact.ask}_next"
        return replace(fact, ask=later) if later in TASKS.load(fact.task).groups else fact
