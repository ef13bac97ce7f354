"""ScienceQA: school questions of 2 to 5 options, with and without photos and context.

Source: Lu et al., Learn to Explain (2022), whose script reads "The answer is B."; LLaVA (2023): two prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from vlit.evaluate.benchmark import BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.choice import LETTER, Choice, lettered
from vlit.evaluate.metric import Metric, accuracies, accuracy
from vlit.evaluate.parsing import letters
from vlit.evaluate.parsing.reading import Photos, Reading, Record
from vlit.evaluate.question import Question, Scored

_SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}
_CONTEXTS = ("TXT", "IMG", "NO")
_GRADES = {f"grade{i}": "G1-6" if i <= 6 else "G7-12" for i in range(1, 13)}
_NEEDS = {"question": str, "choices": list, "answer": int, "subject": str, "grade": str}


class ScienceQAConfig(BenchmarkConfig):
    """Files of ScienceQA."""

    problems: str = "problems.json"
    splits: str = "pid_splits.json"
    split: str = "test"
    images: str = "images"  # <id>/image.png, in sub folders or not
    questions: str | None = None  # LLaVA's file, e.g. llava_test_CQM-A.json: its prompts are taken as they are
    image_only: bool = False  # ask those with a photo alone (ScienceQA-IMG)


class ScienceQA(Choice[ScienceQAConfig]):
    """ScienceQA, all of it or the part with photos.

    ``letter`` is LLaVA-1.5's protocol (context first, the letter directly); ``qcm-lea`` is LLaVA's first, for
    models that were tuned to explain and to end with "The answer is B." Our rule reads both. "accuracy, LLaVA's
    rule" counts an answer FAILED unless it is "B", "B. ..." or says "The answer is B." once.

    Quirks: the original script takes a random option for a FAILED one, which is not done here. TXT and IMG
    overlap. LLaVA counts IMG by what was asked, so that a question without an answer leaves its denominator;
    here it stays. Models without eyes answer many of the rest: compare IMG with IMG alone.
    """

    name = "scienceqa"
    title = "ScienceQA"
    source = "Lu et al., Learn to Explain (2022); prompts and rule of LLaVA (2023)"
    protocols = ("letter", "qcm-lea")
    licence = "CC BY-NC-SA 4.0"
    max_new_tokens = 128
    Config = ScienceQAConfig
    rules: ClassVar[Mapping[str, letters.Rule]] = {
        "accuracy, LLaVA's rule": letters.science_qa,
        "accuracy, lone letter": letters.lone,
    }

    def __init__(self, config: ScienceQAConfig) -> None:
        super().__init__(config)
        if self.protocol == "qcm-lea":
            self.max_new_tokens = 1024  # type: ignore[misc]  # lecture and explanation come first

    def load(self, base: Path) -> Loaded:
        """The questions of a split, in its order."""
        reading = Reading(self.name, base)
        problems = {record.place: record for record in reading.records(self.config.problems)}
        listed = self._split(reading, problems)
        prompts = self._prompts(reading)
        photos = None
        questions = []
        for record in reading.usable(listed, None, _NEEDS):
            if record.get("image") and photos is None:
                photos = reading.photos(self.config.images)
            if question := self._question(reading, photos, record, prompts):
                questions.append(question)
        counts = sum(bool(question.images) for question in questions)
        reading.remarks.append(f"{self.config.split}: {len(questions):,} questions, {counts:,} with a photo")
        return reading.loaded(questions)

    def _split(self, reading: Reading, problems: Mapping[str, Record]) -> list[Record]:
        splits = reading.json(self.config.splits)
        if not isinstance(splits, dict) or not isinstance(splits.get(self.config.split), list):
            known = ", ".join(splits) if isinstance(splits, dict) else "nothing"
            raise reading.wrong(
                f"there is no split {self.config.split!r}", self.config.splits, f"take one of: {known}"
            )
        found = []
        for number in map(str, splits[self.config.split]):
            if number in problems:
                found.append(problems[number])
            else:
                reading.lose(self.config.splits, number, "id", number, "there is no such problem")
        return found

    def _prompts(self, reading: Reading) -> Mapping[str, str] | None:
        """Prompts of LLaVA's file by id, where it is given."""
        if self.config.questions is None:
            return None
        found = {}
        needs = {"conversations": list}
        for record in reading.usable(reading.records(self.config.questions), "id", needs):
            first = record["conversations"][0]
            if not isinstance(first, dict) or not isinstance(first.get("value"), str):
                reading.lose_record(record, "conversations", first, "the first turn has no value")
                continue
            found[record.id] = first["value"].replace("<image>", "").strip()
        return found

    def _question(
        self, reading: Reading, photos: Photos | None, record: Record, prompts: Mapping[str, str] | None
    ) -> Question | None:
        options = tuple(map(str, record["choices"]))
        if not 0 <= record["answer"] < len(options) <= 5:
            reading.lose_record(record, "answer", record["answer"], f"there are {len(options)} options")
            return None
        if unknown := next(
            (k for k, t in (("subject", _SUBJECTS), ("grade", _GRADES)) if record[k] not in t), None
        ):
            reading.lose_record(record, unknown, record[unknown], f"the {unknown} is none of the official ones")
            return None
        shown = bool(record.get("image"))  # some copies have "" for none
        if self.config.image_only and not shown:
            return None
        image = reading.photo(photos, f"{record.id}/{record['image']}", record) if photos and shown else None
        if shown and image is None:
            return None
        if prompts is not None and record.id not in prompts:
            reading.lose_record(record, "id", record.id, f"{self.config.questions} does not have it")
            return None
        hint = str(record.get("hint", ""))
        ask = (
            prompts[record.id]
            if prompts is not None
            else prompt(record["question"], hint, options, self.protocol)
        )
        contexts = (("TXT", bool(hint.strip())), ("IMG", shown), ("NO", not hint.strip() and not shown))
        return Question(
            id=record.id,
            prompt=("<image>\n" if shown else "") + ask + (f"\n{LETTER}" if self.protocol == "letter" else ""),
            images=(image,) if image else (),
            options=options,
            references=(chr(ord("A") + record["answer"]),),
            groups={
                "subject": _SUBJECTS[record["subject"]],
                "grade": _GRADES[record["grade"]],
                **{f"context {name}": name for name, holds in contexts if holds},
            },
        )

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Avg, NAT SOC LAN, TXT IMG NO, G1-6 G7-12 as in the paper; then Avg and IMG by the other rules."""
        found = [accuracy(rows), *accuracies(rows, "subject", tuple(_SUBJECTS.values()))]
        for name in _CONTEXTS:
            found += accuracies(rows, f"context {name}")
        found += accuracies(rows, "grade", ("G1-6", "G7-12"))
        for name, rule in self.rules.items():
            others = letters.rescored(rows, rule)
            shown = [row for row in others if "context IMG" in row.question.groups]
            found.append(accuracy(others, name))
            if shown:
                found.append(accuracy(shown, name, "context IMG: IMG"))
        return found


def prompt(question: str, hint: str, options: Sequence[str], protocol: str) -> str:
    """LLaVA's two forms. Quirks: no context is "N/A", and runs of two spaces become one."""
    context = f"Context: {hint.strip() or 'N/A'}"
    listed = f"Options: {lettered(options, '({}) {}', ' ')}"
    lines = (context, f"Question: {question}", listed) if protocol == "letter" else (question, context, listed)
    return "\n".join(lines).replace("  ", " ").strip()
