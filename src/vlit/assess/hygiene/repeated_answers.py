"""Hygiene: one answer under several images.

A long answer that is word for word the same under another image was pasted, or says nothing of its image. (In
the review's own examples, an answer about a baby stands in a dialogue about an office.) Each response turn of
at least ``min_words`` words is compared by itself, in lower case and with white space collapsed; the value is
the number of *other* images of the set that have the sample's most repeated one. Images are told apart by
content hash, else by URI; the images of a sample count as one. Limits: templates repeat by nature, so that "no,
there is no dog in this photo" has a high value in a set that was made from annotations; a change of one word
hides a repeat (see ``near_duplicate``).

Memory: 28 bytes for each long response turn during the pass and the ids; afterwards 16 bytes and an id for each
distinct text that two images share.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pydantic

from vlit.assess.hygiene.exact_duplicates import normalised
from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.hygiene.telltale import responses
from vlit.assess.indicator import Indicator
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.score import Score, shown
from vlit.data.seeds import hash64
from vlit.run.stage import Config


class RepeatedAnswerConfig(Config):
    """Which responses are compared."""

    min_words: int = pydantic.Field(default=8, ge=1)  #: shorter ones repeat by nature


class RepeatedAnswer(Indicator[RepeatedAnswerConfig]):
    """Number of other images of the set under which one of the responses stands as well."""

    name: ClassVar[str] = "repeated_answer"
    principle = "hygiene"
    direction = "lower is better"
    Config = RepeatedAnswerConfig

    def fit(self) -> _Pass:
        """Collect text and image of all long response turns."""
        return _Pass(self.config.min_words)

    def score(self, part: Part, state: Lookup) -> Iterator[Score]:
        """Look up each long turn among those that several images share."""
        texts = [long_responses(sample, self.config.min_words) for sample in part.samples]
        found = iter(state.find([hash64(text) for own in texts for text in own]))
        for sample, own in zip(part.samples, texts, strict=True):
            shared = [(told, text) for text in own if (told := next(found)) is not None]
            if not sample.images:
                yield self.of(sample, None, "there is no image")
            elif not own:
                yield self.of(sample, None, f"no response has {self.config.min_words} words")
            elif not shared:
                yield self.of(sample, 0.0)
            else:
                (images, first), text = max(shared, key=lambda pair: pair[0][0])
                others = "another image" if images == 2 else f"{images - 1:.0f} other images"
                said = "" if first == sample.id else f", first in {first}"
                yield self.of(sample, images - 1, f'"{shown(text, 60)}" stands under {others} as well{said}')


class _Pass:
    def __init__(self, min_words: int) -> None:
        self._min_words = min_words
        self._texts, self._images, self._places = array("Q"), array("Q"), array("I")
        self._ids: list[str] = []

    def add(self, sample: Sample) -> None:
        texts = long_responses(sample, self._min_words) if sample.images else []
        if not texts:
            return
        image = hash64("\x1f".join(image.sha256 or image.uri for image in sample.images))
        for text in texts:
            self._texts.append(hash64(text))
            self._images.append(image)
            self._places.append(len(self._ids))
        self._ids.append(sample.id)

    def state(self, seen: Seen) -> Lookup:
        """Texts that several images have: hash of the text -> (number of images, id of the first sample)."""
        if not self._texts:
            return Lookup([], [], [])
        texts, images = np.frombuffer(self._texts, np.uint64), np.frombuffer(self._images, np.uint64)
        order = np.lexsort((images, texts))
        texts, images = texts[order], images[order]
        new_text = np.r_[True, texts[1:] != texts[:-1]]
        new_pair = new_text | np.r_[True, images[1:] != images[:-1]]
        begins = np.flatnonzero(new_text)
        counts = np.add.reduceat(new_pair.astype(np.int64), begins)
        firsts = np.minimum.reduceat(np.frombuffer(self._places, np.uint32)[order], begins)
        several = counts > 1
        ids = [self._ids[i] for i in firsts[several].tolist()]
        return Lookup(texts[begins][several], counts[several], ids)


def long_responses(sample: Sample, min_words: int) -> list[str]:
    """Response turns of at least so many words, in lower case, with single spaces."""
    return [normalised(t) for t in responses(sample) if len(t.split(None, min_words - 1)) >= min_words]
