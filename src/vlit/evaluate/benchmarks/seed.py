"""SEED-Bench: 14,233 questions about photos in nine dimensions, four options each.

Source: Li et al., SEED-Bench: Benchmarking Multimodal LLMs with Generative Comprehension (2023), and its
script, which ranks the options by their loss. LLaVA-1.5 (2023) lets the model say the letter: another protocol,
whose numbers cannot be set beside ranked ones. Questions about videos are listed as lost: only photos are
asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pydantic

from vlit.evaluate.benchmark import Loaded, RankedConfig
from vlit.evaluate.benchmarks.choice import LETTER, Choice, lettered
from vlit.evaluate.parsing import letters
from vlit.evaluate.parsing.reading import Needs, Photos, Reading, Record
from vlit.evaluate.question import Answered, Question

#: Dimensions in the official order, numbered from 1: of version 1, then those of photos that version 2 adds.
DIMENSIONS = (
    "Scene Understanding",
    "Instance Identity",
    "Instance Attributes",
    "Instance Location",
    "Instances Counting",
    "Spatial Relation",
    "Instance Interaction",
    "Visual Reasoning",
    "Text Understanding",
)
MORE_DIMENSIONS = (
    "Celebrity Recognition",
    "Landmark Recognition",
    "Chart Understanding",
    "Visual Referring Expression",
    "Science Knowledge",
    "Emotion Recognition",
    "Visual Mathematics",
)
#: Questions of the two files that were published as version 1.
_SIZES = {19_242: "the first file (July 2023)", 17_997: "the corrected file, official now"}
_CHOICES = ("choice_a", "choice_b", "choice_c", "choice_d")
_NEEDS: Needs = {
    "question": str,
    "answer": str,
    "data_id": (str, list),
    "question_type_id": int,
    **dict.fromkeys(_CHOICES, (str, int, float)),
}


class SeedConfig(RankedConfig):
    """Files of SEED-Bench."""

    questions: str = "SEED-Bench.json"
    images: str = "SEED-Bench-image"
    ranking_prompt: str = "{question}"  # InstructBLIP is officially asked "Question: {question}\nAnswer:"

    @pydantic.field_validator("ranking_prompt")
    @classmethod
    def _has_the_question(cls, value: str) -> str:
        if value.count("{question}") != 1:
            raise ValueError("it has to hold {question} once")
        return value


class Seed(Choice[SeedConfig]):
    """SEED-Bench, the dimensions of photos.

    ``letter`` asks as LLaVA-1.5 does and reads the letter that is stated; "accuracy, exact letter" is LLaVA's
    own rule, for which "A." is wrong, and "accuracy, lone letter" the one behind public leaderboards.
    ``ranking`` is the official protocol: the option of the lowest loss. Its official forms differ by model:
    LLaVA reads the bare question in its chat template, and the mean loss of an option's tokens with the one
    that ends it; InstructBLIP reads "Question: ... Answer:", and the sum. Quirks: the official script stops
    with a KeyError before it prints a number, so that accuracy is computed here as its text says; the total is
    over questions, and no mean of dimensions.
    """

    beyond: ClassVar[tuple[str, ...]] = ("data_type",)
    name = "seed"
    title = "SEED-Bench"
    source = "Li et al., SEED-Bench (2023); eval.py of its repository; letters as in LLaVA-1.5 (2023)"
    protocols = ("letter", "ranking")
    licence = "CC BY-NC 4.0"
    max_new_tokens = 128
    Config = SeedConfig
    rules: ClassVar[Mapping[str, letters.Rule]] = {
        "accuracy, exact letter": letters.exact,
        "accuracy, lone letter": letters.lone,
    }
    group: ClassVar[tuple[str, Sequence[str]]] = ("dimension", (*DIMENSIONS, *MORE_DIMENSIONS))

    def load(self, base: Path) -> Loaded:
        """Questions of photos; those of videos and of several photos are lost, with their reason."""
        reading = Reading(self.name, base)
        data = reading.json(self.config.questions)
        listed = data.get("questions") if isinstance(data, dict) else data
        if not isinstance(listed, list) or not any(isinstance(r, dict) and "choice_a" in r for r in listed):
            raise reading.wrong(
                "this is no question file of SEED-Bench",
                self.config.questions,
                "take the official SEED-Bench.json",
            )
        records = reading.of(listed, self.config.questions)
        second = any("subpart" in record.values for record in records)
        reading.remarks.append(_version(records, second))
        photos = reading.photos(self.config.images)
        names = (*DIMENSIONS, *MORE_DIMENSIONS) if second else DIMENSIONS
        usable = reading.usable(records, "question_id", _NEEDS)
        found = [self._question(reading, photos, record, names) for record in usable]
        return reading.loaded([question for question in found if question is not None])

    def _question(
        self, reading: Reading, photos: Photos, record: Record, names: Sequence[str]
    ) -> Question | None:
        number, kind = record["question_type_id"], record.get("data_type")
        if not isinstance(kind, str):  # a damaged record, and not one that is beyond the benchmark
            reading.lose_record(record, "record", kind, "data_type is missing")
            return None
        if kind.lower() not in ("image", "single image"):
            reading.lose_record(
                record, "data_type", kind, f"dimension {number} is of {kind}: only photos are asked"
            )
            return None
        if not 1 <= number <= len(names):
            reading.lose_record(record, "question_type_id", number, "no dimension of photos has this number")
            return None
        options = tuple(str(record[key]) for key in _CHOICES)
        if record["answer"] not in ("A", "B", "C", "D"):
            reading.lose_record(record, "answer", record["answer"], "the right answer is none of A to D")
            return None
        data = record["data_id"]
        file, *more = [data] if isinstance(data, str) else map(str, data)
        if more:
            reading.lose_record(record, "data_id", data, f"{1 + len(more)} photos where one is meant")
            return None
        if (photo := reading.photo(photos, file, record, "data_id")) is None:
            return None
        return Question(
            id=record.id,
            prompt=self._prompt(record["question"], options),
            images=(photo,),
            options=options,
            references=(record["answer"],),
            groups={"dimension": names[number - 1]},
        )

    def _prompt(self, question: str, options: Sequence[str]) -> str:
        """LLaVA's prompt for letters; where options are ranked, none is shown."""
        if self.ranks:
            return "<image>\n" + self.config.ranking_prompt.replace("{question}", question)
        return f"<image>\n{question}\n{lettered(options)}\n{LETTER}"

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """The leaderboard's file: a line for each question with its id and letter, empty where none is."""
        lines = [
            json.dumps({"question_id": row.question.id, "prediction": row.parsed.value or ""})
            for row in self.scored(rows)
        ]
        return {"seed_bench.jsonl": "".join(line + "\n" for line in lines).encode()}


def _version(records: Sequence[Record], second: bool) -> str:
    """Which file this is, with its counts: scores of files of different size cannot be compared."""
    kinds = Counter(str(record.get("data_type", "nothing")).lower() for record in records)
    counts = ", ".join(f"{n:,} of {kind}" for kind, n in sorted(kinds.items()))
    if second:
        return f"SEED-Bench-2, {len(records):,} questions ({counts}): those of single photos are asked"
    which = _SIZES.get(len(records), "neither of the two published files (19,242 and 17,997 questions)")
    return f"SEED-Bench version 1, {which}: {len(records):,} questions ({counts})"
