"""The select stage: samples and scores in, verdicts and the selected samples out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq

from vlit.data.errors import VlitError, nearest
from vlit.data.sample import Sample
from vlit.data.schema import from_table
from vlit.data.score import Score, Verdict
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder
from vlit.run.stage import Output, Shard, Stage
from vlit.select.rules import Judged, Rules, SelectConfig, by_sample, make_rules


def select(
    samples: Sequence[Sample], scores: Iterable[Score], config: SelectConfig, seed: int = 0
) -> list[Verdict]:
    """Verdicts for samples in memory, in their order.

    Raises:
        VlitError: For a gate on an indicator that nobody computed.
    """
    grouped = by_sample(scores)
    if samples:
        check_gates(config, {name for found in grouped.values() for name in found})
    judged: list[Judged] = [(s.id, s.task, grouped.get(s.id, {})) for s in samples]
    rules = make_rules(config, seed, lambda: iter(judged))
    return [rules.verdict(j) for j in judged]


class SelectStage(Stage[SelectConfig]):
    """Thresholds by value or quantile per indicator, then caps per task."""

    name: ClassVar[str] = "select"
    reads: ClassVar[tuple[str, ...]] = ("samples", "scores")
    optional: ClassVar[tuple[str, ...]] = ("scores",)
    writes: ClassVar[tuple[str, ...]] = ("verdicts", "selected")
    code: ClassVar[tuple[str, ...]] = ("vlit.select", "vlit.data")
    Config = SelectConfig

    def asks(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Indicators of the gates and tasks of the caps: one that nothing carries would let everything pass."""
        yield from (("scores", name, ("gates", name)) for name in self.config.gates)
        yield from (("samples", task, ("caps", task)) for task in self.config.caps)

    def prepare(self, run: RunFolder) -> Rules:
        """Turn quantiles and caps into numbers."""

        def read() -> Iterator[Judged]:
            for shard in self.shards(run):
                samples, scores = shard.payload
                grouped = self._scores(scores)
                for row in pq.read_table(samples, columns=["id", "task"]).to_pylist():
                    yield row["id"], row["task"], grouped.get(row["id"], {})

        return make_rules(self.config, self.setting.seed, read)

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the samples, with the part that holds the scores of the same samples."""
        scores = {part_key(p): p for p in run.scores.parts()}
        return [Shard(part_key(p), (p, scores.get(part_key(p)))) for p in run.samples.parts()]

    def work(self, shard: Shard, context: Rules) -> Output:
        """Judge the samples of one part."""
        path, scores = shard.payload
        samples: list[Sample] = read_part(path, Sample)
        grouped = self._scores(scores)
        verdicts = [context.verdict((s.id, s.task, grouped.get(s.id, {}))) for s in samples]
        selected = [s for s, verdict in zip(samples, verdicts, strict=True) if verdict.keep]
        return Output({"verdicts": verdicts, "selected": selected})

    def _scores(self, path: Path | None) -> Mapping[str, Mapping[str, Score]]:
        """Scores of the gated indicators in one part."""
        if path is None or not self.config.gates:
            return {}
        table = pq.read_table(path, filters=[("indicator", "in", list(self.config.gates))])
        return by_sample(from_table(table, Score))


def check_gates(config: SelectConfig, known: Collection[str]) -> None:
    """A gate on an indicator that nobody computed would let everything pass.

    Raises:
        VlitError: When there is one.
    """
    for name in config.gates:
        if name not in known:
            hint = f", or {nearest(name, known)}" if known else ""
            raise VlitError(
                f"select has a gate on {name!r}, but no sample has such a score",
                where=f"select.gates.{name}",
                todo=f"add it to assess.indicators{hint}",
            )
