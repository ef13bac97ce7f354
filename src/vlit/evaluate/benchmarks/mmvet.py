"""MM-Vet: 218 questions that need several capabilities at once, graded between 0 and 1 by a judge.

Yu et al. 2023, "MM-Vet: Evaluating Large Multimodal Models for Integrated Capabilities"; official grader
and ``mm-vet.json``. The truth of a question holds elements: with ``<AND>`` all of them have to be in the
answer, with ``<OR>`` one of them. Official numbers: the mean of all grades in percent ("total"), the mean for
each of the six capabilities (rec, ocr, know, gen, spat, math) over the questions that need it, and for each of
their 16 combinations. A question counts once for each capability that it needs.

Different from the official grader: the prompt is our own and asks for the same, steps of
0.1 included; a reply without a grade is sent back once, then left out and counted, where the official grader
asks up to five times, at a higher temperature each time, and then takes 0.0; the judge is whom you name, where
papers have gpt-4-0613 or gpt-4-0314. ``rounds`` averages several replies, as the paper does with five;
"standard deviation over rounds" is the official one, of the total. An empty answer is worth 0 without a judge,
and so is a question that was not asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pydantic

from vlit.data.sample import IMAGE_TOKEN
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.judge import Ask, JudgedBenchmark, JudgedConfig, JudgePrompt, Said
from vlit.evaluate.metric import F64, Metric, accuracy, metric
from vlit.evaluate.parsing.judged import numbers, unit_score
from vlit.evaluate.parsing.reading import Needs, Reading
from vlit.evaluate.question import Answered, Parsed, Question, Scored

#: The capabilities in the order of the paper.
CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")

PROMPT = JudgePrompt(
    name="grade",
    system=(
        "You grade an answer to a question about a picture that you cannot see, against what is known to be "
        "right. The known answer may have several elements. Where <AND> parts them, the answer has to give all "
        "of them; where <OR> parts them, one of them is enough. The wording may differ; what is added and does "
        "not contradict costs nothing.\n"
        "The grade is 0.0 for an answer that is wholly wrong, 1.0 for one that is wholly right, and a step of "
        "0.1 between them by the share that is right.\n\n"
        "Examples\n"
        "Question: Which fruits lie in the bowl?\nKnown: apples <AND> plums\nAnswer: I can see some apples.\n"
        "Score: 0.5\n\n"
        "Question: Where was this taken?\nKnown: Lisbon <OR> Portugal\nAnswer: A square in Lisbon, Portugal.\n"
        "Score: 1.0\n\n"
        "Question: What does 3 x 7 on the board come to?\nKnown: 21\nAnswer: It comes to 24.\nScore: 0.0"
    ),
    ask=(
        "Question: {question}\nKnown: {known}\nAnswer: {answer}\n\n"
        "Reply with one line, `Score:` and the grade, and nothing else."
    ),
    again="Your grade cannot be read: {flaw}. Reply with `Score:` and one number from 0.0 to 1.0 alone.",
)


class MMVetConfig(JudgedConfig):
    """Where the official files are."""

    questions: str = pydantic.Field("mm-vet.json", description="the official JSON")
    images: str = pydantic.Field("images", description="folder of the photos")
    judge_temperature: float = pydantic.Field(0.0, ge=0)
    judge_tokens: int = pydantic.Field(64, ge=16, description="that a reply may take")


class MMVet(JudgedBenchmark[MMVetConfig]):
    """MM-Vet v1."""

    name = "mmvet"
    title = "MM-Vet"
    source = "Yu et al. 2023, MM-Vet; mm-vet_evaluator"
    protocols: ClassVar[tuple[str, ...]] = ("open",)
    metric = ("total", "")
    licence = "Apache-2.0; photos from the web"
    judge_prompt = PROMPT
    Config = MMVetConfig
    _ids: Sequence[str] = ()  #: that the official grader wants an answer to

    def load(self, base: Path) -> Loaded:
        """The questions by their ids, ``v1_0`` and so on."""
        reading = Reading(self.name, base)
        photos = reading.photos(self.config.images)
        needs: Needs = {"imagename": str, "question": str, "answer": (str, int, float), "capability": list}
        questions = []
        records = reading.records(self.config.questions)
        self._ids = [record.place for record in records]
        for record in reading.usable(records, None, needs):
            able = {str(name) for name in record["capability"]}
            if strange := sorted(able - set(CAPABILITIES)):
                why = f"MM-Vet v1 has no capability {', '.join(strange)}; its file is mm-vet.json"
                reading.lose_record(record, "capability", record["capability"], why)
            elif (image := reading.photo(photos, record["imagename"], record, "imagename")) is not None:
                needed = [name for name in CAPABILITIES if name in able]
                questions.append(
                    Question(
                        id=record.id,
                        prompt=f"{IMAGE_TOKEN}\n{record['question']}",
                        images=(image,),
                        references=(str(record["answer"]),),
                        groups={"combination": ", ".join(needed)},
                        extra={"question": record["question"], "capability": needed},
                    )
                )
        return reading.loaded(questions)

    def asks(self, row: Answered) -> Sequence[Ask]:
        """One grade for each round; an empty answer is worth nothing without a judge."""
        answer, question = (row.text or "").strip(), row.question
        if not answer:
            return []
        slots = {"question": question.extra["question"], "known": known(question), "answer": answer}
        text = self.judge_prompt.ask.format_map(slots)
        return [Ask("grade", text, r) for r in range(self.config.rounds)]

    def parse(self, question: Question, text: str) -> Parsed:
        """The grade in a reply of the judge."""
        return unit_score(text)

    def score(self, question: Question, parsed: Parsed) -> float:
        """The mean of the grades."""
        return float(np.mean(numbers(parsed.value))) if parsed.value else 0.0

    def verdict(self, row: Answered, said: Sequence[tuple[Said, Parsed]]) -> Scored:
        """The grades of all rounds that could be read; none of them leaves the question out."""
        if not said:
            return Scored(row, Parsed(None, "the answer is empty"), 0.0)
        grades = [parsed.value for _, parsed in said if parsed.value is not None]
        if not grades:
            return Scored(row, said[0][1], None)
        missing = len(said) - len(grades)
        whole = Parsed(" ".join(grades), f"{missing} of {len(said)} rounds unreadable" if missing else "grade")
        return Scored(row, whole, self.score(row.question, whole))

    def unasked(self, row: Answered) -> Scored:
        """A question that was not put to the model is worth nothing, and is counted."""
        return Scored(row, Parsed(None, f"not asked: {row.problem}"), 0.0)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Total, capabilities, combinations; what the judge failed at is left out and counted."""
        groups: dict[str, list[Scored]] = {"": list(rows)}
        for name in CAPABILITIES:
            groups[f"capability: {name}"] = [r for r in rows if name in r.question.extra["capability"]]
        for row in rows:
            groups.setdefault(f"combination: {row.question.groups['combination']}", []).append(row)
        found = [_mean(own, group) for group, own in groups.items() if own or not group]
        if self.config.rounds > 1:
            whole = [(row, grades) for row in rows if (grades := _grades(row, self.config.rounds))]
            own = [row for row, _ in whole]
            parts = [(*grades, 1.0) for _, grades in whole]
            found.append(metric("standard deviation over rounds", own, parts, _deviation, scale=0))
        return found

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """The answers by id, as the official grader takes them: all ids of the file, ``""`` for none."""
        said = dict.fromkeys(self._ids, "") | {row.question.id: row.text or "" for row in rows}
        return {"mmvet_answers.json": json.dumps(said, ensure_ascii=False).encode()}


def known(question: Question) -> str:
    """What is right, with spaces around the marks between its elements."""
    text = question.references[0]
    for mark in ("<AND>", "<OR>"):
        text = f" {mark} ".join(part.strip() for part in text.split(mark))
    return text


def _grades(row: Scored, rounds: int) -> list[float]:
    """The grade of each round, nothing where one could not be read; zeros where no judge was needed."""
    if row.value is None:
        return []
    found = list(numbers(row.parsed.value)) if row.parsed.value is not None else [0.0] * rounds
    return found if len(found) == rounds else []


def _deviation(sums: F64) -> F64:
    """(..., rounds + 1) of grades and how many to the standard deviation of the rounds' totals, in percent."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: F64 = np.std(100.0 * sums[..., :-1] / sums[..., -1:], axis=-1)
    return found


def _mean(rows: Sequence[Scored], group: str) -> Metric:
    found = accuracy(rows, "total" if not group else "grade", group)
    failed = sum(row.value is None for row in rows)
    return replace(found, failures=found.failures + failed)
