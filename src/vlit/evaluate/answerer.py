"""Who answers: a model on this machine, or a server. Both are asked the same, and say what they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlit.data.sample import Sample, Turn
from vlit.evaluate.benchmark import AnyBenchmark
from vlit.evaluate.question import Answered, Question
from vlit.run.progress import Progress


@dataclass(frozen=True)
class About:
    """What a protocol card tells of who answers."""

    weights: str = ""  #: digest of the model's files, or commit on the hub
    template: str = ""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""  #: what is read of the first question


class Answerer(ABC):
    """Whom a benchmark is put to.

    Attributes:
        name: For folders, tables and cards.
        model: What is evaluated, as the user named it.
    """

    name: str
    model: str

    @abstractmethod
    def about(self, benchmark: AnyBenchmark, example: Question) -> About:
        """What it is, and what it reads of a question.

        Raises:
            VlitError: When it cannot be had, or cannot do what the benchmark asks.
        """

    @abstractmethod
    def answers(
        self, benchmark: AnyBenchmark, questions: Sequence[Question], progress: Progress
    ) -> Iterator[Answered]:
        """Each question once, in any order; one that could not be asked with the reason.

        Raises:
            VlitError: When no more can be asked at all.
        """


def sample_of(question: Question) -> Sample:
    """A question as a sample of one turn; ``extra["system"]`` stands before it."""
    system = question.extra.get("system")
    first = (Turn(role="system", text=str(system)),) if system else ()
    return Sample(
        id=question.id,
        turns=(*first, Turn(role="user", text=question.prompt)),
        images=question.images,
        task="evaluation",
    )
