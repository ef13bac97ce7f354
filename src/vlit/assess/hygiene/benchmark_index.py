"""What benchmarks ask and show, as an index: whole texts, runs of words, MinHash."""

from __future__ import annotations

import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlit.assess.hygiene.lookup import Lookup
from vlit.assess.hygiene.near_duplicates import BANDS, U32, U64, band_keys, signatures, text_hash
from vlit.language.tokens import words

_NEAREST = 4  #: rows of a band that a signature is compared with
_ONES_OWN = 3  #: questions that may share a line or run of words without its being a prompt


class Known(NamedTuple):
    """What the benchmarks ask and show; the ids of the lookups are names of files."""

    texts: Lookup
    runs: Lookup
    images: Lookup
    prompts: frozenset[int]  #: hashes of lines that say how to answer
    signatures: U32
    files: list[str]  #: of the signatures
    bands: list[tuple[U64, npt.NDArray[np.int64]]]  #: sorted keys, and the rows that have them


def _known(
    texts: Mapping[int, str],
    images: Mapping[int, str],
    whole: Sequence[tuple[list[str], str]],
    prompts: frozenset[int],
    ngram: int,
) -> Known:
    keys, owners = runs([tokens for tokens, _ in whole], ngram)
    keys, first, counts = np.unique(keys, return_index=True, return_counts=True)
    own = counts <= _ONES_OWN
    signed = _signed([tokens for tokens, _ in whole])
    bands = []
    for band in range(BANDS):
        ranked = band_keys(signed, band)
        order = np.argsort(ranked, kind="stable")
        bands.append((ranked[order], order))
    return Known(
        _lookup(texts),
        Lookup(keys[own], np.ones(int(own.sum())), [whole[i][1] for i in owners[first[own]].tolist()]),
        _lookup(images),
        prompts,
        signed,
        [file for _, file in whole],
        bands,
    )


def _lookup(found: Mapping[int, str]) -> Lookup:
    return Lookup(np.fromiter(found, np.uint64, len(found)), np.ones(len(found)), list(found.values()))


def lines_of(text: str) -> list[list[str]]:
    """Words of each line, without marks; no line for one without words."""
    split = ([w for w in words(line) if w[0].isalnum()] for line in text.splitlines())
    return [line for line in split if line]


def forms(lines: Sequence[list[str]], prompts: frozenset[int]) -> list[list[str]]:
    """What is compared of a text: all its words, then those of each line where there are several.

    Args:
        lines: Words of each line.
        prompts: Hashes of lines that are left out: "answer with a single word" is no question.
    """
    kept = [line for line in lines if text_hash(line) not in prompts] if prompts else list(lines)
    return [[word for line in kept for word in line], *kept] if len(kept) != 1 else kept


def index(questions: Iterable[tuple[str, str]], images: Mapping[int, str], least: int, ngram: int) -> Known:
    """An index.

    A line or run of words that more than three distinct questions have is how the benchmark asks, not what.

    Args:
        questions: Text and file of each.
        images: 64 bits of the SHA-256 of an image -> the file.
        least: Words of a text or line that is compared.
        ngram: Words of a run.
    """
    split = {" ".join(text.split()): (lines_of(text), file) for text, file in questions}.values()
    often = Counter(key for lines, _ in split for key in {text_hash(line) for line in lines})
    prompts = frozenset(key for key, count in often.items() if count > _ONES_OWN)
    texts: dict[int, str] = {}
    whole: dict[int, tuple[list[str], str]] = {}
    for lines, file in split:
        long = [(i, form) for i, form in enumerate(forms(lines, prompts)) if len(form) >= least]
        for i, form in long:
            texts.setdefault(text_hash(form), file)
            if i == 0:
                whole.setdefault(text_hash(form), (form, file))
    return _known(texts, images, list(whole.values()), prompts, ngram)


def runs(texts: Sequence[Sequence[str]], length: int) -> tuple[U64, npt.NDArray[np.int64]]:
    """64-bit keys of all runs of ``length`` words, in order, and which text each is of."""
    sizes = np.array([len(text) for text in texts], np.int64)
    flat = np.array([zlib.crc32(word.encode()) for text in texts for word in text], np.uint64)
    if len(flat) < length:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    keys = np.zeros(len(flat) - length + 1, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(length):
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + flat[i : i + len(keys)]
            keys ^= keys >> np.uint64(29)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    inside = owners[: len(keys)] == owners[length - 1 :]  # a run must not reach into the next text
    return keys[inside], owners[: len(keys)][inside]


def nearest(texts: Sequence[list[str]], known: Known) -> tuple[list[float], list[int]]:
    """The highest estimated similarity of each text to a benchmark's question, and the row of that one."""
    best, rows = np.zeros(len(texts), np.float32), np.zeros(len(texts), np.int64)
    signed = _signed(texts)
    for band, (keys, order) in enumerate(known.bands if len(known.signatures) and len(texts) else ()):
        wanted = band_keys(signed, band)
        start = np.searchsorted(keys, wanted)
        for step in range(_NEAREST):
            at = np.minimum(start + step, len(keys) - 1)
            mine = np.flatnonzero(keys[at] == wanted)
            theirs = order[at[mine]]
            share = (signed[mine] == known.signatures[theirs]).mean(axis=1, dtype=np.float32)
            better = share > best[mine]
            best[mine[better]], rows[mine[better]] = share[better], theirs[better]
    return best.tolist(), rows.tolist()


def _signed(texts: Sequence[list[str]]) -> U32:
    """MinHash signatures of texts of at least three words."""
    if not texts:
        return signatures([array("I", [0, 0, 0])])[:0]
    return signatures([array("I", [zlib.crc32(word.encode()) for word in text]) for text in texts])
