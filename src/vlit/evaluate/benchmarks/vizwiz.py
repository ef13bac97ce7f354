"""VizWiz: questions that blind people asked about their own photos; many cannot be answered.

Sources: Gurari et al. (2018), ``vqaEval.py`` of the VizWiz API; prompt of LLaVA-1.5, Liu et al. (2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from pydantic import Field

from vlit.evaluate.benchmark import BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.vqa import SHORT, OpenAnswers, asked, ids_of, prompt_of, whole, with_answers
from vlit.evaluate.metric import F64, Metric, metric
from vlit.evaluate.parsing.reading import Needs, Reading, Record
from vlit.evaluate.parsing.vqa import EVALAI, VIZWIZ, VQA, Rule, evalai
from vlit.evaluate.question import Question, Scored

#: The suffix of LLaVA-1.5 that says how to decline.
INSUFFICIENT = "When the provided information is insufficient, respond with 'Unanswerable'."


class VizWizConfig(BenchmarkConfig):
    """Official files, in either of two layouts."""

    questions: str = Field(
        description='val.json or test.json: [{"image", "question", "answers"}]; or VQA\'s layout'
    )
    annotations: str | None = Field(None, description="annotations, where the questions are in VQA's layout")
    images: str = Field(description="folder of the photos")


class VizWiz(OpenAnswers[VizWizConfig]):
    """Three numbers, since scripts differ.

    - ``accuracy``: VizWiz's own script. It leaves one person out by place, and compares the normalised answer
      with people's as they are.
    - ``accuracy (VQA's script)``: VQA's script on the files in VQA's layout. Their answers have no
      ``answer_id``, so that leaving a person out leaves out all who said the same with the same confidence:
      an answer that all ten gave with confidence is worth 0. Some papers' numbers come from there.
    - ``accuracy (EvalAI processor)``: everything normalised, one person left out by place.

    Beside them the second task, whether a question can be answered at all, where the records say so
    (``answerable``): F1 and average precision of declining. The official script wants a number between 0 and 1
    for each question; a model that writes gives none, so that "unanswerable" is 1 and all else 0. Average
    precision has two steps then, and compares with that of models that give numbers with care alone.
    """

    name: ClassVar[str] = "vizwiz"
    title: ClassVar[str] = "VizWiz"
    source: ClassVar[str] = "Gurari et al. (2018); VizWiz API, vqaEval.py"
    licence: ClassVar[str] = "CC BY 4.0"
    protocols: ClassVar[tuple[str, ...]] = ("unanswerable", "short", "plain")
    rules: ClassVar[tuple[Rule, ...]] = (VIZWIZ, VQA, EVALAI)
    groups: ClassVar[tuple[str, ...]] = ("answer_type",)
    sizes: ClassVar[Mapping[str, int]] = {"train": 20_523, "val": 4_319, "test": 8_000}
    _key: ClassVar[str] = "image"
    Config = VizWizConfig

    def load(self, base: Path) -> Loaded:
        """The questions, each with its answers where the files have them.

        Raises:
            VlitError: When a file is missing or is of neither layout.
        """
        config, reading = self.config, Reading(self.name, base)
        head = reading.json(config.questions)
        if isinstance(head, dict) and "questions" in head:
            records = [_named(record) for record in reading.of(head["questions"], config.questions)]
            annotations = reading.records(config.annotations, "annotations") if config.annotations else None
            pairs = with_answers(reading, records, annotations)
        else:
            if config.annotations:
                what = "annotations are named, and the questions file is not in VQA's layout"
                todo = "leave annotations out: val.json holds its answers itself"
                raise reading.wrong(what, reading.path(config.questions), todo)
            records = reading.of(head, config.questions)
            pairs = _with_own(reading, records)
        whole(reading, len(records), self.sizes)
        photos = reading.photos(config.images)
        found: list[Question] = []
        for record, answers in pairs:
            about = _typed(answers) if answers else None
            question = asked(reading, photos, record, about, record["image"], self._prompt(record["question"]))
            if question and record.get("answerable") in (0, 1):
                extra = {**question.extra, "answerable": int(record["answerable"])}
                question = msgspec.structs.replace(question, extra=extra)
            found += [question] if question else []
        self._ids = ids_of(reading, records, None, "image")
        return reading.loaded(found)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracies; then how well declining agrees with what people could answer."""
        found, own = super().aggregate(rows), [row for row in rows if "answerable" in row.question.extra]
        if own:
            parts = [_declined(row) for row in own]
            found.append(metric("F1 of unanswerable", own, parts, _f1))
            found.append(metric("average precision of unanswerable", own, parts, _average_precision))
        return found

    def _prompt(self, text: str) -> str:
        if self.protocol == "unanswerable":
            return prompt_of(text, INSUFFICIENT, SHORT)
        return super()._prompt(text)


def _declined(row: Scored) -> tuple[float, float, float, float]:
    """Whether a question was declined rightly, declined wrongly, answered wrongly; and 1 for the question."""
    said = evalai(row.answered.text or "") == "unanswerable"
    wanted = row.question.extra["answerable"] == 0
    return float(said and wanted), float(said and not wanted), float(wanted and not said), 1.0


def _f1(sums: F64) -> F64:
    """(..., 4) of :func:`_declined` to F1 in percent; not told where nothing is unanswerable."""
    right, wrong, missed = sums[..., 0], sums[..., 1], sums[..., 2]
    found: F64 = np.where(right + missed > 0, 200 * right / np.maximum(2 * right + wrong + missed, 1), np.nan)
    return found


def _average_precision(sums: F64) -> F64:
    """(..., 4) to the area under two steps: those that were declined, then all."""
    right, wrong, missed, n = (sums[..., i] for i in range(4))
    there = right + missed
    recall, precision = right / np.maximum(there, 1), right / np.maximum(right + wrong, 1)
    whole = recall * precision + (1 - recall) * there / np.maximum(n, 1)
    found: F64 = np.where(there > 0, 100 * whole, np.nan)
    return found


def _named(record: Record) -> Record:
    """A record of VQA's layout, with its photo under the name that VizWiz gives it."""
    return _with(record, {"image": record.get("image_id")})


def _with_own(reading: Reading, records: Sequence[Record]) -> Iterator[tuple[Record, Record | None]]:
    """Records of VizWiz's layout, which hold their answers themselves, or of a test set none at all."""
    test = not any("answers" in record.values for record in records)
    needs: Needs = {"image": str, "question": str} | ({} if test else {"answers": list})
    for record in reading.usable(records, "image", needs):
        yield record, None if test else record


def _typed(record: Record) -> Record:
    """The annotation with the type of its answer alone; VQA's layout has it as ``question_type``."""
    kind = record.get("answer_type") or record.get("question_type")
    return _with(record, {"answer_type": kind, "question_type": None})


def _with(record: Record, values: Mapping[str, Any]) -> Record:
    return Record(record.file, record.place, {**record.values, **values}, record.id)
