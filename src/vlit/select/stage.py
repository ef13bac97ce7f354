"""The select stage: samples and scores in, verdicts and the selected samples out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.errors import VlitError, nearest
from vlit.data.sample import Sample
from vlit.data.schema import from_table
from vlit.data.score import Score, Verdict
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder
from vlit.run.inputs import content_line
from vlit.run.progress import Progress
from vlit.run.stage import Output, Setting, Shard, Stage
from vlit.select.pool import Columns, Wanted
from vlit.select.principles import group_of, sign_of
from vlit.select.reading import F32, RunSource, columns_of, read_columns
from vlit.select.registry import SELECTORS
from vlit.select.rules import OBJECTED, Rules, SelectConfig, by_sample, decide
from vlit.select.variants import Plan, forget_others, plans


def select(
    samples: Sequence[Sample],
    scores: Iterable[Score],
    config: SelectConfig,
    seed: int = 0,
    *,
    vectors: Mapping[Any, F32] | None = None,
) -> list[Verdict]:
    """Verdicts for samples in memory, in their order.

    Args:
        samples: The whole set.
        scores: Of these samples.
        config: What to keep; its variants are made by :func:`select_variants`.
        seed: Of the draws.
        vectors: For methods that measure distances: by "instruction", "response" or "picture", shape (n, d).

    Raises:
        VlitError: For a gate or a choice by an indicator that nobody computed.
    """
    own = config.model_copy(update={"variants": None})
    return select_variants(samples, scores, own, seed, vectors=vectors)[""]


def select_variants(
    samples: Sequence[Sample],
    scores: Iterable[Score],
    config: SelectConfig,
    seed: int = 0,
    *,
    vectors: Mapping[Any, F32] | None = None,
) -> dict[str, list[Verdict]]:
    """Verdicts of the selection itself, under "", and of each variant; see :func:`select`."""
    grouped = by_sample(scores)
    made = plans(config)
    if samples:
        check_indicators(made, {name for found in grouped.values() for name in found})
    setting = Setting(seed=seed, base=Path.cwd())
    columns = columns_of(samples, grouped, _wanted(made, setting), seed, vectors)
    return {
        name: [rules.verdict(i, s.id, s.task, grouped.get(s.id, {})) for i, s in enumerate(samples)]
        for name, rules in _decided(made, columns, setting).items()
    }


def _wanted(made: Sequence[Plan], setting: Setting) -> Wanted:
    wanted = Wanted()
    for plan in made:
        wanted |= plan.config.wanted(setting)
    return wanted


def _decided(made: Sequence[Plan], columns: Columns, setting: Setting) -> dict[str, Rules]:
    """Rules of each selection; the recipe's own come first, since others keep as many."""
    found: dict[str, Rules] = {}
    for plan in made:
        as_many = found[""].kept if plan.as_many else None
        try:
            found[plan.name] = decide(plan.config, columns, setting, plan.salt, as_many)
        except VlitError as error:
            if not plan.name:
                raise
            where = f"select.variants, {plan.name}: {error.where}"
            raise VlitError(error.what, where=where, todo=error.todo) from error
    return found


