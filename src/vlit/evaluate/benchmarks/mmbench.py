"""MMBench: multiple choice about photos in 20 abilities, English and Chinese, vanilla and circular.

Source: Liu et al., MMBench: Is Your Multi-modal Model an All-around Player? (2023); prompt of LLaVA-1.5 (2023).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from vlit.data.images import ImageProblem
from vlit.data.scene import Image
from vlit.evaluate.benchmark import BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.choice import LETTER, Choice, lettered
from vlit.evaluate.metric import Metric, accuracies, accuracy
from vlit.evaluate.parsing import letters
from vlit.evaluate.parsing.embedded import Embedded
from vlit.evaluate.parsing.reading import Reading, Record
from vlit.evaluate.question import Answered, Parsed, Question, Scored
from vlit.evaluate.spreadsheet import xlsx

#: What defines the Chinese protocol: "Answer with the option's letter directly."
LETTER_CN = "请直接回答选项字母。"
#: Rows of official circular files: the index of the question, and this for each rotation.
ROTATION = 1_000_000
_LETTERS = "ABCD"
#: How tables written by pandas spell an empty cell; an option of that name cannot be told from none.
_ABSENT = ("", "nan", "NaN")
#: A hint that LLaVA's script leaves out, in lower case.
_NO_HINT = ("", "nan", "none")


class MMBenchConfig(BenchmarkConfig):
    """Files of MMBench."""

    table: str = "mmbench_dev_en.tsv"
    language: Literal["en", "cn"] = "en"
    images: str | None = None  # folder that the table's photos are written to; by default beside the table


class MMBench(Choice[MMBenchConfig]):
    """MMBench.

    ``vanilla`` asks each question once. ``circular`` asks it with its options in each rotation, and it counts
    when all rotations are right: guessing 4 options 4 times is right in 0.4 %. Rotations are taken from the
    table where it has them (index + 1,000,000 x rotation), else made. A question of which not all rotations
    were asked counts as not asked. The official server lets a language model match answers that the rules do
    not understand and takes a random letter where that fails: here such an answer is wrong and counted.
    Without public answers (test) nothing is scored; the file for the server is written in both cases. Quirk:
    options end at the first empty cell.
    """

    name = "mmbench"
    title = "MMBench"
    source = "Liu et al., MMBench (2023); prompt of LLaVA-1.5 (2023); circular as in VLMEvalKit"
    protocols = ("vanilla", "circular")
    licence = "Apache-2.0"
    max_new_tokens = 128
    Config = MMBenchConfig
    rules: ClassVar[Mapping[str, letters.Rule]] = {"accuracy, lone letter": letters.lone}

    def load(self, base: Path) -> Loaded:
        """The questions of a table; rotations of one follow each other."""
        reading = Reading(self.name, base)
        records = reading.table(self.config.table, columns=("index", "question", "A", "B", "image"))
        rows = {}
        for record in reading.usable(records, "index", {"question": str, "A": str, "B": str, "image": str}):
            if re.fullmatch(r"0|[1-9][0-9]{0,14}", record.id):
                rows[int(record.id)] = record
            else:
                reading.lose_record(record, "index", record.id, "the index is no whole number")
        kept = Embedded.beside(reading.path(self.config.table), self.config.images, base)
        rotated = sum(index >= ROTATION for index in rows)
        found: list[Question] = []
        for index in rows:
            if index < ROTATION:
                found += self._questions(reading, kept, rows, index)
            elif index % ROTATION not in rows:
                reading.lose_record(rows[index], "index", index, "its first rotation is not there")
        main = len(rows) - rotated
        reading.remarks.append(f"{main:,} questions, {rotated:,} rotations in the table, {len(found):,} asked")
        if not any(question.references for question in found):
            reading.remarks.append("the table has no answers: nothing is scored, the server's file is written")
        return reading.loaded(found)

    def _questions(
        self, reading: Reading, kept: Embedded, rows: Mapping[int, Record], index: int
    ) -> Iterator[Question]:
        record = rows[index]
        if (photo := _photo(reading, kept, rows, record)) is None:
            return
        options = _options(record)
        if (right := record.get("answer")) is not None and right not in tuple(_LETTERS[: len(options)]):
            reading.lose_record(record, "answer", right, f"there are {len(options)} options")
            return
        if self.protocol == "vanilla":
            yield self._question(record, photo, options, right, 0, 1)
            return
        for k in range(len(options)):
            turned = options[k:] + options[:k]
            moved = right and _LETTERS[(_LETTERS.index(right) - k) % len(options)]
            own = rows.get(index + k * ROTATION, record) if k else record
            if own is not record:
                if _same_question(own, turned, moved):
                    turned, moved = _options(own), own.get("answer")
                else:
                    why = "not its question with the options turned; a rotation is made"
                    reading.lose(own.file, own.id, "answer", own.get("answer"), why, repaired=True)
                    own = record
            yield self._question(own, photo, turned, moved, k, len(options))

    def _question(
        self, record: Record, photo: Image, options: tuple[str, ...], right: str | None, k: int, rounds: int
    ) -> Question:
        index = int(record.id) % ROTATION
        hint, asked = record.get("hint", ""), record["question"]
        told = f"{hint}\n{asked}" if hint.lower() not in _NO_HINT else asked
        suffix = LETTER if self.config.language == "en" else LETTER_CN
        groups = {key: record[key] for key in ("l2-category", "category") if record.get(key)}
        return Question(
            id=f"{index}#{k + 1}" if self.protocol == "circular" else str(index),
            prompt=f"<image>\n{told}\n{lettered(options)}\n{suffix}",
            images=(photo,),
            options=options,
            references=(right,) if right else (),
            groups=groups,
            unit=str(index),
            extra={"index": index, "question": asked, "rotation": k, "rotations": rounds},
        )

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracy, its six L-2 abilities and 20 categories; circular beside that of the first rotation."""
        found = self._by_ability(rows if self.protocol == "vanilla" else together(rows), "accuracy")
        if self.protocol == "circular":
            first = [row for row in rows if row.question.extra.get("rotation") == 0]
            found.append(accuracy(first, "accuracy, first rotation alone"))
        for name, rule in self.rules.items():
            others = letters.rescored(rows, rule)
            found.append(accuracy(others if self.protocol == "vanilla" else together(others), name))
        return found

    def _by_ability(self, rows: Sequence[Scored], name: str) -> list[Metric]:
        return [accuracy(rows, name), *accuracies(rows, "l2-category"), *accuracies(rows, "category")]

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """The server's spreadsheet: index, question, options, and the letter or else what was said."""
        table: list[list[Any]] = [["index", "question", *_LETTERS, "prediction"]]
        for row in self.scored(rows):
            own = row.question.extra
            options = [*row.question.options, *[None] * len(_LETTERS)][: len(_LETTERS)]
            index = own["index"] + own["rotation"] * ROTATION
            table.append([index, own["question"], *options, row.parsed.value or row.answered.text or ""])
        return {f"mmbench_{self.config.language}.xlsx": xlsx(table)}


