"""MMMU: college questions in 30 subjects of six disciplines, multiple choice and open.

Source: Yue et al., MMMU (2023), and its script, whose random guesses are left out.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlit.data.images import ImageProblem
from vlit.data.scene import Image
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.choice import LETTER, lettered
from vlit.evaluate.metric import Metric, accuracies, accuracy
from vlit.evaluate.parsing import letters
from vlit.evaluate.parsing.embedded import Embedded
from vlit.evaluate.parsing.open_answer import candidates, matches
from vlit.evaluate.parsing.reading import Needs, Reading, Record
from vlit.evaluate.question import Answered, Parsed, Question, Scored

#: Disciplines and their subjects in the official order.
DISCIPLINES: Mapping[str, tuple[str, ...]] = {
    "Art and Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science",
        "Clinical_Medicine",
        "Diagnostics_and_Laboratory_Medicine",
        "Pharmacy",
        "Public_Health",
    ),
    "Humanities and Social Science": ("History", "Literature", "Sociology", "Psychology"),
    "Tech and Engineering": (
        "Agriculture",
        "Architecture_and_Engineering",
        "Computer_Science",
        "Electronics",
        "Energy_and_Power",
        "Materials",
        "Mechanical_Engineering",
    ),
}
_DISCIPLINE = {subject: name for name, own in DISCIPLINES.items() for subject in own}
_SUBJECTS = tuple(_DISCIPLINE)
_PHRASE = "Answer the question using a single word or phrase."
_MARK = re.compile(r"<image (\d)>")
_CHOICE, _OPEN = "multiple-choice", ("open", "short-answer")
_SECRET = "?"  #: stands for an answer that is not public


class MMMUConfig(BenchmarkConfig):
    """Files of MMMU."""

    path: str = "MMMU"  # folder of <Subject>/validation-*.parquet, or a JSON or JSONL file of the same records
    split: str = "validation"
    images: str | None = None  # folder that Parquet photos are written to, or that JSON names are in


class MMMU(Benchmark[MMMUConfig]):
    """MMMU, the validation split (900 questions), or another one of the same layout.

    Where answers are not public ("?", the test split), nothing is scored and the server's file is written.

    Multiple choice is read by the official rule: a bracketed letter, else a letter between spaces, else, in
    more than five words, the content of an option; of several the last one. Quirks: "A" between spaces counts
    where it is an article; a lower-case letter does not; the case of contents does not count. Where nothing is
    found the official script takes a random option: here the answer is wrong and counted. Open answers are
    right where one of the candidates that the official rule finds contains the reference, or equals it as a
    number of two decimals. The total is over questions, as in the script. "accuracy, stated letter" is by our
    own strict rule.

    Photos are shown where the question or an option names them; one that is named nowhere comes first. The
    official run for LLaVA-1.5 shows the first photo alone, before the text, and answers questions with several
    photos in their options at random: its published number is of that.
    """

    name = "mmmu"
    title = "MMMU"
    source = "Yue et al., MMMU (2023); eval_utils.py of its repository, without random guesses"
    protocols = ("letter",)
    licence = "Apache-2.0"
    max_new_tokens = 128
    Config = MMMUConfig

    def load(self, base: Path) -> Loaded:
        """The questions of a split, subject by subject."""
        reading = Reading(self.name, base)
        path = (base / Path(self.config.path).expanduser()).resolve()
        if path.is_dir():
            records, show = self._parquet(reading, path, base)
        else:
            records = reading.records(self.config.path)
            photos = reading.photos(self.config.images or ".")

            def show(record: Record, value: Any, number: int) -> Image:
                return photos.find(str(value))

        needs: Needs = {"question": str, "question_type": str, "answer": (str, list)}
        found = [self._question(reading, record, show) for record in reading.usable(records, "id", needs)]
        asked = [question for question in found if question is not None]
        kinds = sum(bool(question.options) for question in asked)
        reading.remarks.append(f"{len(asked):,} questions: {kinds:,} of choice, {len(asked) - kinds:,} open")
        if asked and not any(question.references for question in asked):
            reading.remarks.append(
                "the answers are not public: nothing is scored, the server's file is written"
            )
        return reading.loaded(asked)

    def _parquet(self, reading: Reading, path: Path, base: Path) -> tuple[list[Record], Any]:
        """Records of the Parquet files of all subjects; photos are in their columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = sorted(path.rglob(f"{self.config.split}-*.parquet"))
        if not files:
            raise reading.wrong(
                f"no {self.config.split}-*.parquet lies below the folder", path, "fetch the official folder"
            )
        records = []
        for file in files:
            reading.content(file)  # notes its digest
            try:
                table = pq.read_table(file)
            except (pa.ArrowInvalid, OSError) as error:
                raise reading.wrong(f"this is no Parquet file: {error}", file, "fetch it again") from error
            records += [
                Record(f"{file.parent.name}/{file.name}", f"row {i}", row)
                for i, row in enumerate(table.to_pylist(), start=1)
            ]
        kept = Embedded.beside(path, self.config.images, base)

        def show(record: Record, value: Any, number: int) -> Image:
            if not isinstance(value, dict) or not isinstance(value.get("bytes"), bytes):
                raise ImageProblem("the column holds no photo")
            return kept.file(f"{record.id}_{number}", value["bytes"])

        return records, show

    def _question(self, reading: Reading, record: Record, show: Any) -> Question | None:
        subject = "_".join(record.id.split("_")[1:-1])
        if subject not in _DISCIPLINE:
            reading.lose_record(record, "id", record.id, "the id names none of the 30 subjects")
            return None
        if (kind := record["question_type"]) not in (_CHOICE, *_OPEN):
            reading.lose_record(
                record, "question_type", kind, f"a question is {_CHOICE} or {' or '.join(_OPEN)}"
            )
            return None
        choice = kind == _CHOICE
        options = _listed(record.get("options", ())) if choice else ()
        references = tuple(one for one in _listed(record["answer"]) if one.strip() and one != _SECRET)
        if not references and record["answer"] != _SECRET:
            reading.lose_record(record, "answer", record["answer"], "answer is missing")
            return None
        if choice and (len(options) < 2 or not set(references) <= set("ABCDEFGHI"[: len(options)])):
            reading.lose_record(record, "answer", record["answer"], f"there are {len(options)} options")
            return None
        photos: dict[int, Image] = {}
        for number in range(1, 8):
            if (value := record.get(f"image_{number}")) is not None:
                try:
                    photos[number] = show(record, value, number)
                except ImageProblem as problem:
                    reading.lose_record(record, f"image_{number}", "", f"photo: {problem}")
                    return None
        text = prompt(record["question"], options)
        named = [int(number) for number in _MARK.findall(text)]
        if absent := [number for number in named if number not in photos]:
            reading.lose_record(record, f"image_{absent[0]}", "", "a photo that it names is not there")
            return None
        first = [number for number in photos if number not in named]
        return Question(
            id=record.id,
            prompt="<image>\n" * len(first) + _MARK.sub("<image>", text),
            images=tuple(photos[number] for number in (*first, *named)),
            options=options,
            references=references,
            groups={"discipline": _DISCIPLINE[subject], "subject": subject},
        )

    def parse(self, question: Question, text: str) -> Parsed:
        """The letter by the official rule; of an open question its candidates, as JSON."""
        if question.options:
            return official(text, question.options)
        found = candidates(text)
        return Parsed(json.dumps(found), "candidates") if text.strip() else letters.EMPTY

    def score(self, question: Question, parsed: Parsed) -> float:
        """1 for the right letter, or for an open answer of which a candidate matches a reference."""
        if parsed.value is None:
            return 0.0
        if question.options:
            return float(parsed.value in question.references)
        return float(matches(json.loads(parsed.value), question.references))

    def scored(self, rows: Sequence[Answered]) -> list[Scored]:
        """Each answer parsed and scored; no value where the right one is not public, as in the test split."""
        found = super().scored(rows)
        return [row if row.question.references else replace(row, value=None) for row in found]

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Overall, the six disciplines, the 30 subjects; choice and open apart; choice by our strict rule."""
        choice = [row for row in rows if row.question.options]
        opened = [row for row in rows if not row.question.options]
        found = [
            accuracy(rows),
            *accuracies(rows, "discipline", tuple(DISCIPLINES)),
            *accuracies(rows, "subject", _SUBJECTS),
        ]
        for own, name in ((choice, "multiple choice"), (opened, "open")):
            found += [accuracy(own, group=f"kind: {name}")] if own else []
        return [
            *found,
            accuracy([*letters.rescored(choice, letters.decided), *opened], "accuracy, stated letter"),
        ]

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """The file of the official evaluation: id to letter, or to the open answer as it was said."""
        found = {
            row.question.id: (self.parse(row.question, row.text or "").value or "")
            if row.question.options
            else row.text or ""
            for row in rows
        }
        return {"mmmu.json": json.dumps(found, ensure_ascii=False, indent=1).encode()}


def prompt(question: str, options: Sequence[str]) -> str:
    """The official forms for direct answers. Quirk: an empty line stands before the one for a letter."""
    if not options:
        return f"{question}\n{_PHRASE}"
    return f"{question}\n{lettered(options, '({}) {}')}\n\n{LETTER}"


def official(text: str, options: Sequence[str]) -> Parsed:
    """The official rule for multiple choice, without its random guess; see :class:`MMMU`."""
    said = text
    for mark in ",.!?;:'":
        said = said.strip(mark)
    said = f" {said} "
    known = [chr(ord("A") + i) for i in range(len(options))]
    if not said.strip():
        return letters.EMPTY
    for form, rule in (("({})", "bracketed letter"), (" {} ", "letter between spaces")):
        if found := [
            (said.rfind(form.format(letter)), letter) for letter in known if form.format(letter) in said
        ]:
            return Parsed(_last(found), rule)
    lowered = said.lower()
    contents = [
        (lowered.rfind(o.lower()), k) for k, o in zip(known, options, strict=True) if o.lower() in lowered
    ]
    if len(said.split()) > 5 and contents:
        return Parsed(_last(contents), "content")
    return Parsed(None, "neither letter nor content")


def _last(found: Sequence[tuple[int, str]]) -> str:
    """The one that stands last; of those at one place the first."""
    return max(found, key=lambda pair: pair[0])[1]


def _listed(value: Any) -> tuple[str, ...]:
    """Options or answers: a list, or one that is spelled as Python; any other text is one answer."""
    if isinstance(value, str) and value.strip()[:1] == "[":
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return (value,)
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
