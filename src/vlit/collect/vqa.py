"""VQA v2 and its relatives (OK-VQA, VizWiz): questions, and annotations with ten answers each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of
from vlit.collect.jsonfile import load
from vlit.data.scene import Answer, Question
from vlit.data.score import Quarantined
from vlit.run.stage import Setting

Id = int | str


class _Question(msgspec.Struct, gc=False):
    question_id: Id
    image_id: Id
    question: str


class _Questions(msgspec.Struct):
    questions: list[_Question]


class _Answer(msgspec.Struct, gc=False):
    answer: str


class _Annotation(msgspec.Struct, gc=False):
    question_id: Id
    answers: list[_Answer]
    answer_type: str | None = None


class _Annotations(msgspec.Struct):
    annotations: list[_Annotation]


def counted(answers: Iterable[str]) -> tuple[Answer, ...]:
    """Distinct answers with how many people gave them: most frequent first, ties in alphabetical order."""
    counts = Counter(" ".join(answer.split()) for answer in answers)
    del counts[""]
    return tuple(
        Answer(text=t, count=n) for t, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


class Vqa(Importer):
    """Questions on COCO images, joined with COCO captions and instances by image id."""

    kind: Literal["vqa"] = "vqa"
    name: str = "coco"
    questions: Paths
    annotations: Paths

    def files(self, setting: Setting) -> list[Path]:
        """Question files, then annotation files."""
        return [existing(setting, path) for path in (*self.questions, *self.annotations)]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each question that has an annotation."""
        answered: dict[Id, tuple[str, _Annotation]] = {}
        for path in self.annotations:
            yield from _read_annotations(existing(setting, path), setting, answered)
        asked: set[Id] = set()
        for path in self.questions:
            yield from _read_questions(existing(setting, path), setting, answered, asked)
        for ident, (origin, _) in answered.items():
            yield lost(origin, f"question:{ident}", "question_id", ident, "no question has this id")


def _read_annotations(
    path: Path, setting: Setting, answered: dict[Id, tuple[str, _Annotation]]
) -> Iterator[Quarantined]:
    origin = origin_of(setting, path)
    data, broken = load(path, _Annotations)
    yield from (lost(origin, b.record, b.field, b.value, b.reason) for b in broken)
    for record in data.annotations:
        if record.question_id in answered:
            ident = record.question_id
            yield lost(
                origin, f"question:{ident}", "question_id", ident, "an annotation of this id comes before it"
            )
        else:
            answered[record.question_id] = origin, record


def _read_questions(
    path: Path, setting: Setting, answered: dict[Id, tuple[str, _Annotation]], asked: set[Id]
) -> Iterator[Piece | Quarantined]:
    origin = origin_of(setting, path)
    data, broken = load(path, _Questions)
    yield from (lost(origin, b.record, b.field, b.value, b.reason) for b in broken)
    for record in data.questions:
        ident = record.question_id
        _, found = answered.pop(ident, (origin, None))
        if found is None:
            reason = "a question of this id comes before it" if ident in asked else "no annotation answers it"
            yield lost(origin, f"question:{ident}", "question_id", ident, reason)
            continue
        asked.add(ident)
        question = Question(
            id=f"question:{record.question_id}",
            text=" ".join(record.question.split()),
            answers=counted(a.answer for a in found.answers),
            kind=found.answer_type,
        )
        yield Piece(origin=origin, image=str(record.image_id), questions=[question])
