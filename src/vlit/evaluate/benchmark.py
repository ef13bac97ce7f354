"""What a benchmark is: official files to questions, answers to values, values to the official numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from vlit.data.errors import VlitError, nearest
from vlit.data.score import Quarantined
from vlit.evaluate.metric import Metric
from vlit.evaluate.question import Answered, Parsed, Question, Scored
from vlit.run import stage

#: What counts as the loss of an option, with the words for it.
RANKED_BY = {
    "mean": "mean over its tokens, end included",
    "sum": "sum over its tokens, end included",
    "mean_without_end": "mean over its tokens, end left out",
    "sum_without_end": "sum over its tokens, end left out",
}


class BenchmarkConfig(stage.Config):
    """What all benchmarks are told. Each adds its own files."""

    protocol: str | None = None  # one of ``protocols``; the first by default
    limit: int | None = Field(
        None, ge=1, description="questions, drawn in whole units as `evaluate.limit`; the score is then partial"
    )


class RankedConfig(BenchmarkConfig):
    """What benchmarks are told whose options can be ranked by their likelihood."""

    option_loss: Literal["mean", "sum", "mean_without_end", "sum_without_end"] = Field(
        "mean", description="of an option, under the protocol `ranking`: over its tokens, end included or not"
    )


C = TypeVar("C", bound=BenchmarkConfig)


@dataclass(frozen=True)
class Loaded:
    """The questions of a benchmark as its files have them."""

    questions: Sequence[Question]
    files: Mapping[str, str]  #: name of each file -> BLAKE2 of its bytes (``run.fingerprint.file_digest``)
    lost: Sequence[Quarantined] = ()  #: records that cannot be asked: photo absent, id twice, option missing
    remarks: Sequence[str] = field(default_factory=tuple)  #: e.g. which version of the files was recognised


class Benchmark(ABC, Generic[C]):
    """One benchmark. ``parse``, ``score`` and ``aggregate`` are pure: equal answers give equal numbers.

    Attributes:
        name: Key in a recipe and on the command line.
        title: As papers write it.
        source: Paper and official script, by name and year.
        protocols: What may be asked for, the default first, e.g. ("letter", "ranking").
        metric: Name and group of the number that papers quote, e.g. ("accuracy", "").
        licence: Of the questions, as published.
        max_new_tokens: What an answer may take.
        beyond: Fields of records that are lost since the benchmark is without them, such as videos: a score
            is whole without these.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]]
    metric: ClassVar[tuple[str, str]] = ("accuracy", "")
    licence: ClassVar[str] = ""
    max_new_tokens: ClassVar[int] = 32
    beyond: ClassVar[tuple[str, ...]] = ()
    unread: ClassVar[str] = "they count as wrong"  #: what its rule makes of answers that are not understood
    judged: ClassVar[bool] = False  #: whether a judge scores it; ``score`` is then given the judge's reply
    Config: ClassVar[type[BenchmarkConfig]]

    def __init__(self, config: C) -> None:
        self.config = config
        if self.protocol not in self.protocols:
            raise VlitError(
                f"{self.name} has no protocol {self.protocol!r}",
                where=f"evaluate.benchmarks.{self.name}",
                todo=nearest(self.protocol, self.protocols),
            )

    @property
    def protocol(self) -> str:
        """The one in use."""
        return self.config.protocol or self.protocols[0]

    @property
    def ranks(self) -> bool:
        """Whether the options are ranked by their likelihood, and nothing is generated."""
        return self.protocol == "ranking"

    @property
    def option_loss(self) -> str:
        """What the loss of an option is, where options are ranked: a key of ``RANKED_BY``."""
        return self.config.option_loss if isinstance(self.config, RankedConfig) else "mean"

    @abstractmethod
    def load(self, base: Path) -> Loaded:
        """The questions, in the order of the files.

        Args:
            base: Folder that the paths of the config are relative to.

        Raises:
            VlitError: When a file is missing, is of another layout or version, or no question can be asked.
        """

    @abstractmethod
    def parse(self, question: Question, text: str) -> Parsed:
        """What an answer means. The official rule, with its quirks; the docstring names each of them."""

    def score(self, question: Question, parsed: Parsed) -> float:
        """What it is worth, usually between 0 and 1. One that was not understood is worth what nothing is.

        By default 1 for what is among the references.
        """
        return float(parsed.value in question.references)

    @abstractmethod
    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """The official numbers, the one of ``metric`` first; intervals are added by the caller."""

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """Files for a server that scores, by name; none where scores are computed here."""
        return {}

    def scored(self, rows: Sequence[Answered]) -> list[Scored]:
        """Each answer parsed and scored; ranked ones by their lowest loss."""
        return [self._scored(row) for row in rows]

    def _scored(self, row: Answered) -> Scored:
        if row.problem:
            parsed = Parsed(None, f"not asked: {row.problem}")
        elif row.losses:
            best = min(range(len(row.losses)), key=row.losses.__getitem__)
            parsed = Parsed(chr(ord("A") + best), "lowest loss")
        else:
            parsed = self.parse(row.question, row.text or "")
        return Scored(row, parsed, self.score(row.question, parsed))


AnyBenchmark = Benchmark[Any]
