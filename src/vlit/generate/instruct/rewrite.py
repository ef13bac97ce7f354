"""Instruction pools made richer: a teacher rewords the instructions of adaption (the review, 3.3.1)."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Iterator

from vlit.data.exchange import Exchange
from vlit.data.scene import Caption, Image, Scene
from vlit.data.score import Quarantined, shown
from vlit.generate.instruct.exchange import Exchanging, exchange
from vlit.generate.instruct.unit import Asker
from vlit.generate.templates import Pools, Template, template_of
from vlit.teacher.drive import replay
from vlit.teacher.journal import JournalView

#: The recipe that rewords an instruction.
REWRITE = "rewrite_instructions"


class Rewriter:
    """Rewords the instructions of some tasks.

    Args:
        asker: With the recipe ``rewrite_instructions``; its one clue is the instruction.
        tasks: Whose pools are made richer.
    """

    def __init__(self, asker: Asker, tasks: Iterable[str]) -> None:
        self.asker, self.tasks = asker, tuple(tasks)

    def exchanges(self, pools: Pools) -> Iterator[Exchanging]:
        """One for each instruction."""
        for scene in self.scenes(pools):
            for unit in self.asker.units(scene):
                yield exchange(self.asker, unit)

    def scenes(self, pools: Pools) -> Iterator[Scene]:
        """What is asked about: each instruction in place of a scene."""
        yield from map(_as_scene, self._instructions(pools))

    def richer(self, pools: Pools, journal: JournalView) -> tuple[Pools, list[Exchange], list[Quarantined]]:
        """The pools with all wordings that hold the same slots as the instruction that they come from.

        Returns:
            The pools, a row for each exchange, and the wordings that lost or changed a slot.
        """
        groups = {task: dict(found) for task, found in pools.groups.items()}
        rows: list[Exchange] = []
        lost: list[Quarantined] = []
        for template in self._instructions(pools):
            task, group, _ = template.id.split("/")
            for unit in self.asker.units(_as_scene(template)):
                outcome = replay(exchange(self.asker, unit), journal)
                rows += outcome.exchanges
                lost += outcome.quarantine
                for words in outcome.items:
                    if slots_of(words) == slots_of(template.text):
                        known = groups[task][group]
                        new = template_of(task, group, words)
                        groups[task][group] = known if new in known else (*known, new)
                    else:
                        lost.append(_changed(template, words))
        return Pools(groups), rows, lost

    def _instructions(self, pools: Pools) -> Iterator[Template]:
        for task in self.tasks:
            for group, templates in pools.groups[task].items():
                if group.startswith("ask"):
                    yield from dict.fromkeys(templates)


def _as_scene(template: Template) -> Scene:
    """The instruction as the one caption of a scene without a photo, which exchanges can be about."""
    return Scene(
        id=f"pool:{template.id}",
        image=Image(uri="", width=0, height=0),
        source="pool",
        captions=(Caption(id="instruction", text=template.text),),
    )


def slots_of(text: str) -> Counter[str] | None:
    """Names of the slots of a template; ``None`` where a brace is open or a slot is no plain name."""
    found: Counter[str] = Counter()
    try:
        for _, name, spec, conversion in string.Formatter().parse(text):
            if name is not None:
                if spec or conversion or not name.isidentifier():
                    return None
                found[name] += 1
    except ValueError:
        return None
    return found


def _changed(template: Template, words: str) -> Quarantined:
    wanted = ", ".join(f"{{{name}}}" for name in sorted(slots_of(template.text) or ())) or "none"
    return Quarantined(
        stage="generate",
        file=template.id,
        record=template.text,
        field="rewording",
        value=shown(words),
        reason=f"its slots are not those of the instruction: {wanted}",
    )
