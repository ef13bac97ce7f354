"""The assess stage: samples, scenes and what was observed in, scores and set scores out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydantic

from vlit.assess.asking import ask_in_rounds
from vlit.assess.indicator import AnyIndicator, Fit, Indicator
from vlit.assess.observe import PHOTOS, on_gpu, one_thread
from vlit.assess.parts import Ranges, read_part_of, whole
from vlit.assess.registry import EMBEDDED, INDICATORS, make
from vlit.assess.seen import Part, Seen
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.schema import from_table
from vlit.data.score import Score, SetScore
from vlit.data.store import part_key
from vlit.run.executor import run_jobs
from vlit.run.folder import RunFolder
from vlit.run.named import check_named
from vlit.run.progress import Progress
from vlit.run.stage import Config, Output, Setting, Shard, Stage
from vlit.weights.located import check_reachable

#: What the stage before this one saw.
_OBSERVED = frozenset({"sentences", "pictures"})
#: Samples from which on a second process pays: it has to start.
_WORTH_TWO = 20_000


class AssessConfig(Config):
    """Which indicators, each with its options (null for none)."""

    indicators: dict[str, dict[str, Any] | None] | None = pydantic.Field(
        None, description="by name; `embedded:` stands for all that need no weights, as does naming none"
    )

    @pydantic.field_validator("indicators", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            check_named({name: given for name, given in value.items() if name != EMBEDDED}, INDICATORS)
        return value

    def implies(self) -> Mapping[str, Mapping[str, Any]]:
        """Observing what the indicators need, where there is anything."""
        needs = needs_of(make(self.indicators))
        if not needs & {"sentences", "pictures"}:
            return {}
        sentences = "static" if "sentences" in needs else "none"
        return {"observe": {"sentences": sentences, "pictures": "pictures" in needs}}


def needs_of(indicators: Iterable[AnyIndicator]) -> set[str]:
    """Everything that any of them needs."""
    return {need for indicator in indicators for need in indicator.needs}


def fit(indicators: Sequence[AnyIndicator], samples: Iterable[Sample], seen: Seen) -> dict[str, Any]:
    """One pass over the samples for all indicators that need one; their states by name."""
    passes: dict[str, Fit] = {i.name: p for i in indicators if (p := i.fit()) is not None}
    if passes:
        adds = [p.add for p in passes.values()]
        for sample in samples:
            for add in adds:
                add(sample)
    return {name: p.state(seen) for name, p in passes.items()}


def fit_run(indicators: Sequence[AnyIndicator], run: RunFolder, workers: int) -> dict[str, Any]:
    """The same for the samples of a run, where that pays in two processes.

    One serves the indicators that cluster or look at vectors and photos: they take their time when all samples
    were seen, and share large packages. The other serves those that read texts, sample by sample.
    """
    looking = [i for i in indicators if i.extra or _OBSERVED & set(i.needs)]
    reading = [i for i in indicators if i not in looking]
    together = workers == 1 or not looking or not reading or len(run.samples) < _WORTH_TWO
    jobs = [list(indicators)] if together else [looking, reading]
    found: dict[str, Any] = {}
    for states in run_jobs(_fitted, run.path, jobs, len(jobs)):
        found |= states
    return found


def _fitted(path: Path, indicators: list[AnyIndicator]) -> dict[str, Any]:
    run = RunFolder(path)
    return fit(indicators, run.samples, whole(run))


def score_part(indicators: Sequence[AnyIndicator], part: Part, states: Mapping[str, Any]) -> list[Score]:
    """Scores of one part, in the order of the samples and then of the indicators."""
    columns = [list(i.score(part, states.get(i.name))) for i in indicators]
    for indicator, column in zip(indicators, columns, strict=True):
        if [s.sample for s in column] != [s.id for s in part.samples]:
            raise RuntimeError(f"{indicator.name} has to give one score for each sample, in their order")
    return [score for row in zip(*columns, strict=True) for score in row]


class Context(NamedTuple):
    """What all parts need."""

    states: dict[str, Any]  #: of the indicators, by name
    scenes: Ranges
    pictures: Ranges
    journal: Path | None


class AssessStage(Stage[AssessConfig]):
    """Measures every sample with every chosen indicator."""

    name: ClassVar[str] = "assess"
    reads: ClassVar[tuple[str, ...]] = ("samples", "scenes", "pictures", "embeddings")
    optional: ClassVar[tuple[str, ...]] = ("scenes", "pictures", "embeddings")
    writes: ClassVar[tuple[str, ...]] = ("set_scores", "scores")
    code: ClassVar[tuple[str, ...]] = (
        "vlit.assess",
        "vlit.teacher",
        "vlit.weights",
        "vlit.language",
        "vlit.data",
    )
    Config = AssessConfig

    def __init__(self, config: AssessConfig, setting: Setting) -> None:
        super().__init__(config, setting)
        self.indicators = make(config.indicators, setting.seed, setting.base)
        asking = self._asking = [i.name for i in self.indicators if "teacher" in i.needs]
        if asking and setting.teacher is None:
            raise VlitError(
                f"{asking[0]} needs a teacher, and the recipe names none",
                where=f"assess.indicators.{asking[0]}",
                todo="add `teacher: {model: NAME, endpoints: [{url: ...}]}`, or `teacher: none` to go without",
            )
        if setting.teacher == "none":
            self.indicators = [i for i in self.indicators if "teacher" not in i.needs]
        for indicator in self.indicators:
            if "teacher" in indicator.needs:
                indicator.teacher = setting.teacher
        self.needs = needs_of(self.indicators)
        self._states: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without the states, which workers get as their context."""
        return {**self.__dict__, "_states": {}}

    def plugins(self) -> Iterator[str]:
        """Packages of indicators that are not ours."""
        return INDICATORS.packages(i.name for i in self.indicators)

    def outside(self) -> Iterator[str]:
        """Which indicators run, the files that they read, and whom they ask."""
        yield " ".join(i.name for i in self.indicators)
        for indicator in self.indicators:
            yield from indicator.outside()
        if "teacher" in self.needs:
            yield self.setting.teacher.model_dump_json(
                include={"model", "budget", "extra", "journal", "longest_side"}
            )

    def check(self) -> None:
        """The models of the indicators can be had."""
        for indicator in self.indicators:
            for name in indicator.loads():
                check_reachable(name)

    def names(self) -> dict[str, list[str]]:
        """The indicators of its scores."""
        return {"scores": [indicator.name for indicator in self.indicators]}

    def untaught(self) -> dict[str, list[str]]:
        """The indicators that ask."""
        return {"scores": self._asking} if self.setting.teacher == "none" else {}

    def remark(self) -> str:
        """Whom it asks, or what is left out for want of one."""
        if not self._asking:
            return ""
        asking = ", ".join(self._asking)
        if self.setting.teacher == "none":
            return f"without a teacher: {asking} left out"
        return f"asks {self.setting.teacher.model}: {asking}"

    def processes(self, most: int) -> int:
        """One where models run on a GPU: each process would load them anew."""
        return 1 if self._loads_models and on_gpu() else most

    def prepare(self, run: RunFolder) -> Context:
        """States of the indicators, and which scenes and photos lie in which part."""
        photos = [path for path in run.pictures.parts() if part_key(path).startswith(PHOTOS)]
        states = self._states = fit_run(self.indicators, run, self.workers)
        journal = self._journal(run) if "teacher" in self.needs else None
        return Context(
            states,
            Ranges.of(run.scenes.parts(), "id") if "scenes" in self.needs else Ranges(),
            Ranges.of(photos, "uri") if "pictures" in self.needs else Ranges(),
            journal,
        )

    def ask(self, run: RunFolder, context: Context, progress: Progress) -> None:
        """Ask what the indicators want to know; then let them conclude what it says of the whole set."""
        if context.journal is None:
            if self._asking:
                progress.warned(f"assess: {self.remark()}, as the recipe says `teacher: none`")
            return

        def parts() -> Iterator[Part]:
            return (self._part(shard, context) for shard in self.shards(run))

        ask_in_rounds(self.indicators, parts, context.states, self.setting.teacher, context.journal, progress)

    def again(self, run: RunFolder) -> None:
        """Let the journal forget what the teacher gave no reply to."""
        if "teacher" in self.needs:
            from vlit.teacher.journal import Journal

            with Journal(self._journal(run)) as journal:
                journal.retry()

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the samples, with the part that holds the vectors of the same samples."""
        vectors = {part_key(path): path for path in run.embeddings.parts()}
        return [Shard(key := part_key(path), (path, vectors.get(key))) for path in run.samples.parts()]

    def work(self, shard: Shard, context: Context) -> Output:
        """Score the samples of one part."""
        if self._loads_models:
            one_thread()
        return Output({"scores": score_part(self.indicators, self._part(shard, context), context.states)})

    def finish(self, run: RunFolder) -> Output:
        """One number per set for the indicators that have one."""
        return Output({"set_scores": list(_summaries(self.indicators, run.scores.parts(), self._states))})

    @property
    def _loads_models(self) -> bool:
        return any(i.models for i in self.indicators)

    def _part(self, shard: Shard, context: Context) -> Part:
        samples, vectors = shard.payload
        return read_part_of(
            samples,
            vectors if "sentences" in self.needs else None,
            context.scenes,
            context.pictures,
            context.journal,
        )

    def _journal(self, run: RunFolder) -> Path:
        named = self.setting.teacher.journal
        return run.path / "journal" if named is None else Path(self.setting.resolve(named))


def _summaries(
    indicators: Sequence[AnyIndicator], parts: Sequence[Path], states: Mapping[str, Any]
) -> Iterator[SetScore]:
    """One number of each indicator that has one; for all plain means the values are read once."""
    plain = [i for i in indicators if type(i).summarise is Indicator.summarise and i.scope != "set"]
    values: dict[str, list[pa.ChunkedArray]] = {i.name: [] for i in plain}
    for path in parts:
        table = pq.read_table(path, columns=["indicator", "value"])
        for name, found in values.items():
            found.append(table["value"].filter(pc.equal(table["indicator"], name)).drop_null())
    for indicator in indicators:
        name = indicator.name
        tables = (pq.read_table(path, filters=[("indicator", "==", name)]) for path in parts)
        rows = (row for table in tables for row in from_table(table, Score))
        if name in values:
            yield indicator.mean(v for column in values.pop(name) for v in column.to_pylist())
        elif (score := indicator.summarise(rows, states.get(name))) is not None:
            yield score
