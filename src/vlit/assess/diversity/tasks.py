"""Task diversity: how many tasks the instructions pose, found by rules and by vectors.

The review lets a language model tag the data (TagGPT) and counts the tags T that are left after filtering (9 or
10 in its table); ``task_tags`` does so. This is the embedded form, on a list of our own (``tasks.yaml``: the
tasks that the review's table names, brought together, and the question types that benchmarks tell apart):

1. The first task of which a rule matches the instruction. A dialogue has the task that all of its instructions
   have, else it is a "conversation".
2. Where no rule matches, the task that a linear classifier of the instruction's vector tells, if its output is
   at least ``certain``. It is fitted to what the rules found among ``at`` drawn samples (least squares to 0 and
   1, for tasks with 20 or more of them), so that it knows the tasks of this set alone.
3. Else "open question", or "other" for what is no question.
4. Two tasks whose mean vectors have a cosine of at least ``repeats`` are one, named as the larger one.
5. Tasks with a share below ``min_share`` of the draw are left out; their samples are "other".

The value is the number of tasks that are left without "other", the group of a sample is its task; the detail
has the counts and their spread. Limits: the rules are English and look at words: "Why is the man behind the
car?" is reasoning, "Is the man behind the car angry?" position. Agreement with labels of others: counting 99 %,
location 93 %, attributes 71 %, scene text 85 % of SEED-Bench's questions of these kinds; 100 % of the detailed
descriptions and 90 % of the complex reasoning of LLaVA's 90 judge questions (the rules were tried out on
these). Vectors alone tell subjects better than tasks. Of VQA-like questions that rules place, the classifier
finds 76 % and more above 0.3 with ``static`` and 85 % with ``minilm``, and 14 and 7 % of the others reach that;
the nearest example of the list is right for 25 and 44 %.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.assess.balance import spread
from vlit.assess.diversity.task_rules import CONVERSATION, OTHER, fallback, task_of
from vlit.assess.diversity.visual import unit
from vlit.assess.indicator import Direction, Indicator, Need, Principle, Scope
from vlit.assess.seen import Part, Seen, Sentences
from vlit.assess.texts import instructions_of
from vlit.data.sample import Sample
from vlit.data.score import Score, SetScore
from vlit.data.seeds import draw
from vlit.run.stage import Config

F32: TypeAlias = npt.NDArray[np.float32]

_OWN = 20  #: instructions from which a task is learned
_NONE_TOLD = "no instruction could be told to pose a task; the rules are English"
_RIDGE = 10.0  #: keeps the weights of the classifier small


class TaskDiversityConfig(Config):
    """How tasks are found and which ones count."""

    min_share: float = pydantic.Field(0.01, ge=0, lt=1, description="of the drawn samples, for a task to count")
    certain: float = pydantic.Field(
        0.3, description="output of the classifier that counts, where no rule tells the task"
    )
    repeats: float = pydantic.Field(0.9, ge=-1, le=1, description="cosine of two tasks that are one")
    at: int = pydantic.Field(20_000, ge=1, description="samples that are drawn to find and filter the tasks")


class Tasks(NamedTuple):
    """What every part needs to tell the task of a sample."""

    figures: dict[str, Any]  #: of the set
    becomes: Mapping[str, str]  #: names in the end; a task that the draw does not have is "other"
    names: tuple[str, ...]  #: that the classifier knows
    weights: F32  #: shape (d, names)
    origin: F32  #: what is taken from each vector first, shape (d,)

    def told_by(self, vectors: npt.NDArray[Any], least: float) -> list[str | None]:
        """The task that the vector tells, for each row where it is certain enough."""
        if not self.names or not len(vectors):
            return [None] * len(vectors)
        there = vectors.any(axis=1) & np.isfinite(vectors).all(axis=1)
        outputs = np.where(there[:, None], centred(vectors, self.origin) @ self.weights, -np.inf)
        best = outputs.argmax(axis=1).tolist()
        return [self.names[b] if row[b] >= least else None for row, b in zip(outputs, best, strict=True)]


class TaskDiversity(Indicator[TaskDiversityConfig]):
    """Number of tasks that the instructions pose."""

    name: ClassVar[str] = "task_diversity"
    principle: ClassVar[Principle] = "task diversity"
    direction: ClassVar[Direction] = "higher is better"
    scope: ClassVar[Scope] = "set"
    needs: ClassVar[tuple[Need, ...]] = ("text", "sentences")
    extra: ClassVar[str | None] = "assess"
    Config = TaskDiversityConfig

    def fit(self) -> _Pass:
        """Draw samples and keep their instructions."""
        return _Pass(self.config, self.seed)

    def score(self, part: Part, state: Tasks) -> Iterator[Score]:
        """The task of each sample as the group."""
        assert part.sentences is not None
        texts = [instructions_of(sample) for sample in part.samples]
        found = found_tasks(texts, part.sentences, state, self.config.certain)
        for sample, task in zip(part.samples, found, strict=True):
            if task is None:
                yield self.of(sample, None, "the sample has no instruction")
            else:
                yield self.of(sample, None, "a property of the set", state.becomes.get(task, OTHER))

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The number of tasks, with counts and spread."""
        counts = Counter(score.group for score in scores if score.group is not None)
        if not counts:
            return self.of_set(None, 0, why="no sample has an instruction")
        figures = state.figures
        if not figures["found"]:
            return self.of_set(None, 0, why=_NONE_TOLD, **figures)
        return self.of_set(float(len(figures["found"])), counts.total(), **figures, **self.spread(counts)[1])

    @staticmethod
    def spread(counts: Mapping[str, int]) -> tuple[float | None, dict[str, Any]]:
        """Spread of the samples over the tasks; "other" is none, its share is told."""
        value, detail = spread({task: n for task, n in counts.items() if task != OTHER})
        total = sum(counts.values())
        return value, {**detail, "other": counts.get(OTHER, 0) / total if total else None}