class SelectStage(Stage[SelectConfig]):
    """Gates by value or quantile, caps per task, then exactly as many as wanted; also in variants."""

    name: ClassVar[str] = "select"
    reads: ClassVar[tuple[str, ...]] = ("samples", "scores", "embeddings", "pictures")
    optional: ClassVar[tuple[str, ...]] = ("scores", "embeddings", "pictures")
    writes: tuple[str, ...] = ("verdicts", "selected")  # type: ignore[misc]  # further ones for variants
    code: ClassVar[tuple[str, ...]] = ("vlit.select", "vlit.language", "vlit.data")
    Config = SelectConfig

    def __init__(self, config: SelectConfig, setting: Setting) -> None:
        super().__init__(config, setting)
        self.plans = plans(config)
        further = [plan.table(kind) for plan in self.plans[1:] for kind in ("verdicts", "selected")]
        self.writes = (*further, "verdicts", "selected")

    def asks(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Indicators of gates and choices, and tasks of caps: nothing would object by one that is not there."""
        also = self.config.variants.also if self.config.variants else {}
        for at, config in [((), self.config), *((("variants", "also", name), c) for name, c in also.items())]:
            yield from (("scores", name, (*at, *place)) for name, place in config.asked())
            yield from (("samples", task, (*at, "caps", task)) for task in config.caps)
            for space, key in config.spaces():
                yield "pictures" if space == "picture" else "embeddings", space, (*at, "keep", key)

    def names(self) -> dict[str, list[str]]:
        """The variants."""
        return {"variants": [plan.name for plan in self.plans[1:]]}

    def outside(self) -> Iterator[str]:
        """Files of concepts, and what the indicators declare of themselves."""
        for plan in self.plans:
            method = plan.config.method(self.setting)
            yield from () if method is None else (content_line(path) for path in method.files())
        for name in sorted(_wanted(self.plans, self.setting).indicators):
            yield f"{name} {sign_of(name)} {group_of(name)}"

    def plugins(self) -> Iterator[str]:
        """Packages of methods that are not ours."""
        return SELECTORS.packages(plan.config.keep.by for plan in self.plans if plan.config.keep)

    def remark(self) -> str:
        """How many are to be kept, and the variants."""
        keep = self.config.keep
        said = []
        if keep is not None:
            said.append(f"keeps {keep.n:,} by {keep.by}" if keep.n else f"keeps {keep.share:.4g} by {keep.by}")
        if len(self.plans) > 1:
            said.append(f"variants: {', '.join(plan.name for plan in self.plans[1:])}")
        return "; ".join(said)

    def prepare(self, run: RunFolder) -> tuple[dict[str, Rules], dict[str, int]]:
        """The fate of every sample in every variant, and where the samples of each part begin in the set."""
        forget_others(run, self.plans)
        shards = self.shards(run)
        embeddings = {part_key(p): p for p in run.embeddings.parts()}
        paths = [shard.payload[0] for shard in shards]
        seen = [embeddings[s.key] for s in shards if s.key in embeddings]
        source = RunSource(paths, seen if len(seen) == len(paths) else [], run.pictures.parts())
        wanted = _wanted(self.plans, self.setting)
        columns = read_columns([shard.payload for shard in shards], wanted, self.setting.seed, source)
        starts, begin = {}, 0
        for shard in shards:
            starts[shard.key] = begin
            begin += pq.read_metadata(shard.payload[0]).num_rows
        return _decided(self.plans, columns, self.setting), starts

    def ask(self, run: RunFolder, context: Any, progress: Progress) -> None:
        """Say where fewer samples passed than were asked for, and what else a choice has to tell."""
        for name, rules in context[0].items():
            if rules.told is not None and rules.told.remark:
                progress.warned(f"select{f', variant {name}' if name else ''}: {rules.told.remark}")

    def shards(self, run: RunFolder) -> list[Shard]:
        """One for each part of the samples, with the part that holds the scores of the same samples."""
        scores = {part_key(p): p for p in run.scores.parts()}
        return [Shard(part_key(p), (p, scores.get(part_key(p)))) for p in run.samples.parts()]

    def work(self, shard: Shard, context: tuple[dict[str, Rules], dict[str, int]]) -> Output:
        """Judge the samples of one part."""
        path, scores = shard.payload
        samples: list[Sample] = read_part(path, Sample)
        start = context[1][shard.key]
        rules = {name: r.slice(start, start + len(samples)) for name, r in context[0].items()}
        told = self._objected(samples, scores, rules.values())
        tables: dict[str, list[Any]] = {}
        for plan in self.plans:
            mine = rules[plan.name]
            verdicts = [mine.verdict(i, s.id, s.task, told.get(s.id, {})) for i, s in enumerate(samples)]
            tables[plan.table("verdicts")] = verdicts
            tables[plan.table("selected")] = [
                s for s, verdict in zip(samples, verdicts, strict=True) if verdict.keep
            ]
        return Output(tables)

    def _objected(
        self, samples: Sequence[Sample], path: Path | None, rules: Collection[Rules]
    ) -> Mapping[str, Mapping[str, Score]]:
        """Scores of the gated indicators, for the samples of one part that some gate objects to."""
        gates = sorted({name for r in rules for name in r.gates})
        objected = np.any([r.fates == OBJECTED for r in rules], axis=0)
        if path is None or not gates or not objected.any():
            return {}
        ids = pa.array([s.id for s, out in zip(samples, objected.tolist(), strict=True) if out])
        table = pq.read_table(path, filters=pc.field("indicator").isin(gates) & pc.field("sample").isin(ids))
        return by_sample(from_table(table, Score))


def check_indicators(made: Sequence[Plan], known: Collection[str]) -> None:
    """A gate on an indicator that nobody computed would let everything pass, a choice by it mean nothing.

    Raises:
        VlitError: When there is one.
    """
    for plan in made:
        for name, place in plan.config.asked():
            if name not in known:
                what = f"has a gate on {name!r}" if place[0] == "gates" else f"chooses by {name!r}"
                hint = f", or {nearest(name, known)}" if known else ""
                raise VlitError(
                    f"select {what}, but no sample has such a score",
                    where=".".join(("select", *place)),
                    todo=f"add it to assess.indicators{hint}",
                )
