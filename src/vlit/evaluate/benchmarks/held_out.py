"""What a run has held out of training, as a benchmark: did the model learn what its data teach?

It is no published benchmark and its numbers compare with those of the same run alone. An answer is right where
it is the reference but for case, spaces and the full stop at the end; beside it stands what the most frequent
answer of the training samples of the same task would have got, which needs no look at the photo.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import msgspec
from pydantic import Field

from vlit.data.boxes import Box, find_boxes
from vlit.data.errors import VlitError
from vlit.data.sample import IMAGE_TOKEN, Sample
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.metric import Metric, accuracies, accuracy, by_group, metric, ratio
from vlit.evaluate.question import Parsed, Question, Scored
from vlit.evaluate.training import samples_of, split_of, tuning_of
from vlit.run.fingerprint import fingerprint
from vlit.run.folder import RunFolder

#: Overlap from which a box counts as found.
IOU = 0.5
_TASK, _MAJORITY, _SIDE = "task", "majority", "side"


class HeldOutConfig(BenchmarkConfig):
    """Whose held-out samples."""

    run: str | None = Field(None, description="folder of a tuned run; by default the run itself")


class HeldOut(Benchmark[HeldOutConfig]):
    """The first question of each sample that the last stage of tuning held out."""

    name: ClassVar[str] = "held_out"
    title: ClassVar[str] = "Held-out samples"
    source: ClassVar[str] = "the run itself"
    protocols: ClassVar[tuple[str, ...]] = ("exact",)
    metric: ClassVar[tuple[str, str]] = ("accuracy", "")
    max_new_tokens: ClassVar[int] = 64
    Config = HeldOutConfig

    def load(self, base: Path) -> Loaded:
        """Questions in the order of the samples; those that could not be encoded are not among them.

        Raises:
            VlitError: When the run has tuned nothing, or has held out nothing.
        """
        if self.config.run is None:
            raise _nothing("no run is named", self.name)
        run = RunFolder(base / Path(self.config.run).expanduser()).check()
        config, setting = tuning_of(run)
        stage = config.stages[-1]
        split = split_of(run, stage.name)
        if "held_out" not in split.values():
            what = "has held out no sample" if split else "has tuned nothing"
            raise _nothing(f"this run {what}", str(run.path))
        found: list[Question] = []
        answers: dict[str, Counter[str]] = defaultdict(Counter)
        sides: dict[str, Counter[str]] = defaultdict(Counter)
        for sample in samples_of(run, config, stage, setting, open_images=True):
            own = split.get(sample.id)
            if own == "held_out":
                found.append(question_of(sample))
            elif own == "train":
                answers[sample.task][plain(_reference(sample))] += 1
                if taken := side(_reference(sample)):
                    sides[sample.task][taken] += 1
        questions = [_beside(question, _commonest(answers), _commonest(sides)) for question in found]
        if not questions:
            raise _nothing("the samples that were held out are not there any more", str(run.path))
        digest = fingerprint([(q.id, q.prompt, q.references) for q in questions])
        return Loaded(questions, {"held-out samples": digest})

    def parse(self, question: Question, text: str) -> Parsed:
        """The answer without case, white space at its ends or doubled within it, and the final full stop."""
        found = plain(text)
        return Parsed(found, "as said") if found else Parsed(None, "nothing was said")

    def score(self, question: Question, parsed: Parsed) -> float:
        """1 where it is the reference."""
        return float(parsed.value is not None and parsed.value == plain(question.references[0]))

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracy and the majority answer's, over all and by task; then yes and no, and boxes, if any."""
        tasks = sorted(by_group(rows, _TASK))
        found = [accuracy(rows), _majority(rows)]
        if len(tasks) > 1:
            by_task = accuracies(rows, _TASK, tasks)
            alike = [_majority(own, one.group) for own, one in zip(
                by_group(rows, _TASK, tasks).values(), by_task, strict=True)]  # fmt: skip
            found += [one for pair in zip(by_task, alike, strict=True) for one in pair]
        return found + _sides(rows) + _boxes(rows)


