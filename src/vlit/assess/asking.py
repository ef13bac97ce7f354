"""Rounds of asking: what indicators want to know of a teacher, and what they conclude from its replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlit.assess.indicator import AnyIndicator
from vlit.assess.seen import Part
from vlit.run.progress import Progress

if TYPE_CHECKING:
    from vlit.teacher.config import TeacherConfig
    from vlit.teacher.exchange import Conversation


def ask_in_rounds(
    indicators: Sequence[AnyIndicator],
    parts: Callable[[], Iterable[Part]],
    states: dict[str, Any],
    teacher: TeacherConfig,
    journal: Path,
    progress: Progress,
) -> None:
    """Ask what the indicators want to know; after each round they conclude what it says of the whole set.

    Args:
        indicators: Those that need a teacher, and others, which are passed over.
        parts: Gives all parts of the set anew each time that it is called.
        states: Of the indicators, by name; what they conclude takes its place here.
        teacher: Whom to ask.
        journal: Folder of the teacher's journal.
        progress: Told of calls, tokens and money.

    Raises:
        VlitError: When no more can be asked of this teacher.
    """
    asking = [i for i in indicators if "teacher" in i.needs]
    if not asking:
        return
    from vlit.teacher.ask import ask
    from vlit.teacher.journal import JournalView

    def conversations(of: Sequence[AnyIndicator]) -> Iterator[Conversation[Any]]:
        for part in parts():
            for indicator in of:
                yield from indicator.asks(part, states.get(indicator.name))

    for number in range(max(i.rounds for i in asking)):
        turn = [i for i in asking if i.rounds > number]
        ask(teacher, partial(conversations, turn), journal, progress)
        replies = JournalView(journal)
        for indicator in turn:
            states[indicator.name] = indicator.concluded(states.get(indicator.name), replies)
