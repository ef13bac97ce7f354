"""Questions with open answers of ten people: what VQA v2, OK-VQA, VizWiz and TextVQA share, and the first two.

Sources: VQA v2, Goyal et al. (2017); OK-VQA, Marino et al. (2019); both are scored by VQA's ``vqaEval.py``. The
short prompt is that of LLaVA-1.5, Liu et al. (2023).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from vlit.data.sample import IMAGE_TOKEN
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.metric import Metric, accuracies, accuracy
from vlit.evaluate.parsing.coco import coco_photo
from vlit.evaluate.parsing.evidence import evidence
from vlit.evaluate.parsing.reading import Needs, Photos, Reading, Record, outline
from vlit.evaluate.parsing.vqa import ALWAYS, VQA, Rule, evalai
from vlit.evaluate.question import Answered, Parsed, Question, Scored

#: The suffix of LLaVA-1.5 for short answers.
SHORT = "Answer the question using a single word or phrase."


def prompt_of(text: str, *lines: str) -> str:
    """What the model is asked: the image, the question as it stands in the file, and lines behind it."""
    return "\n".join((IMAGE_TOKEN, text, *lines))


def marked(reading: Reading, record: Record, field: str = "question") -> bool:
    """Whether a question holds the mark of an image, which would be taken for one; it is lost then."""
    if IMAGE_TOKEN not in str(record.get(field, "")):
        return False
    reading.lose_record(record, field, record.get(field), f"the question holds {IMAGE_TOKEN}")
    return True


def whole(reading: Reading, found: int, sizes: Mapping[str, int]) -> None:
    """Remark which official set the questions are, by their number, or that they are none."""
    names = [name for name, size in sizes.items() if size == found]
    known = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    what = f"as many as {' and '.join(names)} has" if names else f"no whole official set ({known})"
    reading.remarks.append(f"{found:,} questions in the files: {what}")


C = TypeVar("C", bound=BenchmarkConfig)


class OpenAnswers(Benchmark[C]):
    """Answers scored by how many people gave them.

    Attributes:
        rules: How answers are compared: the official rule, then others whose numbers are told beside it.
        groups: Of questions, for each value of which an accuracy is told.
    """

    protocols: ClassVar[tuple[str, ...]] = ("short", "plain")
    max_new_tokens: ClassVar[int] = 128  #: as in LLaVA's runs
    rules: ClassVar[tuple[Rule, ...]] = (VQA, ALWAYS)
    groups: ClassVar[tuple[str, ...]] = ("answer_type", "question_type")
    _key: ClassVar[str] = "question_id"  #: of a submission and of ``extra``
    _ids: Sequence[Any] = ()  #: that a submission has to have

    def parse(self, question: Question, text: str) -> Parsed:
        """The answer as the official script compares it; only an empty one is not understood."""
        return self.rules[0].parse(text, question.references)

    def score(self, question: Question, parsed: Parsed) -> float:
        """Soft accuracy by the official rule; see :class:`vlit.evaluate.parsing.vqa.Rule`."""
        return self._score(self.rules[0], question, parsed)

    def scored(self, rows: Sequence[Answered]) -> list[Scored]:
        """Each answer parsed and scored; without people's answers, as in test sets, there is no value."""
        return [row if row.question.references else replace(row, value=None) for row in super().scored(rows)]

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracy in percent by the official rule, of all and of groups; of all by the other rules."""
        others = [accuracy(self._by(rule, rows), f"accuracy ({rule.name})") for rule in self.rules[1:]]
        grouped = [one for key in self.groups for one in accuracies(rows, key)]
        return [accuracy(rows), *others, *grouped]

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """A file for the server, where questions have no answers: all ids, ``""`` where nothing was said.

        Answers are sent as the EvalAI processor leaves them, as LLaVA does: the server itself normalises
        nothing where people agree. The ids are those of the files as :meth:`load` found them, also of questions
        that could not be asked; without a load those of ``rows`` alone.
        """
        if not rows or any(row.question.references for row in rows):
            return {}
        said = {row.question.extra[self._key]: row.text or "" for row in rows}
        ids = dict.fromkeys((*self._ids, *said))
        made = [{self._key: id, "answer": evalai(said.get(id, ""))} for id in ids]
        return {f"{self.name}_answers.json": json.dumps(made, ensure_ascii=False).encode()}

    def _by(self, rule: Rule, rows: Sequence[Scored]) -> list[Scored]:
        """The rows as another rule has them."""
        found = []
        for row in rows:
            if row.value is not None and not row.answered.problem:
                parsed = rule.parse(row.answered.text or "", row.question.references)
                row = replace(row, parsed=parsed, value=self._score(rule, row.question, parsed))
            found.append(row)
        return found

    def _prompt(self, text: str) -> str:
        return prompt_of(text, SHORT) if self.protocol == "short" else prompt_of(text)

    def _score(self, rule: Rule, question: Question, parsed: Parsed) -> float:
        return rule.score(parsed.value, question.references, question.extra.get("confidences", ()))


class VQAConfig(BenchmarkConfig):
    """Official files in the layout of VQA."""

    questions: str = Field(
        description='questions file: {"questions": [{"question_id", "image_id", "question"}]}'
    )
    annotations: str | None = Field(
        None, description="annotations file with ten answers each; none for test sets: a submission is written"
    )
    images: str = Field(description="folder of the photos")
    all_questions: str | None = Field(
        None,
        description="questions file of all ids of a submission, e.g. of test2015 where test-dev2015 is asked",
    )
    subset: str | None = Field(
        None, description="part of the photos' names, e.g. val2014; by default the data_subtype of the file"
    )


class VQAv2(OpenAnswers[VQAConfig]):
    """VQA v2: everyday questions about COCO photos."""

    name: ClassVar[str] = "vqav2"
    title: ClassVar[str] = "VQAv2"
    source: ClassVar[str] = "Goyal et al. (2017); VQA evaluation code, vqaEval.py"
    licence: ClassVar[str] = "CC BY 4.0"
    version: ClassVar[str | None] = "2.0"
    sizes: ClassVar[Mapping[str, int]] = {
        "train2014": 443_757,
        "val2014": 214_354,
        "test2015": 447_793,
        "test-dev2015": 107_394,
    }
    Config = VQAConfig

    def load(self, base: Path) -> Loaded:
        """The questions, each with its answers where there is an annotations file.

        Raises:
            VlitError: When a file is missing, is of another layout or of another version of VQA.
        """
        config, reading = self.config, Reading(self.name, base)
        head = reading.json(config.questions)
        if not isinstance(head, dict) or not isinstance(head.get("questions"), list):
            todo = f"take the official questions file; {outline(head)}"
            raise reading.wrong("the file has no list of questions", reading.path(config.questions), todo)
        self._check_version(reading, head, config.questions)
        subset = (config.subset or str(head.get("data_subtype") or "")).replace("test-dev", "test")
        if not subset:
            raise reading.wrong(
                "the file does not tell which photos it is about (data_subtype)",
                reading.path(config.questions),
                "set subset to the part of their names, e.g. val2014 for COCO_val2014_000000000042.jpg",
            )
        photos = reading.photos(config.images)
        records = reading.of(head["questions"], config.questions)
        whole(reading, len(records), self.sizes)
        found = []
        for record, answers in with_answers(reading, records, self._annotations(reading)):
            photo = record["image_id"]
            name = f"COCO_{subset}_{photo:012d}.jpg" if isinstance(photo, int) else photo
            question = asked(reading, photos, record, answers, name, self._prompt(record["question"]))
            found += [question] if question else []
        self._ids = ids_of(reading, records, config.all_questions)
        return reading.loaded(found)

    def _annotations(self, reading: Reading) -> list[Record] | None:
        if (path := self.config.annotations) is None:
            return None
        value = reading.json(path)
        if isinstance(value, dict):
            self._check_version(reading, value, path)
            if "annotations" not in value:
                todo = f"take the official annotations file; {outline(value)}"
                raise reading.wrong("the file has no 'annotations'", reading.path(path), todo)
            names = value.get("question_types")
            records = reading.of(value["annotations"], path)
            return [_named(record, names) for record in records] if isinstance(names, dict) else records
        return reading.of(value, path)

    def _check_version(self, reading: Reading, head: Mapping[str, Any], path: str) -> None:
        info = head.get("info")
        found = str(info["version"]) if isinstance(info, dict) and info.get("version") else ""
        reading.remarks.append(f"{Path(path).name}: version {found or 'not told by the file'}")
        if self.version and found and found != self.version:
            what = f"this is version {found} of the questions, and version {self.version} is meant"
            raise reading.wrong(what, reading.path(path), "take the files of that version")


class OKVQA(VQAv2):
    """OK-VQA: questions that need knowledge beyond the photo. Papers use version 1.1 of the answers.

    The questions are the same in both versions, and the file says 1.0 in both: the remark tells what it says.

    - People's answers are the field ``answer``, as VQA's script has it: words put back to their stems ("surf"),
      not what was typed (``raw_answer``: "surfing"). Some papers stem or lemmatise the model's answer as well
      (OpenFlamingo, BLIP-2), which is worth points; here nothing is stemmed.
    - Five people answered; each stands twice, so that an answer of one of them scores 0.6.
    - The ten kinds of knowledge are named where the annotations name them (``question_types``).
    """

    name: ClassVar[str] = "okvqa"
    title: ClassVar[str] = "OK-VQA"
    source: ClassVar[str] = "Marino et al. (2019); VQA evaluation code, vqaEval.py"
    version: ClassVar[str | None] = None
    sizes: ClassVar[Mapping[str, int]] = {"train2014": 9_009, "val2014": 5_046}


def ids_of(
    reading: Reading, records: Sequence[Record], path: str | None, key: str = "question_id"
) -> list[Any]:
    """Ids that a submission has to have: of the records, or of all records of another questions file.

    Raises:
        VlitError: When the other file lacks some of the records.
    """
    every = records if path is None else reading.records(path, "questions")
    ids = dict.fromkeys(id for record in every if isinstance(id := record.get(key), (int, str)))
    if path is not None:
        own = ids_of(reading, records, None, key)
        if absent := sum(id not in ids for id in own):
            what = f"it lacks {absent:,} of the {len(own):,} questions that are asked"
            raise reading.wrong(what, reading.path(path), "take the file of all questions of these photos")
    return list(ids)


def with_answers(
    reading: Reading, records: Sequence[Record], annotations: Sequence[Record] | None
) -> Iterator[tuple[Record, Record | None]]:
    """Questions with their annotations: one without, or an annotation of an unknown question, is lost.

    Args:
        reading: Told of what is lost.
        records: Questions.
        annotations: By question id; ``None`` where there are none to be had, as in test sets.
    """
    needs: Needs = {"question": str, "image_id": (int, str)}
    if annotations is None:
        yield from ((record, None) for record in reading.usable(records, "question_id", needs))
        return
    known = {a.id: a for a in evidence(reading, annotations, "question_id", {"answers": list})}
    lost = {str(a.get("question_id", "")) for a in annotations} - known.keys()
    for record in reading.usable(records, "question_id", needs):
        if (own := known.pop(record.id, None)) is not None:
            yield record, own
        elif record.id not in lost:
            reading.lose_record(record, "answers", "", "the annotations have no answers to this question")
        else:
            reading.lose_record(record, "answers", "", "its answers cannot be used")
    for own in known.values():
        reading.lose_record(
            own, "question_id", own.id, "answers to a question that is not in the questions file"
        )


def asked(
    reading: Reading, photos: Photos, record: Record, answers: Record | None, name: str, prompt: str
) -> Question | None:
    """A question of VQA's layout, or ``None`` where it is lost."""
    if marked(reading, record):
        return None
    people = people_of(reading, answers) if answers else ([], [])
    if people is None or (photo := coco_photo(reading, photos, name, record)) is None:
        return None
    about = answers or record
    groups = {key: str(about[key]) for key in ("answer_type", "question_type") if about.get(key)}
    extra: dict[str, Any] = {key: record[key] for key in ("question_id", "image") if key in record.values}
    return Question(
        id=record.id,
        prompt=prompt,
        images=(photo,),
        references=tuple(people[0]),
        groups=groups,
        extra=extra | ({"confidences": people[1]} if people[1] else {}),
    )


def people_of(reading: Reading, record: Record) -> tuple[list[str], list[str]] | None:
    """People's answers, and where they lack an ``answer_id`` how sure each was; ``None`` where it is lost."""
    answers, sure, ids = [], [], []
    for one in record["answers"]:
        text = one.get("answer") if isinstance(one, dict) else one
        if not isinstance(text, str):
            reading.lose_record(record, "answers", text, "an answer is no text")
            return None
        answers.append(text)
        if isinstance(one, dict):
            sure.append(str(one.get("answer_confidence", "")))
            ids.append(one.get("answer_id"))
    return answers, sure if None in ids and len(ids) == len(answers) else []


def _named(record: Record, names: Mapping[str, Any]) -> Record:
    """An annotation with the name of its question's type, where the file has it as a code."""
    kind = record.get("question_type")
    name = names.get(kind) if isinstance(kind, str) else None
    values = {**record.values, "question_type": name} if name else record.values
    return Record(record.file, record.place, values, record.id)