class TaskBalanceFound(TaskDiversity):
    """Variance of the percentage shares of the tasks that are found, not of those that the samples declare."""

    name: ClassVar[str] = "task_balance_found"
    principle: ClassVar[Principle] = "balance"
    direction: ClassVar[Direction] = "lower is better"

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The variance, with its companions."""
        counts = Counter(score.group for score in scores if score.group is not None)
        if not counts:
            return self.of_set(None, 0, why="no sample has an instruction")
        value, detail = self.spread(counts)
        if value is None:
            return self.of_set(None, 0, why=_NONE_TOLD, **state.figures)
        return self.of_set(value, counts.total(), **state.figures, **detail)


def found_tasks(texts: list[list[str]], sentences: Sentences, tasks: Tasks, least: float) -> list[str | None]:
    """The task of each sample before small tasks are left out; ``None`` without instructions.

    Args:
        texts: Instructions of each sample.
        sentences: Their vectors.
        tasks: With the classifier.
        least: Output of it that counts.
    """
    found = [task_of(own) if own else None for own in texts]
    open_ = [i for i, task in enumerate(found) if task is None and texts[i]]
    near = tasks.told_by(sentences.instructions[open_], least) if open_ else []
    for i, task in zip(open_, near, strict=True):
        found[i] = task or fallback(texts[i][0])
    return found


class _Pass:
    """The instructions of the samples with the lowest draws, and where these stand in the set."""

    def __init__(self, config: TaskDiversityConfig, seed: int) -> None:
        self._config, self._seed, self._n = config, seed, 0
        self._drawn: list[tuple[int, int, list[str]]] = []  # a heap, the highest draw first

    def add(self, sample: Sample) -> None:
        row, self._n = self._n, self._n + 1
        drawn = -draw(self._seed, sample.id)
        if len(self._drawn) < self._config.at:
            heapq.heappush(self._drawn, (drawn, row, instructions_of(sample)))
        elif drawn > self._drawn[0][0]:
            heapq.heapreplace(self._drawn, (drawn, row, instructions_of(sample)))

    def state(self, seen: Seen) -> Tasks:
        rows = sorted((row, texts) for _, row, texts in self._drawn if texts)
        return tasks_of(
            [texts for _, texts in rows],
            seen.sentences_of(np.array([row for row, _ in rows], np.int64)),
            self._config,
        )


def tasks_of(texts: list[list[str]], sentences: Sentences, config: TaskDiversityConfig) -> Tasks:
    """Find the tasks of a draw, and filter them.

    Args:
        texts: Instructions of each sample, at least one.
        sentences: Their vectors.
        config: The filters.
    """
    by_rules = [task_of(own) for own in texts]
    vectors = sentences.instructions.astype(np.float32)
    vectors[~np.isfinite(vectors).all(axis=1)] = 0
    origin: F32 = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1], np.float32)
    names, means, weights = learned(by_rules, vectors, origin)
    tasks = Tasks({}, {}, names, weights, origin)
    found = Counter(filter(None, found_tasks(texts, sentences, tasks, config.certain)))
    merged = repeats(found, names, means, config.repeats)
    counts: Counter[str] = Counter()
    for task, n in found.items():
        counts[merged.get(task, task)] += n
    least = config.min_share * counts.total()
    left_out = {task for task, n in counts.items() if n < least and task != OTHER}
    figures = {
        "encoder": sentences.encoder,
        "drawn": len(texts),
        "found": sorted(counts.keys() - left_out - {OTHER}),
        "left_out": sorted(left_out),
        "repeats_of": {task: merged[task] for task in sorted(merged)},
        "by_rules": (len(by_rules) - by_rules.count(None)) / len(by_rules) if by_rules else None,
    }
    final = {task: merged.get(task, task) for task in found}
    becomes = {task: OTHER if name in left_out else name for task, name in final.items()}
    return tasks._replace(figures=figures, becomes=becomes)


def learned(tasks: list[str | None], vectors: F32, origin: F32) -> tuple[tuple[str, ...], F32, F32]:
    """What the tasks with enough instructions look like.

    Returns:
        Their names, sorted; unit mean vectors, shape (names, d); weights of the classifier, shape (d, names).
    """
    rows: dict[str, list[int]] = {}
    for i, task in enumerate(tasks):
        if task is not None and task != CONVERSATION and vectors[i].any():
            rows.setdefault(task, []).append(i)
    names = tuple(sorted(task for task, own in rows.items() if len(own) >= _OWN))
    used = sorted(i for own in rows.values() for i in own)
    there = centred(vectors, origin).astype(np.float64)
    means = np.array([there[rows[name]].mean(axis=0) for name in names]).reshape(len(names), vectors.shape[1])
    sums = means * np.array([[len(rows[name])] for name in names]).reshape(-1, 1)
    gram = there[used].T @ there[used] + _RIDGE * np.eye(vectors.shape[1])
    weights = np.linalg.solve(gram, sums.T)
    return names, unit(means.astype(np.float32)), weights.astype(np.float32)


def repeats(counts: Mapping[str, int], names: tuple[str, ...], means: F32, most: float) -> dict[str, str]:
    """Tasks whose mean vectors are too near to that of a larger one, and that one."""
    order = sorted(range(len(names)), key=lambda i: (-counts.get(names[i], 0), names[i]))
    near = means @ means.T
    kept: list[int] = []
    merged: dict[str, str] = {}
    for i in order:
        into = next((j for j in kept if near[i, j] >= most), None)
        if into is None:
            kept.append(i)
        else:
            merged[names[i]] = names[into]
    return merged


def centred(vectors: npt.NDArray[Any], origin: F32) -> F32:
    """Unit vectors after the common mean has been taken from them."""
    return unit(vectors.astype(np.float32) - origin)
