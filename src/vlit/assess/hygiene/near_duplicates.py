"""Hygiene: responses that nearly repeat an earlier one, wherever they stand.

A response of at least ``min_words`` words (marks and case apart) is the set of its word 3-shingles. Its
MinHash signature has 64 values of 32 bits: the least of ``(a_i x + b_i) mod 2^61 - 1`` over the shingles'
hashes ``x`` (Broder 1997). Signatures that agree in one of 16 bands of 4 values are candidates; the value is
the highest share of agreeing signature values with an earlier response, an estimate of the Jaccard similarity
with a standard error of at most 0.0625. Identical responses have 1. Below ``floor`` nothing is reported and
the value is 0: at a similarity of 0.5 two thirds of the pairs become candidates, at 0.7 99 %, at 0.8 all but
2 in 10,000.

In a crowd of candidates each response is compared with the first and the ``_NEIGHBOURS`` latest of its band
only, which keeps a set of many copies linear.

Memory: about 500 bytes for each *distinct* long response during the pass, half of them its signature;
afterwards 16 bytes and an id for each that repeats or is like an earlier one.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.indicator import Indicator
from vlit.assess.seen import Part, Seen
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.data.seeds import draw, hash64
from vlit.language.pieces import Pieces
from vlit.language.tokens import speaks, spoken
from vlit.run.stage import Config

U64: TypeAlias = npt.NDArray[np.uint64]
U32: TypeAlias = npt.NDArray[np.uint32]

BANDS = 16
_VALUES, _NEIGHBOURS, _BATCH = 64, 4, 2048
_ROWS = _VALUES // BANDS
_MERSENNE = np.uint64((1 << 61) - 1)


class NearDuplicateConfig(Config):
    """What is compared and what is reported."""

    min_words: int = pydantic.Field(default=8, ge=3)  #: shorter responses are alike by nature
    floor: float = pydantic.Field(default=0.5, ge=0, le=1)  #: similarities below it count as none


@dataclass(frozen=True)
class Matches:
    """Long responses that have a like one, by text hash."""

    similar: Lookup  #: similarity to an earlier one, and that one's id
    first: Lookup  #: for a text that several samples have: who had it first


class NearDuplicate(Indicator[NearDuplicateConfig]):
    """Highest similarity of the response to that of an earlier sample, 0 to 1."""

    name: ClassVar[str] = "near_duplicate"
    principle = "hygiene"
    direction = "lower is better"
    Config = NearDuplicateConfig

    def fit(self) -> _Pass:
        """Collect signatures of all long responses."""
        return _Pass(self.config)

    def score(self, part: Part, state: Matches) -> Iterator[Score]:
        """Look each response up among those that have a like one."""
        texts = [sample.text_of("assistant") for sample in part.samples]
        keys = [hash64(text) for text in texts]
        found = zip(part.samples, texts, state.first.find(keys), state.similar.find(keys), strict=True)
        for sample, text, first, similar in found:
            if not speaks(text, self.config.min_words):
                yield self.of(sample, None, f"the response has fewer than {self.config.min_words} words")
            elif first is not None and first[1] != sample.id:
                yield self.of(sample, 1.0, f"the same response as {first[1]}")
            elif similar is not None:
                value, other = similar
                yield self.of(sample, value, f"the response is {value:.0%} like that of {other}")
            else:
                yield self.of(sample, 0.0)


class _Pass:
    """Signatures of distinct responses in the order of their first appearance."""

    def __init__(self, config: NearDuplicateConfig) -> None:
        self._config = config
        self._index: dict[int, int] = {}
        self._ids: list[str] = []
        self._repeated: set[int] = set()
        self._waiting: list[array[int]] = []
        self._signatures: list[U32] = []
        self._hashes = Pieces(lambda piece: [zlib.crc32(word.encode()) for word in spoken(piece)])

    def add(self, sample: Sample) -> None:
        text = sample.text_of("assistant")
        key = hash64(text)
        if key in self._index:
            self._repeated.add(key)
            return
        hashes = array("I", chain.from_iterable(self._hashes.of(text)))
        if len(hashes) < self._config.min_words:
            return
        self._index[key] = len(self._ids)
        self._ids.append(sample.id)
        self._waiting.append(hashes)
        if len(self._waiting) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._signatures.append(signatures(self._waiting))
            self._waiting = []

    def state(self, seen: Seen) -> Matches:
        self._flush()
        best, other = closest(self._stacked())
        keys = np.fromiter(self._index, np.uint64, len(self._index))
        near = np.flatnonzero((best >= self._config.floor) & (other >= 0))
        similar = Lookup(keys[near], best[near], [self._ids[i] for i in other[near].tolist()])
        repeated = sorted(self._repeated)
        return Matches(
            similar, Lookup(repeated, np.ones(len(repeated)), [self._ids[self._index[k]] for k in repeated])
        )

    def _stacked(self) -> U32:
        """All signatures in one array; each piece is let go as it is copied, so that none is held twice."""
        stacked = np.empty((len(self._ids), _VALUES), np.uint32)
        end = len(stacked)
        while self._signatures:
            piece = self._signatures.pop()
            stacked[end - len(piece) : end] = piece
            end -= len(piece)
        return stacked


def text_hash(tokens: Sequence[str]) -> int:
    """A hash of a response that is the same in every process."""
    return hash64(" ".join(tokens))


def _constants() -> tuple[U64, U64]:
    a = [draw(0, "minhash", "a", str(i)) % ((1 << 29) - 1) + 1 for i in range(_VALUES)]
    b = [draw(0, "minhash", "b", str(i)) % ((1 << 61) - 1) for i in range(_VALUES)]
    return np.array(a, np.uint64), np.array(b, np.uint64)


def signatures(texts: Sequence[array[int]]) -> U32:
    """MinHash signatures, shape (texts, 64); a text is the 32-bit hashes of its words, at least three."""
    lengths = np.array([len(t) for t in texts])
    flat = np.concatenate([np.frombuffer(t, np.uint32) for t in texts]).astype(np.uint64)
    ends = np.cumsum(lengths)
    inside = np.ones(len(flat) - 2, bool)  # a shingle must not reach into the next text
    inside[ends[:-1] - 1] = inside[ends[:-1] - 2] = False
    with np.errstate(over="ignore"):
        mixed = (flat[:-2] * np.uint64(0x9E3779B97F4A7C15) ^ flat[1:-1]) * np.uint64(0xC2B2AE3D27D4EB4F) ^ flat[
            2:
        ]
        mixed = (mixed ^ mixed >> np.uint64(31)) * np.uint64(0xD6E8FEB86659FD93)
    shingles = (mixed >> np.uint64(32))[inside]
    starts = np.concatenate([[0], np.cumsum(lengths - 2)[:-1]])
    a, b = _constants()
    out = np.empty((len(texts), _VALUES), np.uint32)
    value, over = np.empty_like(shingles), np.empty_like(shingles)
    for i in range(_VALUES):  # a is below 2^29 and x below 2^32, so a x + b stays below 2^62
        np.add(np.multiply(shingles, a[i], out=value), b[i], out=value)
        np.right_shift(value, np.uint64(61), out=over)  # 2^61 leaves 1: half the time of a division
        np.add(np.bitwise_and(value, _MERSENNE, out=value), over, out=value)
        np.minimum(value, np.subtract(value, _MERSENNE, out=over), out=value)  # below 0 is far above
        out[:, i] = np.minimum.reduceat(value, starts) & np.uint64(0xFFFFFFFF)
    return out


def closest(signature: U32) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """For each row the highest share of equal values with an earlier row that shares a band, and that row.

    Returns:
        Shares, shape (n,), 0 where no earlier row shares a band; rows, shape (n,), -1 there.
    """
    n = len(signature)
    best, other = np.zeros(n, np.float32), np.full(n, -1, np.int64)
    if not n:
        return best, other
    for band in range(BANDS):
        # Bands that are unequal and have equal keys all the same do no harm: signatures are compared whole.
        keys = band_keys(signature, band)
        order = np.argsort(keys, kind="stable")  # within a group rows stay in their order
        ranked = keys[order]
        begins = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        leader = np.repeat(order[begins], np.diff(np.r_[begins, n]))
        _improve(signature, best, other, order, leader)
        for back in range(1, min(_NEIGHBOURS, n - 1) + 1):
            together = ranked[back:] == ranked[:-back]
            _improve(signature, best, other, order[back:][together], order[:-back][together])
    return best, other


def band_keys(signature: U32, band: int) -> U64:
    """One 64-bit key for the values of each row in a band, 0 to ``BANDS`` - 1."""
    columns = signature[:, band * _ROWS : (band + 1) * _ROWS]
    keys = columns[:, 0].astype(np.uint64)
    for i in range(1, _ROWS):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) ^ columns[:, i]
    return keys


def _improve(signature: U32, best: Any, other: Any, later: Any, earlier: Any) -> None:
    pairs = later != earlier
    later, earlier = later[pairs], earlier[pairs]
    for start in range(0, len(later), 65_536):  # bounds the comparison to 32 MB
        i, j = later[start : start + 65_536], earlier[start : start + 65_536]
        share = (signature[i] == signature[j]).mean(axis=1, dtype=np.float32)
        better = share > best[i]
        best[i[better]], other[i[better]] = share[better], j[better]
