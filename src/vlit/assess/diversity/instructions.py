"""Diversity of the instructions of each task: communities of words that stand together.

The review's indicator. For each task label the words of its instructions, without stop words, become a graph
that joins two words where one instruction holds both; ego-splitting finds its overlapping communities; their
number, averaged over the tasks, is the value. What the review leaves open is decided like this:

* an instruction is one user turn, and words stand together in the whole of it (longer ones: in pieces of
  ``window``); edges have no weights, and a word counts from ``min_count`` instructions on;
* the persona graph is parted by Louvain: its connected components, which the review's text suggests, are one
  giant community and a few tiny ones on real text. Both numbers are told for each task;
* communities of two words count; a word that never stands beside another has no persona and counts nowhere;
* tasks are averaged with equal weight; their sum is told beside it.

Words like "image" that nearly every instruction holds tie much together: name them in ``stop_words`` to leave
them out. The number grows with the number of instructions, so that it is taken from a draw of ``at`` samples:
compare sets at equal n. The group of a sample is the community of most words of its instructions, numbered by
size. Limits: templates give tiny graphs, where the number says more about the templates than about the data; it
cannot tell one subject from many that share words; stop words are English.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal, TypeAlias

import pydantic

from vlit.assess.diversity.communities import TaskWords, task_words
from vlit.assess.diversity.stop_words import content_words
from vlit.assess.indicator import Indicator, Need, Scope
from vlit.assess.seen import Part, Seen
from vlit.assess.texts import instructions_of
from vlit.data.sample import Sample
from vlit.data.score import Score, SetScore
from vlit.data.seeds import draw
from vlit.run.stage import Config

#: Tasks that the detail lists, the most frequent first.
_LISTED = 100

State: TypeAlias = Mapping[str, TaskWords]


class InstructionDiversityConfig(Config):
    """How the graph is made and parted."""

    communities: Literal["components", "louvain"] = "louvain"  #: which number is the value
    min_count: int = pydantic.Field(default=1, ge=1)  #: instructions that a word has to stand in
    window: int = pydantic.Field(default=100, ge=2)  #: words that stand together at most
    stop_words: tuple[str, ...] = ()  #: words to leave out beside the stop words of English
    at: int = pydantic.Field(default=20_000, ge=0)  #: samples that are drawn for it; 0: all


class InstructionDiversity(Indicator[InstructionDiversityConfig]):
    """Mean number of communities of words in the instructions of a task."""

    name: ClassVar[str] = "instruction_diversity"
    principle = "instruction diversity"
    direction = "higher is better"
    scope: ClassVar[Scope] = "set"
    needs: ClassVar[tuple[Need, ...]] = ("text", "task")
    extra: ClassVar[str | None] = "assess"
    Config = InstructionDiversityConfig

    def fit(self) -> _Pass:
        """Keep the instructions of the draw."""
        return _Pass(self.config, self.seed)

    def score(self, part: Part, state: State) -> Iterator[Score]:
        """The community of each sample; samples of the draw and others alike."""
        also_stop = _lowered(self.config.stop_words)
        known: dict[tuple[str, str], int | None] = {}  # instructions come again
        for sample in part.samples:
            task, texts = state.get(sample.task), instructions_of(sample)
            if not texts:
                yield self.of(sample, None, "the sample has no instruction")
                continue
            if task is None:
                yield self.of(sample, None, "no instruction of this task was drawn")
                continue
            votes: Counter[int] = Counter()
            for text in texts:
                key = sample.task, text
                if key not in known:
                    known[key] = task.community(content_words(text, also_stop))
                if (found := known[key]) is not None:
                    votes[found] += 1
            best = min(votes, key=lambda c: (-votes[c], c)) if votes else None
            group = None if best is None else f"{sample.task}/{best}"
            yield self.of(sample, None, "a property of the set", group)

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """Mean over the tasks, with the figures of each."""
        tasks = [(task, words.figures) for task, words in (state or {}).items()]
        tasks.sort(key=lambda item: (-item[1].instructions, item[0]))
        counts = {p: [getattr(f, p) for _, f in tasks] for p in ("louvain", "components")}
        total, at = sum(1 for _ in scores), self.config.at
        if tasks and not any(figures.pairs for _, figures in tasks):
            return self.of_set(None, 0, why="no instruction has two content words that stand together")
        return self.of_set(
            _mean(counts[self.config.communities]),
            min(total, at or total),
            unit="communities of words, mean over tasks",
            tasks=len(tasks),
            mean={p: _mean(found) for p, found in counts.items()},
            sum={p: sum(found) for p, found in counts.items()},
            largest_tasks=[{"task": task, **asdict(figures)} for task, figures in tasks[:_LISTED]],
        )


class _Pass:
    """The instructions of the samples with the lowest draws."""

    def __init__(self, config: InstructionDiversityConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        self._drawn: list[tuple[int, str, str, list[str]]] = []  # a heap, the highest draw first

    def add(self, sample: Sample) -> None:
        drawn, at = -draw(self._seed, sample.id), self._config.at
        full = bool(at) and len(self._drawn) >= at
        if full and drawn <= self._drawn[0][0]:
            return
        row = (drawn, sample.id, sample.task, instructions_of(sample))
        if full:
            heapq.heapreplace(self._drawn, row)
        else:
            heapq.heappush(self._drawn, row)

    def state(self, seen: Seen) -> State:
        config, also_stop = self._config, _lowered(self._config.stop_words)
        words: dict[str, list[list[str]]] = {}
        for _, _, task, texts in self._drawn:
            words.setdefault(task, []).extend(content_words(text, also_stop) for text in texts)
        return {
            task: task_words(
                words[task],
                config.communities,
                min_count=config.min_count,
                window=config.window,
                seed=self._seed,
            )
            for task in sorted(words)
            if words[task]
        }


def _lowered(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)


def _mean(counts: list[int]) -> float | None:
    return sum(counts) / len(counts) if counts else None
