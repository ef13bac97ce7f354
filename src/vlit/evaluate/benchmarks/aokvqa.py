"""A-OKVQA: questions about COCO photos that need knowledge of the world; four choices, ten answers.

Source: Schwenk et al., A-OKVQA (2022), and the script of its repository; prompts of LLaVA-1.5 (2023).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from vlit.evaluate.benchmark import BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.choice import LETTER, Choice, lettered
from vlit.evaluate.benchmarks.vqa import ids_of
from vlit.evaluate.metric import Metric, accuracy
from vlit.evaluate.parsing import letters
from vlit.evaluate.parsing.coco import coco_photo
from vlit.evaluate.parsing.reading import Needs, Photos, Reading, Record
from vlit.evaluate.parsing.vqa import evalai
from vlit.evaluate.question import Answered, Parsed, Question, Scored

_PHRASE = "Answer the question using a single word or phrase."
_NEEDS: Needs = {"question": str, "choices": list, "image_id": (int, str)}


class AOKVQAConfig(BenchmarkConfig):
    """Files of A-OKVQA."""

    questions: str = "aokvqa_v1p0_val.json"
    images: str = "val2017"


class AOKVQA(Choice[AOKVQAConfig]):
    """A-OKVQA by ``choice`` (the letter) or ``direct`` (a word or phrase).

    Direct: min(1, people who said so / 3), and 0 for an empty answer. Quirks of the official script: the
    answer has to be equal to the people's, letter by letter, so that "Dog." is not "dog"; nothing is left out
    and averaged as in VQA; questions marked ``difficult_direct_answer`` are not asked (an older version of the
    script left them out of multiple choice instead). "accuracy, normalised" puts answers into the form of
    VQA's server first. Choice: the official script compares contents; a letter here stands for its content (of
    two options of the same content either is right), and an answer that states none is wrong and counted. It is
    ``""`` in the server's file, which has all ids of the questions file; the script's strict mode takes nothing
    but contents of options there. Without public answers (test) nothing is scored.
    """

    name = "aokvqa"
    title = "A-OKVQA"
    source = (
        "Schwenk et al., A-OKVQA (2022); eval_predictions.py of its repository; prompts of LLaVA-1.5 (2023)"
    )
    protocols = ("choice", "direct")
    licence = "Apache-2.0"
    max_new_tokens = 128  # as in LLaVA's runs
    Config = AOKVQAConfig
    rules: ClassVar[Mapping[str, letters.Rule]] = {"accuracy, lone letter": letters.lone}
    _ids: Sequence[Any] = ()  #: that the server's file has to have

    def load(self, base: Path) -> Loaded:
        """The questions of a split."""
        reading = Reading(self.name, base)
        photos = reading.photos(self.config.images)
        direct = self.protocol == "direct"
        asked, hard = [], 0
        records = reading.records(self.config.questions)
        self._ids = ids_of(reading, records, None)
        for record in reading.usable(records, "question_id", _NEEDS):
            if direct and record.get("difficult_direct_answer") is True:
                hard += 1
            elif question := self._question(reading, photos, record):
                asked.append(question)
        if hard:
            reading.remarks.append(f"{hard:,} questions are too open for direct answers, and are not asked")
        if asked and not any(question.references for question in asked):
            reading.remarks.append("the file has no answers: nothing is scored, the server's file is written")
        return reading.loaded(asked)

    def _question(self, reading: Reading, photos: Photos, record: Record) -> Question | None:
        options = tuple(map(str, record["choices"]))
        right, people = record.get("correct_choice_idx"), record.get("direct_answers", [])
        if right is not None and (not isinstance(right, int) or not 0 <= right < len(options)):
            reading.lose_record(record, "correct_choice_idx", right, f"there are {len(options)} choices")
            return None
        if not isinstance(people, list):
            reading.lose_record(record, "direct_answers", people, "direct_answers should be a list")
            return None
        name = f"{str(record['image_id']).zfill(12)}.jpg"
        if (photo := coco_photo(reading, photos, name, record)) is None:
            return None
        ask, references = f"{record['question']}\n{_PHRASE}", tuple(map(str, people))
        if self.protocol == "choice":
            ask = f"{record['question']}\n{lettered(options)}\n{LETTER}"
            references = () if right is None else (chr(ord("A") + right),)
        return Question(
            id=record.id,
            prompt=f"<image>\n{ask}",
            images=(photo,),
            options=options if self.protocol == "choice" else (),
            references=references,
        )

    def parse(self, question: Question, text: str) -> Parsed:
        """The letter that is stated, or the answer as it was said, without the space around it."""
        if self.protocol == "choice":
            return super().parse(question, text)
        return Parsed(text.strip(), "as said") if text.strip() else letters.EMPTY

    def score(self, question: Question, parsed: Parsed) -> float:
        """1 for the letter of the right content; of a direct answer min(1, people who said so / 3)."""
        if self.protocol == "choice":
            contents = {question.options[ord(letter) - ord("A")] for letter in question.references}
            return float(
                parsed.value is not None and question.options[ord(parsed.value) - ord("A")] in contents
            )
        return min(1.0, sum(parsed.value == answer for answer in question.references) / 3)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracy by the official rule, and beside it by another."""
        if self.protocol == "choice":
            return super().aggregate(rows)
        return [accuracy(rows), accuracy([_normalised(row) for row in rows], "accuracy, normalised")]

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """The leaderboard's file: for each question its content or its direct answer, or ``""``."""
        key = "multiple_choice" if self.protocol == "choice" else "direct_answer"
        found = {str(id): {key: ""} for id in self._ids}
        for row in self.scored(rows):
            said = row.parsed.value or ""
            if self.protocol == "choice" and said:
                said = row.question.options[ord(said) - ord("A")]
            found[row.question.id] = {key: said}
        return {f"aokvqa_{key}.json": json.dumps(found, ensure_ascii=False).encode()}


def _normalised(row: Scored) -> Scored:
    """A direct answer with both sides in the form of VQA's server."""
    if row.value is None or row.parsed.value is None:
        return row
    said = evalai(row.parsed.value)
    return replace(row, value=min(1.0, sum(said == evalai(a) for a in row.question.references) / 3))
