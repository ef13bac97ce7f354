"""GQA: questions made of scene graphs, with the steps of reasoning that each takes.

Sources: Hudson, Manning (2019), ``eval.py``; the short prompt and the conversion of answers are those of
LLaVA-1.5, Liu et al. (2023).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.vqa import SHORT, marked, prompt_of, whole
from vlit.evaluate.metric import Metric, accuracies, accuracy, metric, ratio
from vlit.evaluate.parsing.reading import Needs, Photos, Reading, Record, kind
from vlit.evaluate.question import Answered, Parsed, Question, Scored

_TYPES = ("structural", "semantic", "detailed")
_GROUPS = ("answers", *_TYPES, "steps", "words")
#: Steps that the script does not count, found anywhere in "operation: argument".
_NO_STEPS = ("exist", "query: name", "choose name")
#: What the script takes for valid and plausible of questions about what two things have in common.
_COMMON = ("color", "material", "shape")
_LAYOUT: Mapping[str, type] = {"types": dict, "semantic": list, "entailed": list, "groups": dict}


class GQAConfig(BenchmarkConfig):
    """Official files."""

    questions: str = Field(
        description="questions file, such as testdev_balanced_questions.json, or a folder of its pieces"
    )
    images: str = Field(description="folder of the photos")
    choices: str | None = Field(
        None,
        description="val_choices.json: what is valid and plausible for each question; for those two numbers",
    )
    consistency: bool = Field(
        False, description="ask also what right answers entail; the questions file has to have these, too"
    )


class GQA(Benchmark[GQAConfig]):
    """Accuracy over the balanced questions, and what else the official script tells where its files allow it.

    - Validity and plausibility are 0 in the script where the choices file is missing; here they are not told.
    - Consistency stops the script where the answer to an entailed question is missing; here the question that
      entails it is left out, and n tells over how many right answers the mean is.
    - Distribution (chi-square of answers by group, over 100; lower is better) looks at answers alone that are
      right for some question of the group: others cost nothing beyond the absence of right ones.
    - Grounding needs the attention of a model, and is not computed.
    """

    name: ClassVar[str] = "gqa"
    title: ClassVar[str] = "GQA"
    source: ClassVar[str] = "Hudson, Manning (2019); eval.py"
    protocols: ClassVar[tuple[str, ...]] = ("short", "plain")
    licence: ClassVar[str] = "CC BY 4.0"
    max_new_tokens: ClassVar[int] = 128  #: as in LLaVA's runs
    sizes: ClassVar[Mapping[str, int]] = {
        "train_balanced": 943_000,
        "val_balanced": 132_062,
        "testdev_balanced": 12_578,
        "test_balanced": 95_336,
    }
    Config = GQAConfig
    _ids: Sequence[str] = ()  #: that a submission has to have

    def load(self, base: Path) -> Loaded:
        """Balanced questions, and those that they entail where consistency is wanted; of test sets all.

        Raises:
            VlitError: When a file is missing or is of another layout.
        """
        config, reading = self.config, Reading(self.name, base)
        records = self._records(reading)
        whole(reading, len(records), self.sizes)
        test = not any("answer" in record.values for record in records)
        needs: Needs = {"question": str, "imageId": str} | ({} if test else {"answer": str})
        usable = [r for r in reading.usable(records, None, needs) if not _malformed(reading, r)]
        balanced = {r.id for r in usable if test or r.get("isBalanced", True)}
        wanted = set(balanced)
        if config.consistency:
            wanted |= self._entailed(reading, usable, balanced)
        if left := sum(record.id not in wanted for record in usable):
            reading.remarks.append(f"{left:,} questions are not balanced, and are not asked")
        choices = self._choices(reading, balanced)
        photos = reading.photos(config.images)
        found = []
        for record in usable:
            if record.id in wanted:
                question = self._question(reading, photos, record, record.id in balanced, choices)
                found += [question] if question else []
        self._ids = [record.place for record in records]
        return reading.loaded(found)

    def _records(self, reading: Reading) -> list[Record]:
        path = self.config.questions
        folder = (reading.base / Path(path).expanduser()).resolve()
        pieces = sorted(folder.glob("*.json")) if self._is_folder(reading) else [path]
        found = []
        for piece in pieces:
            value = reading.json(piece)
            if not isinstance(value, dict) or "questions" in value:
                todo = "take the official file: an object with a question for each id"
                raise reading.wrong("the file is no object by question id", reading.path(piece), todo)
            found += reading.of(value, piece)
        return found

    def _entailed(self, reading: Reading, usable: Sequence[Record], balanced: set[str]) -> set[str]:
        """Ids of what balanced questions entail; a file that has none of it whole stops."""
        own = {r.id: _others(r) for r in usable if r.id in balanced and _others(r)}
        known = {r.id for r in usable}
        if not (whole := sum(known.issuperset(ids) for ids in own.values())):
            raise reading.wrong(
                "the file does not hold what its questions entail, and consistency is wanted",
                reading.path(self.config.questions, folder=self._is_folder(reading)),
                "take the file of all questions, such as val_all_questions.json, or leave consistency out",
            )
        if whole < len(own):
            what = f"{len(own) - whole:,} of {len(own):,} questions entail some that are not in the file"
            reading.remarks.append(f"{what}; consistency leaves them out")
        return {id for ids in own.values() for id in ids}

    def _choices(self, reading: Reading, balanced: set[str]) -> Mapping[str, Any]:
        if (path := self.config.choices) is None:
            return {}
        found = {r.place: r.values for r in reading.records(path)}
        for id, one in found.items():
            if not all(isinstance(one.get(name), list) for name in ("valid", "plausible")):
                todo = "take val_choices.json or train_choices.json"
                raise reading.wrong(f"{id} has no lists valid and plausible", reading.path(path), todo)
        if not (own := len(balanced & found.keys())):
            todo = "take the choices of these questions (there are none of testdev), or leave them out"
            raise reading.wrong("it has the choices of none of the questions", reading.path(path), todo)
        if own < len(balanced):
            what = f"{len(balanced) - own:,} of {len(balanced):,} questions have no choices"
            reading.remarks.append(f"{what}; validity and plausibility leave them out")
        return found

    def _is_folder(self, reading: Reading) -> bool:
        return (reading.base / Path(self.config.questions).expanduser()).is_dir()

    def _question(
        self, reading: Reading, photos: Photos, record: Record, balanced: bool, choices: Mapping[str, Any]
    ) -> Question | None:
        if marked(reading, record):
            return None
        if (photo := reading.photo(photos, record["imageId"], record, "imageId")) is None:
            return None
        text, extra = record["question"], {}
        if choice := choices.get(record.id):
            extra = {name: choice[name] for name in ("valid", "plausible") if name in choice}
        if self.config.consistency:
            extra["entailed"] = _others(record)
        if (group := record.get("groups", {}).get("global")) is not None:
            extra["group"] = str(group)
        return Question(
            id=record.id,
            prompt=prompt_of(text, SHORT) if self.protocol == "short" else prompt_of(text),
            images=(photo,),
            references=(record["answer"],) if "answer" in record.values else (),
            groups=_groups(record),
            extra=extra if balanced else extra | {"balanced": False},
        )

    def parse(self, question: Question, text: str) -> Parsed:
        """As LLaVA converts answers for the official script: periods at the end deleted, lower case.

        Quirks, all kept: a blank at either end, an article or an exclamation mark makes an answer wrong, since
        the script compares texts as they are.
        """
        if not text.strip():
            return Parsed(None, "empty answer")
        return Parsed(text.rstrip(".").lower(), "lower case, without periods at the end")

    def scored(self, rows: Sequence[Answered]) -> list[Scored]:
        """Each answer parsed and scored; without the right one, as in test sets, there is no value."""
        found = super().scored(rows)
        return [row if row.question.references else replace(row, value=None) for row in found]

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """Accuracy in percent, of all and by type; with the ends of answers trimmed; the other numbers."""
        balanced = [row for row in rows if row.question.extra.get("balanced", True)]
        found = [accuracy(balanced), accuracy([_trimmed(row) for row in balanced], "accuracy (trimmed)")]
        for name, key in (("validity", "valid"), ("plausibility", "plausible")):
            own = [row for row in balanced if key in row.question.extra]
            if own:
                found.append(metric(name, own, [(_belongs(row, key), 1.0) for row in own], ratio))
        found += _consistency(balanced, {row.question.id: row for row in rows})
        found += _distribution(balanced)
        return found + [one for key in _GROUPS for one in accuracies(balanced, key)]

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """Predictions in the official layout: all ids of the files, ``""`` where nothing was said."""
        if not rows:
            return {}
        said = {row.question.id: self.parse(row.question, row.text or "").value or "" for row in rows}
        ids = dict.fromkeys((*self._ids, *said))
        made = [{"questionId": id, "prediction": said.get(id, "")} for id in ids]
        return {"predictions.json": json.dumps(made, ensure_ascii=False).encode()}


def _malformed(reading: Reading, record: Record) -> bool:
    """Whether a field that need not be there is of another layout; the record is lost then."""
    for name, wanted in _LAYOUT.items():
        value = record.get(name)
        if value is not None and not isinstance(value, wanted):
            reading.lose_record(record, name, value, f"{name} is {kind(value)}, and another layout is expected")
            return True
    if not all(isinstance(step, dict) for step in record.get("semantic", ())):
        reading.lose_record(record, "semantic", record["semantic"], "a step of reasoning is no object")
        return True
    return False


def _others(record: Record) -> list[str]:
    """Ids of what a question entails beside itself."""
    return [id for id in map(str, record.get("entailed", ())) if id != record.id]


def _groups(record: Record) -> dict[str, str]:
    types = record.get("types", {})
    found = {name: str(types[name]) for name in _TYPES if types.get(name)}
    if "structural" in found:
        found["answers"] = "open" if found["structural"] == "query" else "binary"
    if (steps := record.get("semantic")) is not None:
        found["steps"] = str(sum(not _uncounted(step) for step in steps))
    return found | {"words": str(len(record["question"].split()))}


def _uncounted(step: Mapping[str, Any]) -> bool:
    """A step that the script does not count. It looks for parts of words: an argument "exist" is one, too."""
    text = f"{step.get('operation', '')}: {step.get('argument', '')}"
    return any(part in text for part in _NO_STEPS)


def _trimmed(row: Scored) -> Scored:
    """The row with blanks, marks and an article at the ends of the answer forgiven."""
    if row.value is None or row.answered.problem or row.parsed.failed:
        return row
    words = (row.answered.text or "").lower().strip(" \t\r\n.,;:!?\"'*`").split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    return replace(row, value=float(" ".join(words) in row.question.references))


def _belongs(row: Scored, key: str) -> float:
    """Whether the answer is among the choices; of "Common" questions the script has its own."""
    choices = _COMMON if "Common" in row.question.groups.get("detailed", "") else row.question.extra[key]
    return float(row.parsed.value in choices)


def _consistency(rows: Sequence[Scored], known: Mapping[str, Scored]) -> list[Metric]:
    """Mean over right answers of the share of what they entail that is right."""
    used, parts = [], []
    for row in rows:
        entailed = row.question.extra.get("entailed", ())
        there = [known[id] for id in entailed if id in known and not known[id].answered.problem]
        if row.value == 1.0 and entailed and len(there) == len(entailed):
            used.append(row)
            parts.append((sum(other.value or 0.0 for other in there) / len(there), 1.0))
    return [metric("consistency", used, parts, ratio)] if used else []


def _distribution(rows: Sequence[Scored]) -> list[Metric]:
    """Chi-square of each group's answers against the right ones, weighted by the groups' sizes, over 100."""
    gold: dict[str, Counter[str]] = defaultdict(Counter)
    said: dict[str, Counter[str]] = defaultdict(Counter)
    own = [row for row in rows if "group" in row.question.extra and row.question.references]
    for row in own:
        group = row.question.extra["group"]
        gold[group][row.question.references[0]] += 1
        said[group][row.parsed.value or ""] += 1
    if not own:
        return []
    total = 0.0
    for group, right in gold.items():
        total += right.total() * sum((said[group][answer] - n) ** 2 / n for answer, n in right.items())
    return [Metric("distribution", total / len(own) / 100.0, len(own), scale=0.0)]
