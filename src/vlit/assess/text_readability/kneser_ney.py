"""Text readability: how well the wording of a sample is expected by a language model of the set itself.

    value = exp(mean log P(token | two tokens before))      0 to 1, the inverse of the perplexity

over the tokens and sentence ends of the least readable turn of a sample (an answer of scrambled words must not
hide behind a well-formed question), with the interpolated Kneser-Ney trigram model of ``ngrams``. A short turn
says little: each mean is taken together with ``prior_tokens`` tokens of the set's own mean. Tokens are those of
``vlit.language.tokens.words``; numbers with a decimal point (box coordinates) count as one word; sentences end
as ``sentences`` says. Words that occur once in the training text are the unknown word, so that it has a
probability of its own.

Cross-fitting: samples fall into two halves by a hash of their id and each half is scored by the model of the
other, so that no sample is its own evidence. Each model is trained on at most ``train_samples / 2`` samples,
those with the lowest hash: the same whatever the order or number of workers. With ``reference`` one model is
trained on the whole of that corpus instead, so that sets can be compared with each other.

The review's formula is the mean log probability with a Word2Vec "probability"; that one does not see word
order, this one does. Limits: it knows only the set, so a set of one template is "readable" and a rare topic
is not; compare values within a set, or between sets of like size, not as a grade of style. A sample of many
turns has a lower least one. Memory: about 60 bytes a token of training text.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np
import pydantic

from vlit.assess.indicator import Indicator
from vlit.assess.seen import Part, Seen
from vlit.assess.text_readability.ngrams import BEGIN, END, I64, MAX_VOCABULARY, UNKNOWN, TrigramModel
from vlit.assess.text_readability.reference import reference_texts
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.data.seeds import hash64
from vlit.language.tokens import words_and_ends
from vlit.run.inputs import content_line
from vlit.run.stage import Config

_NUMBER = "<number>"
_DECIMAL = re.compile(r"\d\.\d")
_USUAL = 1000  #: texts from which the set's mean is taken


class TextReadabilityConfig(Config):
    """How much text the models are trained on."""

    train_samples: int = pydantic.Field(default=20_000, ge=2)  #: both halves together
    min_samples: int = pydantic.Field(default=20, ge=1)  #: a half with fewer trains no model
    prior_tokens: float = pydantic.Field(default=8, ge=0)  #: of the set's mean that go into each turn's
    reference: str | None = None  #: corpus to learn from in place of the set: text, or LLaVA's JSON or JSONL


class _Ids(dict[str, int]):
    def __missing__(self, word: str) -> int:
        return UNKNOWN


@dataclass(frozen=True)
class Half:
    """The model of one half of the set, or how few samples there were for one."""

    samples: int
    words: tuple[str, ...] = ()
    model: TrigramModel | None = None
    usual: float = 0.0  #: mean log P of a token of the other half under this model

    @cached_property
    def ids(self) -> _Ids:
        """Word to id; the empty one is the end of a sentence."""
        return _Ids({word: i for i, word in enumerate(self.words, start=UNKNOWN + 1)} | {"": END})


class TextReadability(Indicator[TextReadabilityConfig]):
    """Inverse perplexity per token, 0 to 1, under a trigram model of the other half of the set."""

    name: ClassVar[str] = "text_readability"
    principle = "text readability"
    direction = "higher is better"
    Config = TextReadabilityConfig

    def outside(self) -> Iterator[str]:
        """The reference corpus."""
        if self.config.reference is not None:
            yield content_line(self._reference(self.config.reference))

    def fit(self) -> _Pass:
        """Train the two models, or the one of the reference corpus."""
        named = self.config.reference
        return _Pass(self.config, None if named is None else self._reference(named))

    def score(self, part: Part, state: tuple[Half, Half]) -> Iterator[Score]:
        """Ask the model of the other half, for all samples of the part at once."""
        samples = part.samples
        texts = [turns_of(s) for s in samples]
        side = [_half(s.id) for s in samples]
        least: list[tuple[float, int] | None] = [None] * len(samples)
        for half in (0, 1):
            mine = [(i, turn) for i, s in enumerate(side) if s == half for turn in texts[i]]
            judge = state[1 - half]
            if judge.model is not None and mine:
                means = mean_log_probabilities(judge, [turn for _, turn in mine])
                for (i, _), (mean, n) in zip(mine, means, strict=True):
                    prior = self.config.prior_tokens
                    found = (mean * n + judge.usual * prior) / (n + prior), n
                    least[i] = min(least[i] or found, found)
        for sample, text, half, worst in zip(samples, texts, side, least, strict=True):
            if worst is not None:
                turn = "the least readable turn's " if len(text) > 1 else ""
                reason = f"perplexity {math.exp(-worst[0]):.1f} over {turn}{worst[1]} tokens"
                yield self.of(sample, math.exp(worst[0]), reason)
            elif not text:
                yield self.of(sample, None, "the sample has no text")
            else:
                yield self.of(sample, None, f"too few samples to learn from: {state[1 - half].samples}")

    def _reference(self, named: str) -> Path:
        return (self.base / Path(named).expanduser()).resolve()


class _Pass:
    """Keeps the samples with the lowest hashes of each half, then trains."""

    def __init__(self, config: TextReadabilityConfig, reference: Path | None = None) -> None:
        self._config, self._reference = config, reference
        self._kept: tuple[list[tuple[int, int, Sample]], ...] = ([], [])
        self._seen = 0  # tells samples with the same id apart

    def add(self, sample: Sample) -> None:
        heap, room = self._kept[_half(sample.id)], self._config.train_samples // 2
        entry = (-hash64(sample.id), -self._seen, sample)
        self._seen += 1
        if len(heap) < room:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)

    def state(self, seen: Seen) -> tuple[Half, Half]:
        texts = [
            [t for _, _, sample in sorted(heap, key=lambda e: e[:2], reverse=True) if (t := tokens_of(sample))]
            for heap in self._kept
        ]
        if self._reference is not None:
            corpus = [tokens for text in reference_texts(self._reference) if (tokens := _tokens(text))]
            judge = with_usual(self._train(corpus), [*texts[0], *texts[1]])
            return judge, judge
        first, second = (self._train(some) for some in texts)
        return with_usual(first, texts[1]), with_usual(second, texts[0])

    def _train(self, texts: Sequence[list[str]]) -> Half:
        if len(texts) < self._config.min_samples:
            return Half(len(texts))
        counts = Counter(chain.from_iterable(texts))
        known = sorted(word for word, n in counts.items() if n > 1 and word)[: MAX_VOCABULARY - 3]
        half = Half(len(texts), tuple(known))
        stream, _ = _stream(half, texts)
        return Half(len(texts), half.words, TrigramModel.train(stream, len(known) + UNKNOWN + 1))


def turns_of(sample: Sample) -> list[list[str]]:
    """Tokens of the instructions and responses that have any, each sentence closed by an empty one."""
    texts = (turn.text for turn in sample.turns if turn.role != "system")
    return [said for text in texts if (said := _tokens(text.replace("<image>", " ")))]


def _tokens(text: str) -> list[str]:
    found = words_and_ends(text)
    if _DECIMAL.search(text):
        return [_NUMBER if w[:1].isdigit() and "." in w else w for w in found]
    return found


def tokens_of(sample: Sample) -> list[str]:
    """Tokens of instructions and responses, each sentence closed by an empty one."""
    return [token for turn in turns_of(sample) for token in turn]


def with_usual(half: Half, others: Sequence[list[str]]) -> Half:
    """The model with what a token of other text usually has under it, measured on some of that text."""
    some = others[:_USUAL]
    if half.model is None or not some:
        return half
    means = mean_log_probabilities(half, some)
    n = sum(tokens for _, tokens in means)
    return dataclasses.replace(half, usual=math.fsum(mean * tokens for mean, tokens in means) / n)


def mean_log_probabilities(half: Half, texts: Sequence[list[str]]) -> list[tuple[float, int]]:
    """For each text, which has at least one token: natural mean log P per token, and the number of tokens."""
    if half.model is None:
        raise ValueError("this half has no model")
    stream, tokens = _stream(half, texts)
    logs = half.model.log_probabilities(stream)
    starts = np.r_[0, np.cumsum(tokens)[:-1]].astype(np.int64)
    means = np.add.reduceat(logs, starts) / tokens
    return list(zip(means.tolist(), tokens.tolist(), strict=True))


def _stream(half: Half, texts: Sequence[list[str]]) -> tuple[I64, I64]:
    """All texts as one stream of ids, and the number of predicted tokens of each (its words and ends)."""
    ids = np.fromiter(map(half.ids.__getitem__, chain.from_iterable(texts)), np.int64)
    ends = ids == END
    begun = 1 + np.cumsum(ends) - ends  # sentences that have begun where a token stands: each with two BEGIN
    stream = np.full(len(ids) + 2 * np.count_nonzero(ends), BEGIN)
    stream[np.arange(len(ids)) + 2 * begun] = ids
    return stream, np.array([len(text) for text in texts], np.int64)


def _half(id: str) -> int:
    return hash64(id) & 1
