"""``scores.json``: the official numbers of answers, with how sure they are and what they leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vlit.data.errors import VlitError
from vlit.data.store import atomic
from vlit.evaluate.answers import Answers, Header, read_answers
from vlit.evaluate.benchmark import AnyBenchmark
from vlit.evaluate.metric import Metric
from vlit.evaluate.question import Question, Scored
from vlit.evaluate.registry import BENCHMARKS
from vlit.evaluate.statistics import Paired, paired, with_intervals
from vlit.run.recipe import checked

if TYPE_CHECKING:
    from vlit.evaluate.contamination import Contamination

NAME = "scores.json"
#: Settings that are told by the digests of files and the number of questions.
_PLACES = ("images", "path", "run", "limit", "protocol")


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A metric as it is stored; the names are those of ``Metric``."""

    name: str
    group: str
    value: float | None
    scale: float
    n: int
    failures: int
    unasked: int
    interval: tuple[float, float] | None


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """What a model reaches on a benchmark."""

    benchmark: str
    title: str
    protocol: str
    model: str
    headline: tuple[str, str]  #: name and group of the number that papers quote
    metrics: tuple[Number, ...]
    expected: int  #: questions of the whole benchmark
    answered: int  #: of these, what was answered
    unasked: int  #: put and not answered: photo lost, call failed
    lost: int  #: records of the files that cannot be asked
    failures: int  #: answers that nothing could be made of; they are wrong
    unscored: int = 0  #: answers without a value, such as by a judge that failed
    repeated: int = 0  #: ids that stood twice among the answers
    unknown: int = 0  #: answers to ids that the benchmark has not
    damaged: int = 0  #: lines of the file that were no answer
    judge: str = ""
    contamination: str = ""  #: what was found among the training samples, in words; empty where none are known
    contaminated: int | None = None  #: questions of the benchmark that are among them
    clean: Number | None = None  #: the headline over the other questions

    @property
    def partial(self) -> bool:
        """Whether it is the score of a part, and compares with no published one."""
        return self.answered - self.unscored < self.expected

    def main(self) -> Number | None:
        """The number that papers quote."""
        return next((one for one in self.metrics if (one.name, one.group) == self.headline), None)

    def whole(self) -> str:
        """How much of the benchmark it is of, in words: "all 9,000 questions", or what is missing."""
        if not self.partial:
            return f"all {self.expected:,} questions"
        by = "a verdict of the judge" if self.judge else "reference answers here"
        why = [(self.unasked, "could not be asked"), (self.lost, "cannot be asked of these files"),
               (self.unscored, f"without {by}")]  # fmt: skip
        told = "".join(f", {n:,} {words}" for n, words in why if n)
        return f"PARTIAL: {self.answered - self.unscored:,} of {self.expected:,} questions{told}"

    def left_out(self) -> list[str]:
        """What of the file the numbers are without, in words."""
        told = {
            "ids stood twice among the answers; the first counts": self.repeated,
            "answers were to ids that the benchmark has not; they are left out": self.unknown,
            "lines of the file were no answers": self.damaged,
        }
        return [f"{number:,} {what}" for what, number in told.items() if number]


@dataclass(frozen=True)
class Evaluated:
    """Answers, and what each of them is worth."""

    benchmark: AnyBenchmark
    answers: Answers
    rows: Sequence[Scored]
    judge: str = ""  #: who judged, with prompt and days


def benchmark_of(header: Header) -> AnyBenchmark:
    """The benchmark as it was when the answers were given; its files need not be there any more.

    Raises:
        VlitError: When this version of vlit has no such benchmark, or it takes other settings.
    """
    kind: type[AnyBenchmark] = BENCHMARKS.load(header.benchmark)
    settings = {**header.settings, "protocol": header.protocol}
    return kind(checked(kind.Config, settings, f"header of the answers, {header.benchmark}"))


