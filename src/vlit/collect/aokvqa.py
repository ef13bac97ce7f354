"""A-OKVQA: questions that need outside knowledge, with four choices, ten direct answers and rationales."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from vlit.collect.importer import Importer, Paths, Piece, existing, lost, origin_of
from vlit.collect.jsonfile import load
from vlit.collect.vqa import counted
from vlit.data.scene import Question
from vlit.data.score import Quarantined
from vlit.run.stage import Setting


class _Record(msgspec.Struct, gc=False):
    question_id: int | str
    image_id: int | str
    question: str
    choices: list[str] = []
    correct_choice_idx: int | None = None
    direct_answers: list[str] = []
    rationales: list[str] = []


class Aokvqa(Importer):
    """A-OKVQA on COCO images, joined with COCO captions and instances by image id."""

    kind: Literal["aokvqa"] = "aokvqa"
    name: str = "coco"
    questions: Paths

    def files(self, setting: Setting) -> list[Path]:
        """The question files."""
        return [existing(setting, path) for path in self.questions]

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        """A piece for each question."""
        for path in self.files(setting):
            origin = origin_of(setting, path)
            records, broken = load(path, list[_Record])
            yield from (lost(origin, b.record, b.field, b.value, b.reason) for b in broken)
            for record in records:
                question = Question(
                    id=f"question:{record.question_id}",
                    text=" ".join(record.question.split()),
                    answers=counted(record.direct_answers),
                    choices=tuple(record.choices),
                    correct=record.correct_choice_idx,
                    rationales=tuple(text for r in record.rationales if (text := " ".join(r.split()))),
                )
                yield Piece(origin=origin, image=str(record.image_id), questions=[question])
