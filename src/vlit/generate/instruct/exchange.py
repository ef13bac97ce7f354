"""An exchange with the teacher, round by round, without any input or output of its own.

The same generator is driven twice: by the client, which asks and so fills the journal, and then by the stage's
workers from the journal alone. What comes of it is a pure function of the scene, the recipe, the seed and the
replies, so a run that was killed ends with the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from vlit.data.exchange import Exchange
from vlit.data.sample import Sample
from vlit.data.score import Quarantined, shown
from vlit.generate.instruct.clues import Clues
from vlit.generate.instruct.replies import Parsed, feedback, parse
from vlit.generate.instruct.samples import samples_of
from vlit.generate.instruct.unit import Asker, Unit
from vlit.teacher.exchange import Conversation, Told, Wanted
from vlit.teacher.message import Message, Text
from vlit.teacher.reply import Choice, Failure

#: Share of the clues that is left when a server says that a request is too long.
SHORTER = 0.6


@dataclass
class Outcome:
    """What came of one unit: a row for each generation, samples, and what could not be used."""

    exchanges: list[Exchange] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    items: list[str] = field(default_factory=list)  #: of a ``list`` reply, which makes no samples


Exchanging: TypeAlias = Conversation[Outcome]


def exchange(asker: Asker, unit: Unit) -> Exchanging:
    """Ask about one unit: all generations, each with its rounds.

    Yields:
        What is wanted; the driver sends what it was told.

    Returns:
        The outcome.
    """
    outcome = Outcome()
    used: Counter[str] = Counter()  # choices of each request that were taken: equal requests get the next one
    clues = asker.clues(unit)
    for generation in range(asker.recipe.generations):
        rounds = _Rounds(asker, unit, generation, clues, used)
        if rounds.clues.missing:
            outcome.exchanges.append(rounds.row("no_clues", 0))
            break
        yield from rounds.run(outcome)
    return outcome


class _Rounds:
    """One generation of one unit: the first request, and flawed replies that are sent back."""

    def __init__(self, asker: Asker, unit: Unit, generation: int, clues: Clues, used: Counter[str]) -> None:
        self.asker, self.unit, self.generation, self.clues, self.used = asker, unit, generation, clues, used
        self.id = f"{unit.id}/{generation}"
        self.keys: list[str] = []
        self.flaws: list[str] = []
        self.repairs: tuple[str, ...] = ()

    def run(self, outcome: Outcome) -> Generator[Wanted, Told, None]:
        recipe = self.asker.recipe
        first = messages = self.asker.messages(self.unit, self.generation, self.clues)
        # Generations that share a request are asked for at once, which servers answer for one prompt's price.
        n = 1 if self.asker.draws_examples else recipe.generations
        shortened = False
        while True:
            request = self.asker.request(messages)
            taken = self.used[request.key]
            told = yield Wanted(request, max(taken + 1, n))
            if n > taken + 1 and not isinstance(told, tuple):
                told = yield Wanted(request, taken + 1)  # what came before it failed is paid
            self.keys.append(request.key)
            if isinstance(told, Failure) and told.kind == "too_long" and not shortened and self.clues.text:
                shortened = True
                self.clues = self.asker.clues(self.unit, most=int(len(self.clues.text) * SHORTER))
                first = messages = self.asker.messages(self.unit, self.generation, self.clues)
                continue
            if told is None or isinstance(told, Failure):
                self._failed(told, outcome)
                return
            self.used[request.key] += 1
            choice = told[taken]
            parsed = parse(choice.text, choice.finish, recipe.reply, self.clues.boxes)
            if isinstance(parsed, Parsed):
                made = samples_of(parsed, self.asker, self.unit, self.generation, self.clues, request.key)
                asked = "json" if self.asker.teacher.structured else None  # what was asked for is no repair
                self.repairs = tuple(repair for repair in parsed.repairs if repair != asked)
                outcome.samples += made
                outcome.items += parsed.items if recipe.reply.form == "list" else ()
                outcome.exchanges.append(self.row("kept", len(made)))
                return
            self.flaws.append(parsed[0].kind)
            if len(self.flaws) > recipe.rounds:
                self._given_up(choice, " ".join(flaw.said for flaw in parsed), outcome)
                return
            messages, n = _sent_back(first, choice.text, feedback(parsed)), 1

    def row(self, result: str, samples: int) -> Exchange:
        """The row about this generation; tokens are filled in from the journal."""
        return Exchange(
            id=self.id,
            scene=self.unit.scene.id,
            recipe=self.asker.prompt.name,
            prompt=self.asker.prompt.version,
            teacher=self.asker.teacher.model,
            requests=tuple(self.keys),
            flaws=tuple(self.flaws),
            repairs=self.repairs,
            cut=tuple(f"{part}: missing" for part in self.clues.missing) or self.clues.cut,
            outcome=result,
            samples=samples,
            prompt_tokens=0,
            completion_tokens=0,
        )

    def _failed(self, told: Failure | None, outcome: Outcome) -> None:
        if told is None:
            kind, reason = "not_asked", "it was not asked: the budget was spent before"
        else:
            kind, reason = told.kind, f"no reply ({told.kind}): {told.reason}"
        outcome.exchanges.append(self.row(kind, 0))
        outcome.quarantine.append(self._lost("", reason))

    def _given_up(self, choice: Choice, said: str, outcome: Outcome) -> None:
        rounds = len(self.flaws)
        again = f" in all {rounds} rounds, at last" if rounds > 1 else ""
        reason = f"the reply broke its contract{again}: {said}"
        outcome.exchanges.append(self.row(self.flaws[-1], 0))
        outcome.quarantine.append(self._lost(choice.text, reason))

    def _lost(self, value: str, reason: str) -> Quarantined:
        return Quarantined(
            stage="generate",
            file=self.unit.scene.image.uri,
            record=self.id,
            field="reply",
            value=shown(value),
            reason=reason,
        )


def _sent_back(first: tuple[Message, ...], reply: str, why: str) -> tuple[Message, ...]:
    """The first messages, the flawed reply and what is wrong with it; earlier flawed replies are left out."""
    if reply.strip():
        return (*first, Message.of("assistant", reply), Message.of("user", why))
    # Servers refuse an empty message of the assistant, and two of the user in a row.
    *before, last = first
    return (*before, Message(last.role, (*last.parts, Text(why))))