def told_settings(settings: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Settings that do more than say where the files are, in words; empty where there are none."""
    told = {
        name: value
        for name, value in sorted(settings.items())
        if name not in _PLACES and not (isinstance(value, str) and Path(value).name in files)
    }
    return ", ".join(f"{name}: {value}" for name, value in told.items())


def scores_of(
    own: Evaluated, *, seed: int = 0, unknown: int = 0, contamination: Contamination | None = None
) -> Scores:
    """The numbers of answers that were scored.

    Args:
        own: The answers.
        seed: Of the bootstrap.
        unknown: Answers that were left out, since the benchmark has no such questions.
        contamination: What was found of the questions among training samples.
    """
    benchmark, answers, rows = own.benchmark, own.answers, own.rows
    metrics = with_intervals(benchmark.aggregate(rows), seed) if rows else []
    unasked = sum(bool(row.answered.problem) for row in rows)
    header = answers.header
    return Scores(
        benchmark=header.benchmark,
        title=benchmark.title,
        protocol=header.protocol,
        model=header.model,
        headline=benchmark.metric,
        metrics=tuple(map(_number, metrics)),
        expected=header.expected,
        answered=len(rows) - unasked,
        unasked=unasked,
        lost=sum(header.lost.values()),
        failures=sum(row.parsed.failed and row.value is not None and not row.answered.problem for row in rows),
        unscored=sum(row.value is None and not row.answered.problem for row in rows),
        repeated=len(answers.repeated),
        unknown=unknown,
        damaged=answers.damaged,
        judge=own.judge,
        contamination="" if contamination is None else contamination.told(),
        contaminated=None if contamination is None else len(contamination.found),
        clean=None if contamination is None else _clean(own, contamination, seed),
    )


def _clean(own: Evaluated, contamination: Contamination, seed: int) -> Number | None:
    """The headline without contaminated questions; none where nothing is contaminated, or all is."""
    rows = contamination.clean(own.rows)
    if len(rows) in (0, len(own.rows)):
        return None
    found = [m for m in own.benchmark.aggregate(rows) if (m.name, m.group) == own.benchmark.metric]
    return next(map(_number, with_intervals(found, seed)), None)


def evaluated(path: Path) -> Evaluated:
    """Answers of a file, scored again; where a judge scores, by the ``judged.jsonl`` beside it.

    Raises:
        VlitError: When it holds no answers, or the judge's replies are not there.
    """
    answers = read_answers(path)
    return scored(benchmark_of(answers.header), answers, path.with_name("judged.jsonl"))


def scored(benchmark: AnyBenchmark, answers: Answers, judged: Path) -> Evaluated:
    """Answers, scored; those that a judge scores by what it said, which lies in a file."""
    if not benchmark.judged:
        return Evaluated(benchmark, answers, benchmark.scored(answers.rows))
    from vlit.evaluate import judge

    assert isinstance(benchmark, judge.JudgedBenchmark)
    if not judged.exists():
        return Evaluated(benchmark, answers, benchmark.scored(answers.rows))  # says what to do
    said = judge.read_judged(judged)
    days = " to ".join(dict.fromkeys(said.header.dates)) or "no day"
    words = f"{said.header.judge}, prompt {said.header.prompt}, {days}"
    return Evaluated(benchmark, answers, benchmark.scored_by(answers.rows, said), words)


def compared(first: Evaluated, second: Evaluated, seed: int = 0) -> Paired:
    """Two models on the same questions, the second against the first, by the number that papers quote.

    Raises:
        VlitError: When they are of different benchmarks or protocols, when questions, photos or right answers
            of one id differ, or when they share no question.
    """
    one, other = first.answers.header, second.answers.header
    where = f"answers of {one.model} and {other.model}"
    for name in ("benchmark", "protocol"):
        if getattr(one, name) != getattr(other, name):
            raise VlitError(
                f"the two are of different {name}s: {getattr(one, name)} and {getattr(other, name)}",
                where=where,
                todo="compare answers to the same questions",
            )
    if (judges := [own.judge.rpartition(", ")[0] for own in (first, second)])[0] != judges[1]:
        raise VlitError(
            f"the two were judged differently: {judges[0]}; {judges[1]}",
            where=where,
            todo="have one judge score both",
        )
    known = {row.question.id: row.question for row in first.answers.rows}
    changed = [
        (row.question.id, what)
        for row in second.answers.rows
        if row.question.id in known and (what := _unlike(known[row.question.id], row.question))
    ]
    if changed:
        raise VlitError(
            f"{len(changed):,} questions are not the same in both: {changed[0][0]} has other {changed[0][1]}",
            where=where,
            todo="compare answers to the same files and protocol",
        )
    asked = [[row for row in own.rows if not row.answered.problem] for own in (first, second)]
    try:
        return paired(asked[0], asked[1], seed, partial(_headline, second.benchmark))
    except ValueError as error:
        raise VlitError(str(error), where=where, todo="compare answers to the same files") from None


def _unlike(one: Question, other: Question) -> str:
    """What of a question is not the same, in words; photos are told by their bytes, wherever they lie."""
    for name in ("prompt", "options", "references"):
        if getattr(one, name) != getattr(other, name):
            return {"prompt": "words", "references": "right answers"}.get(name, name)
    photos = zip(one.images, other.images, strict=False)
    if len(one.images) != len(other.images) or any(
        a.sha256 != b.sha256 for a, b in photos if a.sha256 and b.sha256
    ):
        return "photos"
    return ""


def _headline(benchmark: AnyBenchmark, rows: Sequence[Scored]) -> Metric | None:
    found = benchmark.aggregate(rows)
    return next((one for one in found if (one.name, one.group) == benchmark.metric), None)


def write_scores(path: Path, scores: Scores) -> None:
    """Write them, readable."""
    with atomic(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(_stored(scores)), indent=2) + b"\n")


def read_scores(path: Path) -> Scores:
    """Scores of a file.

    Raises:
        VlitError: When it holds none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Scores)
    except (OSError, msgspec.DecodeError) as error:
        raise VlitError(
            f"these are no scores: {error}",
            where=str(path),
            todo="`vlit evaluate` the run again: answers are kept",
        ) from error


def _stored(scores: Scores) -> dict[str, object]:
    """As JSON, with the mark of a part in plain sight."""
    return {"partial": scores.partial, "questions": scores.whole(), **msgspec.structs.asdict(scores)}


def _number(metric: Metric) -> Number:
    return Number(**{name: getattr(metric, name) for name in Number.__struct_fields__})
