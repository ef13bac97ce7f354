"""Which samples are judged: those with the lowest draws of the seed, so that most stay when a set grows."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from vlit.assess.seen import Seen
from vlit.data.sample import Sample
from vlit.data.seeds import draw


@dataclass(frozen=True)
class Drawn:
    """A draw of samples: those whose draw is not above ``most``; all where that is ``None``."""

    seed: int
    most: int | None
    n: int  #: samples of the set

    def __contains__(self, sample: Sample) -> bool:
        return self.most is None or draw(self.seed, sample.id) <= self.most


class Drawing:
    """A pass over the set that finds the lowest draws of (seed, id).

    Args:
        seed: Of the run.
        at: How many samples; 0 for all.
    """

    def __init__(self, seed: int, at: int) -> None:
        self.seed, self.at, self.n = seed, at, 0
        self._lowest: list[int] = []  # a heap with the signs turned: the highest of them first

    def add(self, sample: Sample) -> None:
        """Look at the draw of one sample."""
        self.n += 1
        if not self.at:
            return
        drawn = -draw(self.seed, sample.id)
        if len(self._lowest) < self.at:
            heapq.heappush(self._lowest, drawn)
        elif drawn > self._lowest[0]:
            heapq.heapreplace(self._lowest, drawn)

    def state(self, seen: Seen) -> Drawn:
        """The draw."""
        few = self.at and self.n > self.at
        return Drawn(self.seed, -self._lowest[0] if few else None, self.n)
