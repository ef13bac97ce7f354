"""POPE: is this object in the photo? Half of the questions ask for objects that are not there.

Sources: Li et al. (2023), ``evaluate.py``; the short prompt is that of LLaVA-1.5, Liu et al. (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.vqa import SHORT, marked, prompt_of, whole
from vlit.evaluate.metric import F64, Metric, Of, by_group, metric
from vlit.evaluate.parsing.reading import Photos, Reading, Record
from vlit.evaluate.parsing.yes_no import pope, pope_official, whole_answer
from vlit.evaluate.question import Parsed, Question, Scored

SETTINGS = ("random", "popular", "adversarial")
_WHOLE = " (whole answer)"
#: What a setting's answers are summed up as: true and false positives, false and true negatives, all.
_SUMS = 5


class POPEConfig(BenchmarkConfig):
    """Files of lines, one for each setting; those that are not named are not asked."""

    random: str | None = Field(None, description="coco_pope_random.json; absent objects drawn at random")
    popular: str | None = Field(None, description="coco_pope_popular.json; absent objects that are frequent")
    adversarial: str | None = Field(
        None,
        description="coco_pope_adversarial.json; absent objects that often stand beside those in the photo",
    )
    images: str = Field(description="folder of the photos, COCO val2014")


class POPE(Benchmark[POPEConfig]):
    """Whether a model sees objects that are not there.

    The official numbers take every answer without a no for a yes, so that a silent model scores 66.7 F1. They
    are reproduced; such answers are counted as failures, and the numbers of a rule that reads the whole answer
    and takes none of them for a yes stand beside. Texts are asked as the files have them, "imange" included.
    The mean over settings that are not all there has no value; that of those there stands beside it.
    """

    name: ClassVar[str] = "pope"
    title: ClassVar[str] = "POPE"
    source: ClassVar[str] = "Li et al. (2023); evaluate.py"
    protocols: ClassVar[tuple[str, ...]] = ("short", "plain")
    metric: ClassVar[tuple[str, str]] = ("F1", "")
    licence: ClassVar[str] = "MIT; photos of COCO"
    max_new_tokens: ClassVar[int] = 128
    unread: ClassVar[str] = "yes by the official rule, wrong by the whole answer"
    sizes: ClassVar[Mapping[str, int]] = {"the set of a setting": 3_000, "LLaVA's random set": 2_910}
    Config = POPEConfig

    def load(self, base: Path) -> Loaded:
        """The questions of the settings that are named; ids are of the setting and the question.

        Raises:
            VlitError: When no setting is named, or a file is missing or of another layout.
        """
        reading = Reading(self.name, base)
        paths = {name: path for name in SETTINGS if (path := getattr(self.config, name)) is not None}
        if not paths:
            todo = f"name at least one of {', '.join(SETTINGS)}"
            raise reading.wrong("no setting is named", f"evaluate.benchmarks.{self.name}", todo)
        photos = reading.photos(self.config.images)
        found: list[Question] = []
        for setting, path in paths.items():
            records = _lines(reading, path)
            whole(reading, len(records), self.sizes)
            for record in reading.usable(records, "question_id", {"text": str, "image": str, "label": str}):
                question = self._question(reading, photos, setting, record)
                found += [question] if question else []
        if absent := [name for name in SETTINGS if name not in paths]:
            reading.remarks.append(f"not asked: {', '.join(absent)}")
        return reading.loaded(found)

    def _question(self, reading: Reading, photos: Photos, setting: str, record: Record) -> Question | None:
        if record["label"] not in ("yes", "no"):
            reading.lose_record(record, "label", record["label"], "the label is neither yes nor no")
            return None
        if marked(reading, record, "text") or (photo := reading.photo(photos, record["image"], record)) is None:
            return None
        text = record["text"]
        return Question(
            id=f"{setting}/{record.id}",
            prompt=prompt_of(text, SHORT) if self.protocol == "short" else prompt_of(text),
            images=(photo,),
            references=(record["label"],),
            groups={"setting": setting},
        )

    def parse(self, question: Question, text: str) -> Parsed:
        """The official rule; what it takes for a yes without a reason is not understood.

        Its quirks are named at :func:`vlit.evaluate.parsing.yes_no.pope`.
        """
        return pope(text)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """F1, accuracy, precision, recall and the share of yes, by the official rule and by ours.

        Of all: F1 as the mean over settings, as papers quote it, and everything else over all questions; "F1,
        pooled" is that of all questions. Numbers are for "yes" as the positive class, in percent.
        """
        return [*_family(rows, "", _official), *_family([_reread(row) for row in rows], _WHOLE, _understood)]


def _lines(reading: Reading, path: str) -> list[Record]:
    """Records of a file of lines that is called ``.json``, as the official ones are."""
    before = len(reading.lost)
    records = list(reading.lines(path))
    for row in reading.lost[before:]:
        if row.record == "line 1":
            todo = "take the official file: one object in each line"
            raise reading.wrong(f"this is no file of POPE: {row.reason}", reading.path(path), todo)
    return records


Says = Callable[[Scored], str | None]


def _official(row: Scored) -> str | None:
    """Yes or no as the script has it; a question that was not asked has no answer."""
    return None if row.answered.problem else pope_official(row.parsed)


def _understood(row: Scored) -> str | None:
    return row.parsed.value


def _reread(row: Scored) -> Scored:
    """The row by the rule that reads the whole answer."""
    return row if row.answered.problem else replace(row, parsed=whole_answer(row.answered.text or ""))


def _family(rows: Sequence[Scored], suffix: str, says: Says) -> list[Metric]:
    """All numbers by one rule."""
    settings = by_group(rows, "setting", SETTINGS)
    mean = _mean_f1(rows, list(settings), says, suffix)
    if len(settings) < len(SETTINGS):
        part = replace(mean, group=f"{len(settings)} of {len(SETTINGS)} settings")
        found = [replace(mean, value=None, tally=None), part]
    else:
        found = [mean]
    found += _numbers(rows, says, suffix, "", pooled=True)
    for name, own in settings.items():
        found += _numbers(own, says, suffix, f"setting: {name}")
    return found


def _sums(row: Scored, says: Says) -> list[float]:
    """(tp, fp, fn, tn, 1); an answer that was not understood misses what is there, and finds nothing absent."""
    said, there = says(row), row.question.references[0] == "yes"
    return [
        float(said == "yes" and there),
        float(said == "yes" and not there),
        float(said != "yes" and there),
        float(said == "no" and not there),
        1.0,
    ]


def _numbers(rows: Sequence[Scored], says: Says, suffix: str, group: str, pooled: bool = False) -> list[Metric]:
    sums = [_sums(row, says) for row in rows]
    names: dict[str, Of] = {"F1, pooled" if pooled else "F1": _f1, "accuracy": _accuracy}
    names |= {"precision": _precision, "recall": _recall, "yes ratio": _yes}
    return [
        metric(name + suffix, rows, sums, of, group=group, scale=50.0 if name == "yes ratio" else 100.0)
        for name, of in names.items()
    ]


def _mean_f1(rows: Sequence[Scored], settings: Sequence[str], says: Says, suffix: str) -> Metric:
    def parts(row: Scored) -> list[float]:
        found = [0.0] * (_SUMS * len(settings))
        at = _SUMS * settings.index(row.question.groups["setting"])
        found[at : at + _SUMS] = _sums(row, says)
        return found

    def mean(sums: F64) -> F64:
        each = [_f1(sums[..., at : at + _SUMS]) for at in range(0, _SUMS * len(settings), _SUMS)]
        return np.asarray(np.mean(each, axis=0))

    return metric(f"F1{suffix}", rows, [parts(row) for row in rows], mean)


def _share(above: F64, below: F64) -> F64:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100.0 * above / below)


def _f1(sums: F64) -> F64:
    """0 where there is a positive and nothing is found; the script divides by zero there."""
    tp, fp, fn = sums[..., 0], sums[..., 1], sums[..., 2]
    return _share(2 * tp, 2 * tp + fp + fn)


def _accuracy(sums: F64) -> F64:
    return _share(sums[..., 0] + sums[..., 3], sums[..., 4])


def _precision(sums: F64) -> F64:
    return _share(sums[..., 0], sums[..., 0] + sums[..., 1])


def _recall(sums: F64) -> F64:
    return _share(sums[..., 0], sums[..., 0] + sums[..., 2])


def _yes(sums: F64) -> F64:
    return _share(sums[..., 0] + sums[..., 1], sums[..., 4])