def together(rows: Sequence[Scored]) -> list[Scored]:
    """A row for each question: its worst rotation, so that it counts when all are right."""
    units: dict[str, list[Scored]] = {}
    for row in rows:
        units.setdefault(row.question.unit, []).append(row)
    found = []
    for own in units.values():
        rounds = int(own[0].question.extra.get("rotations", 1))
        if len({row.question.id for row in own}) < rounds or any(row.answered.problem for row in own):
            why = "not all rotations were asked"
            found.append(Scored(Answered(question=own[0].question, problem=why), Parsed(None, why), 0.0))
        else:
            found.append(min(own, key=lambda row: -1.0 if row.value is None else row.value))
    return found


def _options(record: Record) -> tuple[str, ...]:
    """Options up to the first empty cell, as in the official scripts."""
    found: list[str] = []
    for letter in _LETTERS:
        if record.get(letter, "") in _ABSENT:
            break
        found.append(record[letter])
    return tuple(found)


def _same_question(row: Record, options: tuple[str, ...], right: str | None) -> bool:
    """Whether a row has the same options in any order, and its answer is the same one of them."""
    own, answer = _options(row), row.get("answer")
    if sorted(own) != sorted(options) or (answer is None) != (right is None):
        return False
    if answer is None or right is None:
        return True
    return (
        answer in tuple(_LETTERS[: len(own)]) and own[_LETTERS.index(answer)] == options[_LETTERS.index(right)]
    )


def _photo(reading: Reading, kept: Embedded, rows: Mapping[int, Record], record: Record) -> Image | None:
    """The photo of a row; a short number in its place is the index of the row that holds it."""
    cell, index = record["image"], record.id
    if cell.isascii() and cell.isdigit() and len(cell) < 16:
        if int(cell) not in rows:
            reading.lose_record(record, "image", cell, "photo: it is that of a row that is not there")
            return None
        cell, index = rows[int(cell)]["image"], cell
    try:
        return kept.base64(index, cell)
    except ImageProblem as problem:
        reading.lose_record(record, "image", cell[:40], f"photo: {problem}")
        return None
