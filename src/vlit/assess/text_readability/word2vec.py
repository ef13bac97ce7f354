"""Text readability as the review measures it: the score of a Word2Vec model, per token.

    value = sum over skip-gram pairs of log P(word | word near it) / number of known tokens      at most 0

The model is gensim's skip-gram with hierarchical softmax, trained on at most ``train_samples`` samples of the
set (those with the lowest hash, in the order of the hashes, by one thread: the same on every run); ``score`` is
the one of Taddy 2015. The review gives neither the settings nor the map to the 0.83 that it reports.

Limits, which are the reason why this is not what we recommend: each word has some ten neighbours in its window,
so this is no log probability of a token; neighbours are a bag, so **word order is hardly seen** (shuffled text
scores as well as the original); one word repeated scores better than any sentence; words that the model does
not know are passed over. Each sample is judged by a model that has read it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

import pydantic

from vlit.assess.indicator import Form, Indicator
from vlit.assess.seen import Part, Seen
from vlit.assess.text_readability.kneser_ney import tokens_of
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.data.seeds import hash64
from vlit.run.stage import Config

_LONGEST = 1000  #: tokens of a sentence; gensim leaves out what is behind the 10,000th


class TextReadabilityWord2VecConfig(Config):
    """Settings of gensim's Word2Vec, its defaults where it has some."""

    train_samples: int = pydantic.Field(default=20_000, ge=1)
    min_samples: int = pydantic.Field(default=20, ge=1)  #: fewer train no model
    vector_size: int = pydantic.Field(default=100, ge=1)
    window: int = pydantic.Field(default=5, ge=1)
    min_count: int = pydantic.Field(default=5, ge=1)  #: rarer words are unknown
    epochs: int = pydantic.Field(default=5, ge=1)


class TextReadabilityWord2Vec(Indicator[TextReadabilityWord2VecConfig]):
    """Mean Word2Vec score per token, natural logarithm, under a model of the set."""

    name: ClassVar[str] = "text_readability_word2vec"
    principle = "text readability"
    form: ClassVar[Form] = "faithful"
    direction = "higher is better"
    extra: ClassVar[str | None] = "gensim"
    by_default: ClassVar[bool] = False
    Config = TextReadabilityWord2VecConfig

    def fit(self) -> _Pass:
        """Train the model."""
        return _Pass(self.config, self.seed)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Score the sentences of all samples at once."""
        if isinstance(state, str):
            yield from (self.of(sample, None, state) for sample in part.samples)
            return
        texts = [_sentences(sample) for sample in part.samples]
        flat = [sentence for text in texts for sentence in text]
        found = iter(state.score(flat, total_sentences=len(flat)).tolist() if flat else ())
        for sample, text in zip(part.samples, texts, strict=True):
            total = sum(next(found) for _ in text)
            known = sum(word in state.wv.key_to_index for sentence in text for word in sentence)
            if known:
                unknown = sum(map(len, text)) - known
                yield self.of(sample, total / known, f"{known} known tokens, {unknown} unknown")
            else:
                yield self.of(sample, None, "no word is known" if text else "the sample has no text")


class _Pass:
    """Keeps the samples with the lowest hashes, then trains."""

    def __init__(self, config: TextReadabilityWord2VecConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        self._gensim = _gensim()
        self._kept: list[tuple[int, int, Sample]] = []
        self._seen = 0  # tells samples with the same id apart

    def add(self, sample: Sample) -> None:
        entry = (-hash64(sample.id), -self._seen, sample)
        self._seen += 1
        if len(self._kept) < self._config.train_samples:
            heapq.heappush(self._kept, entry)
        elif entry > self._kept[0]:
            heapq.heapreplace(self._kept, entry)

    def state(self, seen: Seen) -> Any:
        """The model, or why there is none."""
        kept = sorted(self._kept, key=lambda entry: entry[:2], reverse=True)
        texts = [found for _, _, sample in kept if (found := _sentences(sample))]
        if len(texts) < self._config.min_samples:
            return f"too few samples to learn from: {len(texts)}"
        config = self._config
        model = self._gensim.Word2Vec(
            sg=1,
            hs=1,
            negative=0,
            workers=1,  # more would depend on which thread comes first
            seed=self._seed % (1 << 32),
            hashfxn=_hash,  # Python's own differs from process to process
            vector_size=config.vector_size,
            window=config.window,
            min_count=config.min_count,
            epochs=config.epochs,
        )
        sentences = [sentence for text in texts for sentence in text]
        model.build_vocab(sentences)
        if not model.wv.key_to_index:
            return f"no word occurs {config.min_count} times"
        model.train(sentences, total_examples=model.corpus_count, epochs=config.epochs)
        return model


def _sentences(sample: Sample) -> list[list[str]]:
    """Tokens of instructions and responses; what is no sentence but a book is cut into pieces."""
    found: list[list[str]] = [[]]
    for token in tokens_of(sample):
        if not token:
            found.append([])
        elif len(found[-1]) == _LONGEST:
            found.append([token])
        else:
            found[-1].append(token)
    return [sentence for sentence in found if sentence]


def _hash(word: str) -> int:
    return hash64(word) & 0xFFFFFFFF


def _gensim() -> Any:
    try:
        return import_module("gensim.models")
    except ImportError as error:
        raise VlitError(
            f"text_readability_word2vec needs gensim: {error}",
            where="assess.indicators.text_readability_word2vec",
            todo="pip install gensim (LGPL-2.1), or take text_readability, which needs nothing",
        ) from error
