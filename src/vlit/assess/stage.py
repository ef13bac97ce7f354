"""The assess stage: samples and scenes in, scores and set scores out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydantic

from vlit.assess.indicator import AnyIndicator, Fit
from vlit.assess.registry import INDICATORS, make
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.data.schema import from_table
from vlit.data.score import Score, SetScore
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder
from vlit.run.named import check_named
from vlit.run.stage import Config, Output, Setting, Shard, Stage

#: Parts of the scenes with the first and the last id of each: a set of all ids would go to every worker.
SceneParts: TypeAlias = list[tuple[Path, str, str]]


class AssessConfig(Config):
    """Which indicators, each with its options (null for none); by default all that need no model weights."""

    indicators: dict[str, dict[str, Any] | None] | None = None

    @pydantic.field_validator("indicators", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            check_named(value, INDICATORS)
        return value


def assess(
    samples: Sequence[Sample],
    scenes: Iterable[Scene] = (),
    indicators: Mapping[str, Mapping[str, Any] | None] | None = None,
    seed: int = 0,
) -> tuple[list[Score], list[SetScore]]:
    """Scores for samples in memory, in their order and then by indicator.

    Args:
        samples: The whole set.
        scenes: Annotations of its images.
        indicators: Names and options; ``None`` for all that need no model weights.
        seed: Seed of the run.

    Raises:
        VlitError: For an unknown indicator or option.
    """
    chosen = make(indicators, seed)
    scores = score_part(chosen, samples, {s.id: s for s in scenes}, fit(chosen, samples))
    return scores, list(summaries(chosen, lambda name: (s for s in scores if s.indicator == name)))


def fit(indicators: Sequence[AnyIndicator], samples: Iterable[Sample]) -> dict[str, Any]:
    """One pass over the samples for all indicators that need one; their states by name."""
    passes: dict[str, Fit] = {i.name: p for i in indicators if (p := i.fit()) is not None}
    if passes:
        adds = [p.add for p in passes.values()]
        for sample in samples:
            for add in adds:
                add(sample)
    return {name: p.state() for name, p in passes.items()}


def score_part(
    indicators: Sequence[AnyIndicator],
    samples: Sequence[Sample],
    scenes: Mapping[str, Scene],
    states: Mapping[str, Any],
) -> list[Score]:
    """Scores of one part, in the order of the samples and then of the indicators."""
    columns = [
        list(i.score(samples, scenes if "scenes" in i.needs else {}, states.get(i.name))) for i in indicators
    ]
    for indicator, column in zip(indicators, columns, strict=True):
        if [s.sample for s in column] != [s.id for s in samples]:
            raise RuntimeError(f"{indicator.name} has to give one score for each sample, in their order")
    return [score for row in zip(*columns, strict=True) for score in row]


def summaries(indicators: Sequence[AnyIndicator], scores_of: Any) -> Iterator[SetScore]:
    """Set scores; ``scores_of`` maps a name to the scores of that indicator in order."""
    for indicator in indicators:
        found = indicator.summarise(scores_of(indicator.name))
        if found is not None:
            yield found


class AssessStage(Stage[AssessConfig]):
    """Measures every sample with every chosen indicator."""

    name: ClassVar[str] = "assess"
    reads: ClassVar[tuple[str, ...]] = ("samples", "scenes")
    optional: ClassVar[tuple[str, ...]] = ("scenes",)
    writes: ClassVar[tuple[str, ...]] = ("set_scores", "scores")
    code: ClassVar[tuple[str, ...]] = ("vlit.assess", "vlit.language", "vlit.data")
    Config = AssessConfig

    def __init__(self, config: AssessConfig, setting: Setting) -> None:
        super().__init__(config, setting)
        self.indicators = make(config.indicators, setting.seed)

    def plugins(self) -> Iterator[str]:
        """Packages of indicators that are not ours."""
        return INDICATORS.packages(i.name for i in self.indicators)

    def names(self) -> dict[str, list[str]]:
        """The indicators of its scores."""
        return {"scores": [indicator.name for indicator in self.indicators]}

    def prepare(self, run: RunFolder) -> tuple[dict[str, Any], SceneParts]:
        """States of the indicators, and which scenes lie in which part."""
        return fit(self.indicators, run.samples), self._scene_parts(run)

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the samples."""
        return [Shard(part_key(path), path) for path in run.samples.parts()]

    def work(self, shard: Shard, context: tuple[dict[str, Any], SceneParts]) -> Output:
        """Score the samples of one part."""
        states, parts = context
        samples: list[Sample] = read_part(shard.payload, Sample)
        scenes = _read_scenes(parts, {i for s in samples for i in s.provenance.scenes})
        return Output({"scores": score_part(self.indicators, samples, scenes, states)})

    def finish(self, run: RunFolder) -> Output:
        """One number per set for the indicators that have one."""

        def scores_of(name: str) -> Iterator[Score]:
            for path in run.scores.parts():
                yield from from_table(pq.read_table(path, filters=[("indicator", "==", name)]), Score)

        return Output({"set_scores": list(summaries(self.indicators, scores_of))})

    def _scene_parts(self, run: RunFolder) -> SceneParts:
        if not any("scenes" in i.needs for i in self.indicators):
            return []
        return [(path, *_first_and_last(path)) for path in run.scenes.parts()]


def _first_and_last(path: Path) -> tuple[str, str]:
    ends = pc.min_max(pq.read_table(path, columns=["id"])["id"]).as_py()
    return ends["min"] or "", ends["max"] or ""


def _read_scenes(parts: SceneParts, wanted: set[str]) -> dict[str, Scene]:
    """The wanted scenes; only parts that may hold some are opened, and only those rows become objects."""
    found: dict[str, Scene] = {}
    for path, first, last in parts:
        here = [i for i in wanted if first <= i <= last]
        if here:
            table = pq.read_table(path, filters=[("id", "in", here)])
            found.update((s.id, s) for s in from_table(table, Scene))
    return found
