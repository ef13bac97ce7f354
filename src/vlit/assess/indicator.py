"""What an indicator is: what it says of itself, an optional pass over the whole set, and a score per sample."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

import orjson

from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.score import Score, SetScore
from vlit.run.stage import Config
from vlit.weights.located import located

if TYPE_CHECKING:
    from vlit.teacher.config import TeacherConfig
    from vlit.teacher.exchange import Conversation
    from vlit.teacher.journal import JournalView

#: The ten principles of the review, and "hygiene" for what no principle names.
Principle = Literal[
    "text readability",
    "image readability",
    "correctness",
    "task diversity",
    "instruction diversity",
    "response diversity",
    "visual diversity",
    "instruction complexity",
    "visual complexity",
    "balance",
    "hygiene",
]
Direction = Literal["higher is better", "lower is better", "none"]
Scope = Literal["sample", "set"]
#: "scenes" are annotations, "images" pixels that it opens itself; "sentences" and "pictures" come from the
#: stage that observes, "teacher" answers questions.
Need = Literal["text", "task", "scenes", "images", "sentences", "pictures", "teacher"]
#: "faithful" as the review has it, "recommended" what we would take instead, "embedded" what runs everywhere.
Form = Literal["embedded", "faithful", "recommended"]

C = TypeVar("C", bound=Config)


class NoConfig(Config):
    """For indicators without options."""


class Fit(Protocol):
    """A pass over the whole set. One pass serves all indicators, so samples are handed in, not asked for."""

    def add(self, sample: Sample) -> None:
        """Take in one sample; called for every sample in the order of the set."""

    def state(self, seen: Seen) -> Any:
        """What ``score`` needs of the whole set: it is sent to every worker, so compact and picklable.

        Args:
            seen: The whole set as it was observed, if ``needs`` has "sentences" or "pictures".
        """


class Indicator(ABC, Generic[C]):
    """One quality indicator. Subclasses declare the class variables and write ``score``.

    Args:
        config: Its options.
        seed: Seed of the run.
        base: Folder that relative paths of the config are relative to.
    """

    name: ClassVar[str]  #: key in the recipe and in the scores
    principle: ClassVar[Principle]
    form: ClassVar[Form] = "embedded"
    direction: ClassVar[Direction]
    scope: ClassVar[Scope] = "sample"
    needs: ClassVar[tuple[Need, ...]] = ("text",)
    models: ClassVar[tuple[str, ...]] = ()  #: weights that it loads; () runs everywhere
    extra: ClassVar[str | None] = None  #: extra of vlit whose packages it needs
    by_default: ClassVar[bool] = True  #: whether it runs where the recipe names no indicators
    Config: ClassVar[type[Config]] = NoConfig
    teacher: TeacherConfig | None = None  #: whom it asks; set by whoever runs it

    def __init__(self, config: C, seed: int = 0, base: Path | None = None) -> None:
        self.config, self.seed, self.base = config, seed, base or Path()

    def outside(self) -> Iterator[str]:
        """Fingerprints of files that it reads (``vlit.run.inputs``); part of the stage's fingerprint."""
        return iter(())

    def loads(self) -> Iterator[str]:
        """Hub ids or folders of the models that it loads: by default what its config calls ``model``."""
        if self.models and (name := getattr(self.config, "model", None)):
            yield located(name, self.base)

    @property
    def rounds(self) -> int:
        """How often it asks: what it asks in a second round depends on what was concluded from the first."""
        return 1

    def fit(self) -> Fit | None:
        """Start a pass over the whole set, or ``None`` where a sample is judged by itself."""
        return None

    def asks(self, part: Part, state: Any) -> Iterator[Conversation[Any]]:
        """What it wants to know of a teacher about these samples. Only for those that need one."""
        return iter(())

    def concluded(self, state: Any, replies: JournalView) -> Any:
        """The state with what the teacher said about the whole set."""
        return state

    @abstractmethod
    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """One score for each sample, in their order.

        Args:
            part: Samples of the set, and what ``needs`` names.
            state: What the pass over the set returned; ``None`` without one.
        """

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore | None:
        """One number for the set from the scores of this indicator, all of them, in order.

        By default the mean of the values there are; ``None`` for an indicator of the set, which has its own.

        Args:
            scores: Of the whole set.
            state: What the pass over the set returned, with what was concluded; ``None`` without one.
        """
        if self.scope == "set":
            return None
        return self.mean(s.value for s in scores)

    def mean(self, values: Iterable[float | None]) -> SetScore:
        """The set score of the mean."""
        found = [v for v in values if v is not None]
        value = math.fsum(found) / len(found) if found else None
        return self.of_set(value, len(found))

    def of_set(self, value: float | None, n: int, **detail: Any) -> SetScore:
        """A set score; what ran is told in its detail: the form, the parameters, and what else is given."""
        told = {"form": self.form, **self.config.model_dump(mode="json"), **detail}
        return SetScore(indicator=self.name, value=value, n=n, detail=orjson.dumps(told).decode())

    def of(
        self, sample: Sample, value: float | None, reason: str | None = None, group: str | None = None
    ) -> Score:
        """A score of this indicator."""
        return Score(sample=sample.id, indicator=self.name, value=value, reason=reason, group=group)


AnyIndicator: TypeAlias = Indicator[Any]
