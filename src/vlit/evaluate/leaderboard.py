"""The user's scores beside published ones. A table holds what was asked and read in one way, and nothing else.

A table is of one benchmark, one protocol, one set of questions and one judge: SEED-Bench ranked and by letters
are two tables. A run stands among published rows where all of that is the same and the number is over as many
questions; else it has a table of its own. What is partial or contaminated is marked, and is never the best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from vlit.data.errors import VlitError
from vlit.evaluate import answers
from vlit.evaluate.registry import BENCHMARKS
from vlit.evaluate.rows import Table, published
from vlit.evaluate.scores import NAME, Number, Scores, read_scores, told_settings

#: Groups beside the headline in a table without published rows, such as the dimensions of SEED-Bench.
_GROUPS = 16


@dataclass(frozen=True)
class Key:
    """What has to be the same for two numbers to be compared."""

    benchmark: str
    protocol: str
    of: str  #: which questions, in words
    judge: str = ""
    files: tuple[str, ...] = ()  #: digests of the benchmark's files; none of published tables
    settings: str = ""  #: that are not the default ones, such as how losses of options are summed


@dataclass(frozen=True)
class Value:
    """A number in a table."""

    value: float
    interval: tuple[float, float] | None = None
    n: int | None = None  #: questions that it is over; ``None`` where the source does not say
    best: bool = False
    lower: bool = False  #: whether less is better


@dataclass(frozen=True)
class Line:
    """A model in a table."""

    model: str
    values: Mapping[tuple[str, str], Value]  #: by metric and group
    source: int | None = None  #: place among ``Board.sources``; ``None``: the user's own
    partial: str = ""  #: what is missing, in words
    contaminated: str = ""  #: how many questions are among the training samples, and the headline without them

    @property
    def marks(self) -> str:
        """Why its numbers are not to be taken as they stand; empty for most."""
        told = {"partial": self.partial, "contaminated": self.contaminated}
        return "; ".join(f"{name}: {words}" for name, words in told.items() if words)


@dataclass(frozen=True)
class Section:
    """A table."""

    key: Key
    title: str
    columns: tuple[tuple[str, str], ...]  #: metrics and groups; sorted by the first
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Board:
    """All tables, and where published numbers were read."""

    sections: tuple[Section, ...]
    sources: tuple[Table, ...]


@dataclass(frozen=True)
class Run:
    """Scores of a model on a benchmark."""

    name: str  #: of the run, to tell two of the same model apart
    scores: Scores
    files: Mapping[str, str] = field(default_factory=dict)  #: of the benchmark: name -> digest
    settings: Mapping[str, Any] = field(default_factory=dict)  #: of the benchmark, those that are no default
    folder: str = ""  #: of the scores, to tell two of a run apart


def board(runs: Sequence[Run], tables: Sequence[Table] | None = None) -> Board:
    """The tables: benchmarks and, of one, tables with rows of the user first.

    Args:
        runs: The user's.
        tables: Published ones; by default all that come with vlit.
    """
    tables = published() if tables is None else tables
    found = _published(tables)
    columns = {key: _columns(key, tables) for key in found}
    wanted = {key: _wanted(key, tables) for key in found}
    known: dict[tuple[object, ...], Key] = {}
    for run, name in zip(runs, _names(runs), strict=True):
        numbers = {(one.name, one.group): one for one in run.scores.metrics}
        key = next((key for key in wanted if _fits(run.scores, numbers, key, wanted[key])), None)
        if key is None:
            key = _own(run)
            of = (run.scores.expected, key.files or key.of)
            same = (key.benchmark, key.protocol, key.judge, key.settings, *of)
            key = known.setdefault(same, key)  # files of other names and equal bytes are the same
        own = columns.setdefault(key, [])
        own += [place for place in _shown(run.scores, numbers, joined=key in wanted) if place not in own]
        values = {
            place: Value(one.value, one.interval, one.n, lower=one.scale == 0)
            for place, one in numbers.items()
            if one.value is not None
        }
        partial = run.scores.whole().removeprefix("PARTIAL: ") if run.scores.partial else ""
        found.setdefault(key, []).append(Line(name, values, None, partial, _contaminated(run.scores)))
    names = BENCHMARKS.names()
    theirs = {run.scores.benchmark for run in runs}
    order = sorted(
        found,
        key=lambda key: (
            key.benchmark not in theirs,
            names.index(key.benchmark) if key.benchmark in names else len(names),
            all(line.source is not None for line in found[key]),
            (key.protocol, key.of, key.judge, key.files, key.settings),
        ),
    )
    sections = (_section(key, columns[key], found[key], runs) for key in order)
    return Board(tuple(sections), tuple(tables))


def read_runs(paths: Iterable[Path]) -> list[Run]:
    """Scores below folders, each file once.

    Args:
        paths: Runs, folders of evaluations, or single ``scores.json``.

    Raises:
        VlitError: When there are no scores below one of them, or a file holds none.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        below = path / "evaluation" if (path / "evaluation").is_dir() else path
        files = [below] if below.is_file() else sorted(below.rglob(NAME))
        if not files:
            raise VlitError(
                "there are no scores here",
                where=str(path),
                todo="`vlit evaluate` it, or name a run with scores",
            )
        name = (path if path.is_dir() else path.parent).resolve().name
        for file in files:
            about = _header(file)
            of = ({}, {}) if about is None else (about.files, about.settings)
            found.setdefault(file.resolve(), Run(name, read_scores(file), *of, file.resolve().parent.name))
    return list(found.values())


