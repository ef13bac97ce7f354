"""MME: yes or no in 14 subtasks, two questions to each photo, one of which has to be answered with no.

Sources: Fu et al. (2023), ``calculation.py``; the short prompt is that of LLaVA-1.5, Liu et al. (2023).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from vlit.data.score import commonest
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.vqa import SHORT, marked, prompt_of, whole
from vlit.evaluate.metric import F64, Metric, accuracy, by_group, metric, ratio
from vlit.evaluate.parsing.reading import Photos, Reading, Record
from vlit.evaluate.parsing.yes_no import mme, whole_answer
from vlit.evaluate.question import Parsed, Question, Scored
from vlit.run.fingerprint import fingerprint
from vlit.run.inputs import files_below

PERCEPTION = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
_TOTALS = {"perception": PERCEPTION, "cognition": COGNITION}
_ALL = PERCEPTION + COGNITION
_WHOLE = " (whole answer)"
_INSTRUCTION = "Please answer yes or no."
#: Sums of a subtask: right, asked, pairs with both right, whole pairs.
_SUMS = 4


class MMEConfig(BenchmarkConfig):
    """The release, and where they are apart from it the question files."""

    images: str = Field(description="folder of the release: a folder of photos for each subtask")
    questions: str | None = Field(
        None,
        description="folder of <subtask>.txt with photo, question and answer in each line; "
        "by default the questions beside the photos of the release",
    )


class MME(Benchmark[MMEConfig]):
    """Each subtask gives up to 200: accuracy, and accuracy+, the share of photos with both answers right.

    The official script pairs lines by their place and stops at an odd one. Here pairs are those of a photo, and
    a photo with one question counts for accuracy alone; their number is told as "broken pairs". A total over
    subtasks that are not all there has no value; what there is stands beside it, with its own maximum.
    """

    name: ClassVar[str] = "mme"
    title: ClassVar[str] = "MME"
    source: ClassVar[str] = "Fu et al. (2023); eval_tool/calculation.py"
    protocols: ClassVar[tuple[str, ...]] = ("short", "plain")
    metric: ClassVar[tuple[str, str]] = ("perception", "")
    licence: ClassVar[str] = "research use"
    max_new_tokens: ClassVar[int] = 128
    sizes: ClassVar[Mapping[str, int]] = {"the release": 2_374}
    Config = MMEConfig

    def load(self, base: Path) -> Loaded:
        """The questions by subtask, perception first; both of a photo are a unit.

        Raises:
            VlitError: When a folder is missing, or holds no subtask.
        """
        reading = Reading(self.name, base)
        root = reading.path(self.config.images, folder=True)
        source = root if self.config.questions is None else reading.path(self.config.questions, folder=True)
        lines = {task: list(_records(reading, source, task)) for task in _ALL}
        if not any(lines.values()):
            todo = f"take a folder with {_ALL[0]}.txt and so on, or the release with a folder for each subtask"
            why = commonest(reading.lost)  # e.g. files of results, which have a fourth column
            what = (
                f"no line can be read: {why}" if why else "there are no questions of any subtask in this folder"
            )
            raise reading.wrong(what, source, todo)
        whole(reading, sum(map(len, lines.values())), self.sizes)
        if absent := [task for task, own in lines.items() if not own]:
            reading.remarks.append(f"subtasks without a file: {', '.join(absent)}")
        found: list[Question] = []
        for task, records in lines.items():
            if records:
                folder = root / task
                photos = Photos(folder if folder.is_dir() else root)
                found += self._questions(reading, photos, task, records)
        if broken := _broken(found):
            shown = ", ".join(broken[:3])
            reading.remarks.append(f"{len(broken):,} photos have one question alone: {shown} ...")
        return reading.loaded(found)

    def _questions(
        self, reading: Reading, photos: Photos, task: str, records: Sequence[Record]
    ) -> Iterator[Question]:
        asked: dict[str, list[str]] = defaultdict(list)
        for record in records:
            image, text, label = record["image"], record["question"], record["answer"].lower()
            if text in asked[image]:
                reading.lose_record(record, "question", text, "this question of the photo stands twice")
                continue
            if label not in ("yes", "no"):
                reading.lose_record(record, "answer", label, "the answer is neither yes nor no")
                continue
            if marked(reading, record) or (photo := reading.photo(photos, image, record)) is None:
                continue
            asked[image].append(text)
            number = len(asked[image])
            pair = "" if number <= 2 else f" ({(number + 1) // 2})"  # more than two: pairs in their order
            yield Question(
                id=f"{task}/{image}/{number}",
                prompt=self._prompt(text),
                images=(photo,),
                references=(label,),
                groups={"subtask": task},
                unit=f"{task}/{image}{pair}",
            )

    def _prompt(self, text: str) -> str:
        if self.protocol == "plain":
            return prompt_of(text)
        return prompt_of(text.replace(_INSTRUCTION, "").rstrip(), SHORT)

    def parse(self, question: Question, text: str) -> Parsed:
        """The official rule: yes, else no, anywhere in the first four characters.

        Its quirks are named at :func:`vlit.evaluate.parsing.yes_no.mme`.
        """
        return mme(text)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Totals of perception (to 2000) and cognition (to 800), then each subtask; last by the other rule.

        Beside the totals of the official rule stand those of a rule that reads the whole answer.
        """
        found = [one for name in _TOTALS for one in _totals(name, rows)]
        for task, own in by_group(rows, "subtask", _ALL).items():
            group = f"subtask: {task}"
            found.append(_score("score", own, [task], group))
            found.append(accuracy(own, group=group))
            found.append(metric("accuracy+", own, _pairs(own), ratio, group=group))
        reread = [self._reread(row) for row in rows]
        found += [one for name in _TOTALS for one in _totals(name, reread, _WHOLE)]
        if broken := _broken([row.question for row in rows]):
            found.append(Metric("broken pairs", float(len(broken)), len(rows), scale=0.0))
        return found

    def _reread(self, row: Scored) -> Scored:
        """The row by the rule that reads the whole answer."""
        if row.answered.problem:
            return row
        parsed = whole_answer(row.answered.text or "")
        return replace(row, parsed=parsed, value=self.score(row.question, parsed))


