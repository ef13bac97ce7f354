"""Hygiene: responses that all begin alike.

A teacher or template that begins every answer with "The image features a" teaches just that. The opening is the
first ``words`` words of the first response, in lower case. For a sample the value is the share of the
responses *of its task* that begin with the same words; an opening that no other response of the task has counts
0, so that small tasks are not punished. For the set the value is the share of the commonest opening; the detail
names the commonest ones and the entropy of all: its exponential is an effective number of openings. Responses
that are shorter than ``words`` have no opening. Limits: one more word at the beginning hides an opening.

Memory: 8 bytes a sample during the pass, afterwards 16 bytes for each opening that a task has twice.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pydantic

from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.indicator import Indicator, Need
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.score import Score, SetScore
from vlit.data.seeds import hash64
from vlit.run.stage import Config


class CollapsedOpeningConfig(Config):
    """What an opening is."""

    words: int = pydantic.Field(default=4, ge=1, le=20)
    top: int = pydantic.Field(default=10, ge=1)  #: openings that the set score names


class Openings(NamedTuple):
    """Shared openings and sizes of tasks, by 64-bit keys."""

    shared: Lookup
    tasks: dict[str, int]


class CollapsedOpening(Indicator[CollapsedOpeningConfig]):
    """Share of the task's responses that begin with the same words, 0 to 1."""

    name: ClassVar[str] = "collapsed_opening"
    principle = "hygiene"
    direction = "lower is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "task")
    Config = CollapsedOpeningConfig

    def fit(self) -> _Pass:
        """Collect the openings of all tasks."""
        return _Pass(self.config.words)

    def score(self, part: Part, state: Openings) -> Iterator[Score]:
        """Look each opening up; it is the group where others share it."""
        k = self.config.words
        begins = [opening(sample, k) for sample in part.samples]
        keys = [key(sample.task, text) for sample, text in zip(part.samples, begins, strict=True)]
        for sample, text, found in zip(part.samples, begins, state.shared.find(keys), strict=True):
            if text is None:
                yield self.of(sample, None, f"the first response has fewer than {k} words")
            elif found is None:
                yield self.of(sample, 0.0)
            else:
                share = found[0] / state.tasks[sample.task]
                said = f'{share:.0%} of "{sample.task}" begin with "{text}"'
                yield self.of(sample, share, said, group=text)

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """Share of the commonest opening, with the commonest ones and the entropy of all."""
        counts: Counter[str] = Counter()
        single = 0
        for score in scores:
            if score.group is not None:
                counts[score.group] += 1
            elif score.value is not None:
                single += 1
        n = counts.total() + single
        if not n:
            return self.of_set(None, 0)
        entropy = -math.fsum(c / n * math.log(c / n) for c in counts.values()) + single / n * math.log(n)
        top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: self.config.top]
        return self.of_set(
            (top[0][1] if top else 1) / n,
            n,
            openings=len(counts) + single,
            entropy_nats=entropy,
            effective_openings=math.exp(entropy),
            commonest=[{"opening": text, "share": count / n} for text, count in top],
        )


class _Pass:
    def __init__(self, words: int) -> None:
        self._words = words
        self._keys = array("Q")
        self._tasks: Counter[str] = Counter()

    def add(self, sample: Sample) -> None:
        text = opening(sample, self._words)
        if text is not None:
            self._keys.append(key(sample.task, text))
            self._tasks[sample.task] += 1

    def state(self, seen: Seen) -> Openings:
        """Openings that several responses of a task share -> how many."""
        keys, counts = np.unique(np.array(self._keys, np.uint64), return_counts=True)
        several = counts > 1
        return Openings(Lookup(keys[several], counts[several], [""] * int(several.sum())), dict(self._tasks))


def opening(sample: Sample, words: int) -> str | None:
    """The first words of the first response, in lower case; none where it has fewer."""
    text = next((t.text for t in sample.turns if t.role == "assistant"), "")
    first = strip_image_tokens(text).split(None, words)[:words]
    return " ".join(first).lower() if len(first) == words else None


def key(task: str, text: str | None) -> int:
    """64 bits for an opening of a task."""
    return hash64(f"{task}\x1f{text}") if text is not None else 0
