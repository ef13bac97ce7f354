"""Putting a benchmark to a model: what is there already is not asked again, what comes is written at once."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import vlit
from vlit.data.errors import VlitError
from vlit.data.seeds import draw
from vlit.evaluate.answerer import Answerer
from vlit.evaluate.answers import Answers, AnswersFile, Header, read_answers, spare_of
from vlit.evaluate.benchmark import AnyBenchmark, Loaded
from vlit.evaluate.question import Answered, Question
from vlit.run.progress import Progress

#: Seconds between two looks at how far it is.
_LOOK = 0.5


@dataclass(frozen=True)
class Ran:
    """What came of a benchmark."""

    answers: Answers  #: in the order of the benchmark
    unknown: Sequence[str] = ()  #: ids of answers in the file that the benchmark has not
    asked: int = 0  #: questions that were put this time


def run(
    answerer: Answerer,
    benchmark: AnyBenchmark,
    loaded: Loaded,
    path: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    aside: Iterable[Path] | None = None,
) -> Ran:
    """Have a benchmark answered.

    Questions that the file has an answer to are not put again; those that could not be asked are. When it ends,
    the answers stand in the order of the benchmark, and those beyond ``limit`` beside the file: what is scored
    does not depend on what was asked before.

    Args:
        answerer: Who answers.
        benchmark: Told how to parse; it names the most tokens, and whether options are ranked.
        loaded: Its questions.
        path: Of ``answers.jsonl``.
        limit: Questions, drawn in whole units; see :func:`chosen`.
        seed: Of the drawing.
        progress: Told of each answer.
        aside: Keep answers of another evaluation under another name instead of refusing to go on, and remove
            these files, which were made of them.

    Raises:
        VlitError: When the file holds other answers, or no more can be asked at all.
    """
    progress = progress or Progress()
    known = {question.id: question for question in loaded.questions}
    if len(known) < len(loaded.questions):
        raise VlitError(
            f"{benchmark.name}: {len(loaded.questions) - len(known):,} ids stand twice",
            where=", ".join(loaded.files) or benchmark.name,
            todo="take the official files",
        )
    header = header_of(answerer, benchmark, loaded, seed)
    drawn = chosen(loaded.questions, limit, seed)
    with _file(path, header, known, progress, aside) as file:
        done = {name for name, row in file.found.items() if not row.problem}
        wanted = [question for question in drawn if question.id not in done]
        _fill(file, answerer, benchmark, wanted, progress)
        file.settle(question.id for question in drawn)
        answers = read_answers(path)
        told = Answers(answers.header, answers.rows, file.repeated, file.damaged)
        return Ran(told, file.unknown, len(wanted))


def chosen(questions: Sequence[Question], limit: int | None, seed: int) -> list[Question]:
    """The questions to ask, in their order; under a limit whole units, drawn by their names, as many as fit.

    At least one unit is taken: a limit below the size of every unit would ask nothing.
    """
    if limit is None or limit >= len(questions):
        return list(questions)
    sizes = Counter(question.unit or question.id for question in questions)
    drawn: set[str] = set()
    room = limit
    for unit in sorted(sizes, key=lambda name: (draw(seed, "question", name), name)):
        if sizes[unit] <= room or not drawn:
            drawn.add(unit)
            room -= sizes[unit]
        if room <= 0:
            break
    return [question for question in questions if (question.unit or question.id) in drawn]


def header_of(answerer: Answerer, benchmark: AnyBenchmark, loaded: Loaded, seed: int) -> Header:
    """The header of the answers to come."""
    about = answerer.about(benchmark, loaded.questions[0])
    dropped = [row for row in loaded.lost if row.action == "dropped" and row.field not in benchmark.beyond]
    return Header(
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        settings=benchmark.config.model_dump(mode="json", exclude_defaults=True),
        files=dict(loaded.files),
        expected=len(loaded.questions) + len(dropped),
        lost=dict(Counter(row.reason for row in dropped).most_common()),
        remarks=tuple(loaded.remarks),
        model=answerer.model,
        weights=about.weights,
        template=about.template,
        decoding=dict(about.decoding),
        prompt=about.prompt,
        seed=seed,
        vlit=vlit.__version__,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _file(
    path: Path,
    header: Header,
    known: Mapping[str, Question],
    progress: Progress,
    aside: Iterable[Path] | None,
) -> AnswersFile:
    """The file to go on with; where that is wanted, answers of another evaluation are moved out of the way."""
    try:
        return AnswersFile(path, header, known)
    except VlitError as error:
        if aside is None:
            raise
        for made in aside:  # what they were scored as must not pass for a score of the answers to come
            made.unlink(missing_ok=True)
        number = 1
        while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
            number += 1
        path.rename(other)
        if spare_of(path).exists():
            spare_of(path).rename(spare_of(other))
        progress.warned(f"{header.benchmark}: {error.what}; kept as {other.name}")
        return AnswersFile(path, header, known)


def _fill(
    file: AnswersFile,
    answerer: Answerer,
    benchmark: AnyBenchmark,
    wanted: Sequence[Question],
    progress: Progress,
) -> None:
    if not wanted:
        return
    progress.total(len(wanted))
    started, told = time.monotonic(), 0.0
    lost: Counter[str] = Counter()
    for done, row in enumerate(answerer.answers(benchmark, wanted, progress), start=1):
        file.append(row)
        lost[_kind(row)] += bool(row.problem)
        progress.advanced()
        seconds = time.monotonic() - started
        if seconds - told >= _LOOK or done == len(wanted):
            told = seconds
            rate = f", {done / seconds:.1f} a second" if seconds > 0 else ""
            progress.said(f"{answerer.name}, {benchmark.title}: {done:,} of {len(wanted):,}{rate}")
    if total := lost.total():
        why, number = lost.most_common(1)[0]
        more = f"; {number:,} x {why}" if why else ""
        progress.warned(f"{benchmark.title}: {total:,} of {len(wanted):,} questions were not asked{more}")


def _kind(row: Answered) -> str:
    """The reason without the file and the numbers that it names, so that equal ones are counted together."""
    return re.sub(r"\d[\d,.]*", "…", row.problem.rpartition(": ")[2])
