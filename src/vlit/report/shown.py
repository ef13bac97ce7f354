"""The chosen samples with all that the page tells of them: scores, verdict, scenes, annotations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.boxes import Box
from vlit.data.sample import Sample
from vlit.data.scene import Object, Question, Row, Scene
from vlit.data.schema import from_table
from vlit.data.score import Score, Verdict
from vlit.run.folder import RunFolder

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Annotation:
    """One annotation in words, with the boxes that belong to it (pixels, xyxy)."""

    id: str
    kind: str
    text: str
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Shown:
    """A sample with all that is known of it."""

    sample: Sample
    verdict: Verdict | None = None
    scores: tuple[Score, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    lost: tuple[str, ...] = ()  #: ids of annotations that no scene of the run has


@dataclass(frozen=True)
class Gathered:
    """Shown samples in the order of the table, and their scenes."""

    samples: tuple[Shown, ...] = ()
    scenes: Mapping[str, Scene] = field(default_factory=dict)


def gather(run: RunFolder, ids: Collection[str]) -> Gathered:
    """Read the rows about some samples, part by part."""
    samples = list(_where(run.samples.parts(), Sample, "id", ids))
    verdicts = {v.sample: v for v in _where(run.verdicts.parts(), Verdict, "sample", ids)}
    scores: dict[str, list[Score]] = defaultdict(list)
    for score in _where(run.scores.parts(), Score, "sample", ids):
        scores[score.sample].append(score)
    wanted = {scene for s in samples for scene in s.provenance.scenes}
    scenes = {s.id: s for s in _where(run.scenes.parts(), Scene, "id", wanted)}
    shown = []
    for sample in samples:
        found = {
            a.id: a for name in sample.provenance.scenes if name in scenes for a in annotations_of(scenes[name])
        }
        used = dict.fromkeys(
            (*sample.provenance.annotations, *(m.annotation for m in sample.marks if m.annotation))
        )
        shown.append(
            Shown(
                sample=sample,
                verdict=verdicts.get(sample.id),
                scores=tuple(sorted(scores[sample.id], key=lambda s: s.indicator)),
                annotations=tuple(found[name] for name in used if name in found),
                lost=tuple(name for name in used if name not in found),
            )
        )
    return Gathered(tuple(shown), scenes)


def annotations_of(scene: Scene) -> Iterator[Annotation]:
    """Everything that people wrote about a scene, in words."""
    objects = {o.id: o for o in scene.objects}
    for caption in scene.captions:
        yield Annotation(caption.id, "caption", caption.text)
    for thing in scene.objects:
        yield Annotation(thing.id, "object", _object_text(thing), (thing.box,))
    for region in scene.regions:
        yield Annotation(region.id, "region", region.phrase, (region.box,))
    for relation in scene.relations:
        ends = [objects[end] for end in (relation.subject, relation.object) if end in objects]
        labels = [objects[end].label if end in objects else end for end in (relation.subject, relation.object)]
        text = f"{labels[0]} {relation.predicate} {labels[1]}"
        yield Annotation(relation.id, "relation", text, tuple(o.box for o in ends))
    for written in scene.texts:
        yield Annotation(written.id, "scene text", written.text, (written.box,) if written.box else ())
    for question in scene.questions:
        yield Annotation(question.id, "question", _question_text(question))


def _object_text(thing: Object) -> str:
    notes = [*thing.attributes, *(["stands for several"] if thing.crowd else [])]
    return f"{thing.label} ({', '.join(notes)})" if notes else thing.label


def _question_text(question: Question) -> str:
    said = ", ".join(f"{a.text} × {a.count}" for a in question.answers[:4])
    rest = f" and {len(question.answers) - 4} others" if len(question.answers) > 4 else ""
    choices = "".join(
        f"\n{'✓' if i == question.correct else '·'} {choice}" for i, choice in enumerate(question.choices)
    )
    answers = f"\nanswered: {said}{rest}" if said else ""
    return question.text + choices + answers


def _where(parts: list[Path], kind: type[R], column: str, values: Collection[str]) -> Iterator[R]:
    """Rows whose column holds one of the values; one batch in memory at a time."""
    if not values:
        return
    wanted = pa.array(sorted(values), pa.string())
    for path in parts:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(16_384):
                found = batch.filter(pc.is_in(batch[column], wanted))
                if len(found):
                    yield from from_table(pa.Table.from_batches([found]), kind)