def question_of(sample: Sample) -> Question:
    """The first question of a sample, with the images that it shows, and what was answered."""
    turns = list(sample.turns)
    system = turns.pop(0).text if turns and turns[0].role == "system" else ""
    asked = next((turn.text for turn in turns if turn.role == "user"), "")
    if any(IMAGE_TOKEN in turn.text for turn in turns if turn.role == "user"):
        images = sample.images[: asked.count(IMAGE_TOKEN)] if sample.images else ()
    else:  # images that no text places stand in front of the first question
        images, asked = sample.images, IMAGE_TOKEN * len(sample.images) + asked
    return Question(
        id=sample.id,
        prompt=asked,
        images=images,
        references=(_reference(sample),),
        groups={_TASK: sample.task},
        unit=images[0].sha256 or images[0].uri if images else "",
        extra={"system": system} if system else {},
    )


def plain(text: str) -> str:
    """Case folded, white space made single, without the final full stop."""
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()


def _reference(sample: Sample) -> str:
    return next((turn.text.strip() for turn in sample.turns if turn.role == "assistant"), "")


def side(text: str) -> str | None:
    """Yes or no, where an answer begins with it."""
    first = re.match(r"\W*(yes|no)\b", text.casefold())
    return first[1] if first else None


def _commonest(counts: Mapping[str, Counter[str]]) -> dict[str, str]:
    """The most frequent of each task."""
    return {task: min(own, key=lambda a: (-own[a], a)) for task, own in counts.items()}


def _beside(question: Question, majority: Mapping[str, str], sides: Mapping[str, str]) -> Question:
    """The question with what the training answers of its task say most often."""
    task = question.groups[_TASK]
    told = {_MAJORITY: majority.get(task), _SIDE: sides.get(task)}
    extra = {**question.extra, **{key: value for key, value in told.items() if value is not None}}
    return msgspec.structs.replace(question, extra=extra)


def _majority(rows: Sequence[Scored], group: str = "") -> Metric:
    """What the majority answer is worth; it cannot fail to be understood."""
    hits = [
        row.question.extra.get(_MAJORITY) == plain(row.question.references[0])
        and not row.answered.problem  # over the same questions as the accuracy beside it
        for row in rows
    ]
    found = metric("majority answer", rows, ((float(hit), 1.0) for hit in hits), ratio, group=group)
    return replace(found, failures=0)


def _sides(rows: Sequence[Scored]) -> list[Metric]:
    """Whether an answer takes the right side, where the reference begins with yes or no, whatever its words."""
    own = [row for row in rows if side(row.question.references[0])]
    if not own:
        return []
    right = [side(row.question.references[0]) for row in own]
    said = [side(row.answered.text or "") for row in own]
    most = [row.question.extra.get(_SIDE) if not row.answered.problem else None for row in own]
    found = []
    for name, by in (("yes or no", said), ("majority yes or no", most)):
        parts = [(float(a == b), 1.0) for a, b in zip(by, right, strict=True)]
        failures = sum(a is None and not row.answered.problem for a, row in zip(said, own, strict=True))
        found.append(replace(metric(name, own, parts, ratio), failures=failures if by is said else 0))
    return found


def _boxes(rows: Sequence[Scored]) -> list[Metric]:
    """Share of answers whose box overlaps that of the reference, where the reference has exactly one.

    Both are as written, fractions of the image, so the overlap is that of boxes in pixels.
    """
    own = [row for row in rows if len(find_boxes(row.question.references[0])) == 1]
    if not own:
        return []
    return [metric(f"box IoU >= {IOU}", own, ((_found(row), 1.0) for row in own), ratio)]


def _found(row: Scored) -> float:
    """Whether the first box of an answer is that of the reference; without a box it is wrong."""
    said = find_boxes(row.answered.text or "")
    (reference,) = find_boxes(row.question.references[0])
    return float(bool(said) and Box(*said[0]).iou(Box(*reference)) >= IOU)


def _nothing(what: str, where: str) -> VlitError:
    return VlitError(
        what,
        where=where,
        todo="tune first (vlit tune RUN, with tune.held_out.share above 0), or name other benchmarks",
    )
