"""What an indicator is: what it says of itself, an optional pass over the whole set, and a score per sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.score import Score, SetScore
from vlit.run.stage import Config

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
Need = Literal["text", "task", "scenes", "images"]  #: "images" means pixels, "scenes" the annotations

C = TypeVar("C", bound=Config)


class NoConfig(Config):
    """For indicators without options."""


class Fit(Protocol):
    """A pass over the whole set. One pass serves all indicators, so samples are handed in, not asked for."""

    def add(self, sample: Sample) -> None:
        """Take in one sample; called for every sample in the order of the set."""

    def state(self) -> Any:
        """What ``score`` needs of the whole set: it is sent to every worker, so compact and picklable."""


class Indicator(ABC, Generic[C]):
    """One quality indicator. Subclasses declare the class variables and write ``score``.

    Args:
        config: Its options.
        seed: Seed of the run.
    """

    name: ClassVar[str]  #: key in the recipe and in the scores
    principle: ClassVar[Principle]
    direction: ClassVar[Direction]
    scope: ClassVar[Scope] = "sample"
    needs: ClassVar[tuple[Need, ...]] = ("text",)
    models: ClassVar[tuple[str, ...]] = ()  #: weights that it loads; () runs everywhere
    Config: ClassVar[type[Config]] = NoConfig

    def __init__(self, config: C, seed: int = 0) -> None:
        self.config, self.seed = config, seed

    def fit(self) -> Fit | None:
        """Start a pass over the whole set, or ``None`` where a sample is judged by itself."""
        return None

    @abstractmethod
    def score(self, samples: Sequence[Sample], scenes: Mapping[str, Scene], state: Any) -> Iterator[Score]:
        """One score for each sample, in their order.

        Args:
            samples: One part of the set.
            scenes: Scenes that these samples name, by id; empty unless ``needs`` has "scenes".
            state: What the pass over the set returned; ``None`` without one.
        """

    def summarise(self, scores: Iterable[Score]) -> SetScore | None:
        """One number for the set from the scores of this indicator, all of them, in order."""
        return None

    def of(self, sample: Sample, value: float | None, reason: str | None = None) -> Score:
        """A score of this indicator."""
        return Score(sample=sample.id, indicator=self.name, value=value, reason=reason)


AnyIndicator: TypeAlias = Indicator[Any]
