"""The drawn samples that tags are proposed for, and what is known of the tags of a set."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from vlit.assess.judge.drawn import Drawn
from vlit.assess.judge.tag_system import Vectors
from vlit.assess.seen import Seen, Sentences
from vlit.data.sample import Sample
from vlit.data.seeds import draw

#: Characters of an instruction and of a response that are shown: a task is seen from the beginning.
_SHOWN = 600


@dataclass(frozen=True)
class TagState:
    """What is known of the whole set: the drawn samples, and the tags once they were concluded."""

    drawn: Drawn
    ids: tuple[str, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()  #: instruction and response of the drawn samples, as they are shown
    vectors: Vectors | None = None  #: of these, as ``joined`` makes them
    tags: tuple[str, ...] | None = None  #: ``None`` before anything was concluded
    prototypes: Vectors | None = None
    #: Kept tags that the judge named, by the id of a drawn sample.
    named: dict[str, tuple[str, ...]] | None = None
    why_none: str = ""

    def __contains__(self, sample: Sample) -> bool:
        return sample in self.drawn

    def small(self) -> TagState:
        """Without the texts, which nobody needs once there are tags."""
        return TagState(self.drawn)


class TagDrawing:
    """A pass over the set that keeps the samples of the lowest draws, and where they stand in the set.

    Args:
        seed: Of the run.
        at: How many samples; 0 for all.
    """

    def __init__(self, seed: int, at: int) -> None:
        self.seed, self.at, self.n = seed, at, 0
        self._held: list[tuple[int, int, str, tuple[str, str]]] = []  # a heap, the signs turned

    def add(self, sample: Sample) -> None:
        """Look at the draw of one sample."""
        place = self.n
        self.n += 1
        drawn = -draw(self.seed, sample.id)
        if self.at and len(self._held) >= self.at and drawn <= self._held[0][0]:
            return
        item = (drawn, place, sample.id, shown_of(sample))
        full = self.at and len(self._held) >= self.at
        (heapq.heapreplace if full else heapq.heappush)(self._held, item)

    def state(self, seen: Seen) -> TagState:
        """The drawn samples in the order of the set."""
        few = self.at and self.n > self.at
        drawn = Drawn(self.seed, -self._held[0][0] if few else None, self.n)
        rows = sorted((place, id_, text) for _, place, id_, text in self._held if any(text))
        places = np.fromiter((place for place, _, _ in rows), np.intp, len(rows))
        vectors = joined(seen.sentences_of(places))
        return TagState(drawn, tuple(i for _, i, _ in rows), tuple(t for _, _, t in rows), vectors)


def joined(sentences: Sentences) -> Vectors:
    """One unit vector for each sample out of those of its instruction and its response, shape (n, 2 d).

    Both together tell tasks apart better than either. A row of zeros where there is no text.
    """
    rows = np.hstack([sentences.instructions, sentences.responses]).astype(np.float32)
    lengths = np.sqrt((rows**2).sum(1, keepdims=True))
    found: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found


def shown_of(sample: Sample) -> tuple[str, str]:
    """Beginning of the instruction and of the response."""
    texts = (" ".join(sample.text_of(role).split()) for role in ("user", "assistant"))
    asked, answered = (t if len(t) <= _SHOWN else f"{t[: _SHOWN - 1]}…" for t in texts)
    return asked, answered