def _records(reading: Reading, source: Path, task: str) -> Iterator[Record]:
    """Lines of a subtask: of its file, or of the files beside its photos."""
    if (file := source / f"{task}.txt").is_file():
        yield from _lines(reading, file, None)
        return
    folder = source / task
    names = {path.stem: path.name for path in files_below(folder) if path.suffix != ".txt"}
    if (apart := folder / "questions_answers_YN").is_dir():
        folder = apart
    many = Reading(reading.benchmark, reading.base)
    for file in sorted(folder.glob("*.txt")):
        yield from _lines(many, file, names.get(file.stem, f"{file.stem}.jpg"))
    if many.files:  # hundreds of files for one subtask: one digest tells them
        reading.files[f"{task}/*.txt"] = fingerprint(sorted(many.files.items()))
    reading.lost += many.lost


def _lines(reading: Reading, file: Path, image: str | None) -> Iterator[Record]:
    """Photo, question, answer; a file beside its photo has the photo's name."""
    names = ("image", "question", "answer") if image is None else ("question", "answer")
    for number, line in enumerate(reading.text(file).replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        place = f"{file.name}: line {number}"
        if len(cells) != len(names) or not all(cell.strip() for cell in cells):
            expected = ", ".join(names)
            reading.lose(file.name, f"line {number}", "", line, f"the line is not {expected} between tabs")
            continue
        values = {"image": image} | dict(zip(names, cells, strict=True))
        values["answer"] = cells[-1].strip()
        yield Record(file.name, place, values, place)


def _broken(questions: Sequence[Question]) -> list[str]:
    """Units with one question alone."""
    sizes: dict[str, int] = defaultdict(int)
    for question in questions:
        sizes[question.unit] += 1
    return [unit for unit, size in sizes.items() if size == 1]


def _pairs(rows: Sequence[Scored]) -> list[tuple[float, float]]:
    """(both right, 1) at the second row of each whole pair, (0, 0) elsewhere."""
    first: dict[str, int] = {}
    found = [(0.0, 0.0)] * len(rows)
    for at, row in enumerate(rows):
        if (other := first.setdefault(row.question.unit, at)) != at:
            found[at] = (float(bool(row.value and rows[other].value)), 1.0)
    return found


def _totals(name: str, rows: Sequence[Scored], suffix: str = "") -> list[Metric]:
    """The total of a half; where subtasks are missing, none, and beside it what there is."""
    there = {row.question.groups["subtask"] for row in rows}
    present = [task for task in _TOTALS[name] if task in there]
    chosen = [row for row in rows if row.question.groups["subtask"] in present]
    full = len(_TOTALS[name])
    if len(present) == full:
        return [_score(name + suffix, chosen, present, "")]
    missing = Metric(name + suffix, None, len(chosen), scale=200.0 * full)
    if not present:
        return [missing]
    return [missing, _score(name + suffix, chosen, present, f"{len(present)} of {full} subtasks")]


def _score(name: str, rows: Sequence[Scored], tasks: Sequence[str], group: str) -> Metric:
    """Accuracy and accuracy+, added up over subtasks."""
    parts = []
    for row, (both, pair) in zip(rows, _pairs(rows), strict=True):
        own = [0.0] * (_SUMS * len(tasks))
        at = _SUMS * tasks.index(row.question.groups["subtask"])
        own[at : at + _SUMS] = float(bool(row.value)), 1.0, both, pair
        parts.append(own)

    def total(sums: F64) -> F64:
        each = sums.reshape(*sums.shape[:-1], len(tasks), _SUMS)
        return np.asarray((ratio(each[..., :2]) + ratio(each[..., 2:])).sum(axis=-1))

    return metric(name, rows, parts, total, group=group, scale=200.0 * len(tasks))
