"""A benchmark of the tests: its questions are given to it, an answer is right where it is the reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.tune.photos import photos
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.judge import Ask, JudgedBenchmark, JudgedConfig, JudgePrompt, Said
from vlit.evaluate.metric import Metric, accuracies, accuracy
from vlit.evaluate.parsing.reading import Reading
from vlit.evaluate.question import Answered, Parsed, Question, Scored


class Toy(Benchmark[BenchmarkConfig]):
    """Any answer of one word is understood."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy"
    source: ClassVar[str] = "none"
    protocols: ClassVar[tuple[str, ...]] = ("word", "ranking")
    max_new_tokens: ClassVar[int] = 6
    Config: ClassVar[type[BenchmarkConfig]] = BenchmarkConfig

    def __init__(self, config: BenchmarkConfig | None = None, questions: Sequence[Question] = ()) -> None:
        super().__init__(config or BenchmarkConfig())
        self.questions = questions

    def load(self, base: Path) -> Loaded:
        return Loaded(self.questions, {"toy.json": "0" * 32})

    def parse(self, question: Question, text: str) -> Parsed:
        """One word alone."""
        return Parsed(text, "one word") if len(text.split()) == 1 else Parsed(None, "not one word")

    def score(self, question: Question, parsed: Parsed) -> float:
        return float(parsed.value in question.references)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        return [accuracy(rows), *accuracies(rows, "kind")]


class FileConfig(BenchmarkConfig):
    """Where its questions are."""

    path: str
    images: str | None = None


class FileToy(Toy):
    """Its questions stand in a file: a list of id, question, answer, and photo."""

    name: ClassVar[str] = "file_toy"
    Config = FileConfig

    def __init__(self, config: FileConfig) -> None:
        super().__init__(config)

    def load(self, base: Path) -> Loaded:
        reading = Reading(self.name, base)
        photos = reading.photos(self.config.images) if self.config.images else None  # type: ignore[attr-defined]
        found = []
        for record in reading.usable(reading.records(self.config.path), "id", {"answer": str}):  # type: ignore[attr-defined]
            shown = reading.photo(photos, record["image"], record) if photos and record.get("image") else None
            if shown is None and record.get("image"):
                continue
            prompt = "<image>\n" * (shown is not None) + record["question"]
            images = () if shown is None else (shown,)
            answers = (record["answer"],)
            found.append(Question(id=record.id, prompt=prompt, images=images, references=answers))
        return reading.loaded(found)

    def submission(self, rows: Sequence[Answered]) -> dict[str, bytes]:
        return {"upload.json": json.dumps({row.question.id: row.text for row in rows}).encode()}


class JudgedToy(JudgedBenchmark[JudgedConfig]):
    """Three questions without photos; the judge gives 0 to 9."""

    name: ClassVar[str] = "judged_toy"
    title: ClassVar[str] = "Judged toy"
    source: ClassVar[str] = "none"
    protocols: ClassVar[tuple[str, ...]] = ("mark",)
    judge_prompt = JudgePrompt("toy", "You mark answers.", "Mark this: {answer}", "No mark: {flaw}")
    Config: ClassVar[type[BenchmarkConfig]] = JudgedConfig

    def load(self, base: Path) -> Loaded:
        return Loaded([Question(id=f"j{n}", prompt=f"Tell number {n}?") for n in range(3)], {})

    def asks(self, row: Answered) -> Sequence[Ask]:
        return [Ask("mark", f"Mark this: {row.text}")]

    def parse(self, question: Question, text: str) -> Parsed:
        """One digit."""
        return Parsed(text, "digit") if text.isdigit() else Parsed(None, "no digit")

    def score(self, question: Question, parsed: Parsed) -> float:
        return float(parsed.value or 0) / 9

    def verdict(self, row: Answered, said: Sequence[tuple[Said, Parsed]]) -> Scored:
        ((_, parsed),) = said
        return Scored(row, parsed, None if parsed.failed else self.score(row.question, parsed))

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        return [accuracy(rows)]


def questions(count: int) -> list[Question]:
    """Of several lengths, on the photos of the demo; every fourth has no photo."""
    found = []
    for number in range(count):
        images = () if number % 4 == 3 else (photos()[number % 5],)
        found.append(
            Question(
                id=f"q{number}",
                prompt="<image>\n" * len(images) + f"What is number {number}?{' Look well.' * (number % 3)}",
                images=images,
                options=("a dog", "a cat", "a long wet street", "no"),
                references=("A",),
                groups={"kind": "even" if number % 2 == 0 else "odd"},
                unit=f"u{number // 2}",
            )
        )
    return found