def label(place: tuple[str, str], section: Section) -> str:
    """What a column is called: its metric and group; the group alone where the metric is that of the first."""
    metric, group = place
    name = group.partition(": ")[2] or group
    if not name:
        return metric
    return name if metric == section.columns[0][0] else f"{metric}, {name}"


def _header(scores: Path) -> answers.Header | None:
    """Of the answers beside the scores; ``None`` where they are not there."""
    path = scores.with_name(answers.NAME)
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        try:
            return msgspec.convert(msgspec.json.decode(lines.readline())["header"], answers.Header)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            todo = "score the answers again, or remove them"
            raise VlitError(f"these answers have no header: {error}", where=str(path), todo=todo) from error


def _contaminated(scores: Scores) -> str:
    if not scores.contaminated:
        return ""
    told = f"{scores.contaminated:,} questions are in the training samples"
    clean = scores.clean
    return (
        told if clean is None or clean.value is None else f"{told}, {clean.name} without them {clean.value:.1f}"
    )


def _published(tables: Sequence[Table]) -> dict[Key, list[Line]]:
    found: dict[Key, list[Line]] = {}
    for number, table in enumerate(tables):
        for row in table.rows:
            own: dict[Key, dict[tuple[str, str], Value]] = {}
            for name, score in row.scores.items():
                column = table.columns[name]
                key = Key(column.benchmark, column.protocol, column.of, column.judge)
                own.setdefault(key, {})[column.metric, column.group] = Value(score, n=column.n)
            for key, values in own.items():
                found.setdefault(key, []).append(Line(row.model, values, number))
    return found


def _columns(key: Key, tables: Sequence[Table]) -> list[tuple[str, str]]:
    """Published ones, that of all questions first."""
    own = dict.fromkeys(
        (column.metric, column.group)
        for table in tables
        for column in table.columns.values()
        if (column.benchmark, column.protocol, column.of, column.judge)
        == (key.benchmark, key.protocol, key.of, key.judge)
    )
    return sorted(own, key=lambda place: bool(place[1]))


def _wanted(key: Key, tables: Sequence[Table]) -> dict[tuple[str, str], int | None]:
    """How many questions each published number is over."""
    return {
        (column.metric, column.group): column.n
        for table in tables
        for column in table.columns.values()
        if Key(column.benchmark, column.protocol, column.of, column.judge) == key
    }


def _fits(
    scores: Scores,
    numbers: Mapping[tuple[str, str], Number],
    key: Key,
    wanted: Mapping[tuple[str, str], int | None],
) -> bool:
    """Whether a run was asked the same questions in the same way."""
    if (scores.benchmark, scores.protocol, scores.judge) != (key.benchmark, key.protocol, key.judge):
        return False
    both = [(numbers[place].n, n) for place, n in wanted.items() if place in numbers]
    return bool(both) and all(ours == theirs for ours, theirs in both)


def _own(run: Run) -> Key:
    scores = run.scores
    judge = scores.judge.rpartition(", ")[0] or scores.judge  # the days that it was asked on differ
    files = ", ".join(sorted(run.files)[:3]) + (" ..." if len(run.files) > 3 else "")
    of = f"{scores.expected:,}" + (f" of {files}" if files else "")
    digests = tuple(sorted(run.files.values()))
    return Key(scores.benchmark, scores.protocol, of, judge, digests, told_settings(run.settings, run.files))


def _shown(
    scores: Scores, numbers: Mapping[tuple[str, str], Number], *, joined: bool
) -> Iterator[tuple[str, str]]:
    """The headline; where there are no published columns, its groups too, unless they are many."""
    if scores.headline in numbers or not joined:
        yield scores.headline
    groups = [place for place in numbers if place[0] == scores.headline[0] and place[1]]
    if not joined and len(groups) <= _GROUPS:
        yield from groups


def _names(runs: Sequence[Run]) -> list[str]:
    """Names of models, with the run and then the folder where a model has several scores of a kind."""
    found = [run.scores.model for run in runs]
    for more in (lambda run: run.name, lambda run: f"{run.name}/{run.folder}"):
        keys = [
            (name, run.scores.benchmark, run.scores.protocol) for name, run in zip(found, runs, strict=True)
        ]
        found = [
            f"{run.scores.model} ({more(run)})" if keys.count(key) > 1 else name
            for name, run, key in zip(found, runs, keys, strict=True)
        ]
    return found


def _section(
    key: Key, columns: Sequence[tuple[str, str]], lines: Sequence[Line], runs: Sequence[Run]
) -> Section:
    best = {place: _best(place, lines) for place in columns}
    marked = []
    for line in lines:
        values = {
            place: replace(v, best=v.value == best[place] and not line.marks)
            for place, v in line.values.items()
            if place in best
        }
        marked.append(replace(line, values=values))
    first = columns[0]

    def rank(line: Line) -> tuple[bool, float, str]:
        found = line.values.get(first)
        if found is None:
            return True, 0.0, line.model
        return False, found.value if found.lower else -found.value, line.model

    return Section(key, _title(key.benchmark, runs), tuple(columns), tuple(sorted(marked, key=rank)))


def _best(place: tuple[str, str], lines: Sequence[Line]) -> float | None:
    """The best of at least two numbers without marks."""
    values = [line.values[place] for line in lines if place in line.values and not line.marks]
    if len(values) < 2:
        return None
    pick = min if any(v.lower for v in values) else max
    return pick(v.value for v in values)


def _title(benchmark: str, runs: Sequence[Run]) -> str:
    """As papers write it."""
    for run in runs:
        if run.scores.benchmark == benchmark:
            return run.scores.title
    return str(BENCHMARKS.load(benchmark).title)
