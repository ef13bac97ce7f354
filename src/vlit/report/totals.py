"""What went in and what came out: photos, annotations, samples per task, verdicts per rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.run.folder import RunFolder

#: Columns of a scene that hold annotations, and what one of them is called.
ANNOTATIONS = {
    "captions": "caption",
    "objects": "object",
    "regions": "region",
    "relations": "relation",
    "texts": "scene text",
    "questions": "question",
}


@dataclass(frozen=True)
class TaskCount:
    """Samples of one task; ``kept`` is None where nothing was selected yet."""

    task: str
    generated: int
    kept: int | None


@dataclass(frozen=True)
class Totals:
    """Counts over the whole run."""

    scenes: int = 0
    annotations: dict[str, int] = field(default_factory=dict)  #: by column of the scene; only those that occur
    samples: int = 0
    kept: int | None = None  #: None where nothing was selected yet
    tasks: tuple[TaskCount, ...] = ()  #: most samples first
    rules: tuple[tuple[str, int], ...] = ()  #: rule that dropped samples, and how many; most first
    rounds: int = 0  #: answers in all samples
    words: int = 0  #: words in all answers, counted as runs of non-space
    marked: int = 0  #: samples with at least one box
    text_only: int = 0  #: samples without an image
    photos: int = 0  #: different images of all samples


def totals(run: RunFolder) -> Totals:
    """Count everything, in memory that does not grow with the run."""
    annotations: Counter[str] = Counter()
    for batch in _batches(run.scenes.parts(), list(ANNOTATIONS)):
        for column in ANNOTATIONS:
            annotations[column] += pc.sum(pc.list_value_length(batch[column]), min_count=0).as_py()
    generated: Counter[str] = Counter()
    rounds = words = marked = text_only = 0
    photos: set[int] = set()  # hashes take a quarter of the memory that the URIs would
    for batch in _batches(run.samples.parts(), ["task", "turns", "marks", "images"]):
        _count(batch["task"], generated)
        turns = batch["turns"].flatten()
        answers = turns.field("text").filter(pc.equal(turns.field("role"), "assistant"))
        rounds += len(answers)
        words += pc.sum(pc.count_substring_regex(answers, r"\S+"), min_count=0).as_py()
        marked += _rows(pc.greater(pc.list_value_length(batch["marks"]), 0))
        text_only += _rows(pc.equal(pc.list_value_length(batch["images"]), 0))
        photos.update(map(hash, pc.unique(batch["images"].flatten().field("uri")).to_pylist()))
    rules = verdict_counts(run)
    del rules["kept"]
    judged = bool(run.verdicts.parts() or run.selected.parts())
    kept: Counter[str] = Counter()
    for batch in _batches(run.selected.parts(), ["task"]):
        _count(batch["task"], kept)
    return Totals(
        scenes=len(run.scenes),
        annotations={k: n for k, n in annotations.items() if n},
        samples=generated.total(),
        kept=kept.total() if judged else None,
        tasks=tuple(TaskCount(t, n, kept[t] if judged else None) for t, n in _ranked(generated)),
        rules=tuple(_ranked(rules)),
        rounds=rounds,
        words=words,
        marked=marked,
        text_only=text_only,
        photos=len(photos),
    )


def verdict_counts(run: RunFolder) -> Counter[str]:
    """Samples by the rule that decided; those that passed are under ``"kept"``."""
    rules: Counter[str] = Counter()
    for batch in _batches(run.verdicts.parts(), ["rule"]):
        _count(batch["rule"], rules)
    return rules


def _batches(parts: list[Path], columns: list[str]) -> Iterator[pa.RecordBatch]:
    for path in parts:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(16_384, columns=columns)


def _rows(mask: pa.BooleanArray) -> int:
    return int(pc.sum(mask, min_count=0).as_py())


def _count(column: pa.Array, into: Counter[str]) -> None:
    for item in pc.value_counts(column).to_pylist():
        into[item["values"]] += item["counts"]


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
