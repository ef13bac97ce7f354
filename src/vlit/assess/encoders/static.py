"""Static sentence vectors: a table of token vectors, distilled once from a sentence encoder; no model runs.

The table is made as model2vec's is (Tulkens and van Dongen 2024): each token of the vocabulary goes through the
encoder by itself, the vectors are centred and rotated onto their principal components, and what says little
counts less. Three things differ, since they agree better with the encoder (figures in docs/indicators.md):

* a token goes through the encoder behind [CLS] and without [SEP], and its own last state is taken;
* the first two components are left out (all but the top: Mu and Viswanath 2018), the next 256 kept;
* the weight of a token is how far it moves the encoder's summary, 1 - cos(CLS beside it, mean CLS), and not its
  rank in a list of frequencies: "the" moves it by a twentieth of what "photo" does.

A text's vector is the mean of its tokens' vectors. It depends on the text alone, bit by bit; there is no limit
on the length. Limits: English; no word order; a text in a script that the vocabulary lacks has a zero row.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vlit.assess.encoders.sentences import F32, SentenceEncoder, unit
from vlit.data.errors import VlitError
from vlit.data.store import atomic

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Changes with everything that changes the table: it is part of the name of the file in the cache.
VERSION = 2
DIM, LEFT_OUT = 256, 2
_TEXTS = 4096  #: texts that are cut into tokens at once
_PIECES = 200_000  #: pieces of text whose tokens are remembered, some 50 MB


class StaticEncoder(SentenceEncoder):
    """Mean of token vectors.

    Args:
        folder: Of the encoder that the table is distilled from: a BERT with its tokenizer.
    """

    name = "static"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._tokenizer = _tokenizer(folder)
        self._table = _cached(folder, self._tokenizer.get_vocab_size())
        self.dim = self._table.shape[1]
        self._known: dict[str, int] = {}  # pieces of text, by number
        self._ids, self._ends = (
            array("i"),
            array("q", [0]),
        )  # tokens of all pieces, and their ends

    def describe(self) -> str:
        """Name and parameters."""
        return f"static v{VERSION} (all-MiniLM-L6-v2 distilled: {self.dim} components)"

    def vectors(self, texts: Sequence[str]) -> F32:
        """Sums of the tokens' vectors; text by text, which is faster than all at once (the cache holds one)."""
        found = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), _TEXTS):
            for row, tokens in enumerate(self._tokens(texts[start : start + _TEXTS]), start):
                np.add.reduce(self._table.take(tokens, axis=0), axis=0, out=found[row])
        return found

    def _tokens(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Tokens of each text. No token of a BERT holds a space: what stands between spaces is cut once."""
        if not texts:
            return []
        texts_in_pieces = [text.replace("\n", " ").split(" ") for text in texts]
        if len(self._known) > _PIECES:
            self._known, self._ids, self._ends = {}, array("i"), array("q", [0])
        new = list(set(chain.from_iterable(texts_in_pieces)).difference(self._known))
        for tokens in self._tokenizer.encode_batch_fast(new, add_special_tokens=False):
            self._ids.extend(tokens.ids)
            self._ends.append(len(self._ids))
        self._known.update(zip(new, range(len(self._known), len(self._ends)), strict=False))
        pieces = np.fromiter(map(self._known.__getitem__, chain.from_iterable(texts_in_pieces)), np.int64)
        ends = np.array(self._ends)
        sizes = (ends[1:] - ends[:-1])[pieces]
        after = np.cumsum(sizes)
        places = np.arange(int(sizes.sum())) + np.repeat(ends[pieces] - (after - sizes), sizes)
        tokens_of_all = np.array(self._ids)[places]
        last = np.cumsum([len(own) for own in texts_in_pieces])  # a text has at least one piece
        return np.split(tokens_of_all, after[last[:-1] - 1])


def _tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def cache_folder() -> Path:
    """Where tables are kept: ``$VLIT_CACHE``, else ``vlit`` in the user's cache folder."""
    if named := os.environ.get("VLIT_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlit"


def _cached(folder: Path, tokens: int) -> F32:
    """The table from the cache; built, and kept there, when it is not there or damaged."""
    size = (folder / "model.safetensors").stat().st_size
    path = cache_folder() / f"static-{size}-v{VERSION}.npy"
    found = _read(path, tokens)
    if found is None:
        table = Distilling(folder).table.astype(np.float16)
        try:
            with atomic(path) as temporary, temporary.open("wb") as file:
                np.save(file, table)
        except VlitError as error:
            raise VlitError(
                error.what, where=error.where, todo="name a folder for the cache: VLIT_CACHE=/some/folder"
            ) from error
        found = table.astype(np.float32)
    return found


def _read(path: Path, tokens: int) -> F32 | None:
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return table.astype(np.float32) if table.ndim == 2 and len(table) == tokens else None


class Distilling:
    """Makes the table. Float32 on the CPU, so that machines agree; some 20 seconds for MiniLM."""

    def __init__(self, folder: Path, batch: int = 64) -> None:
        self._folder, self._batch = folder, batch
        self._tokenizer = _tokenizer(folder)

    @cached_property
    def table(self) -> F32:
        """Weighted vectors, (tokens, DIM); zero for special tokens."""
        summaries, tokens = self._forward()
        used = self._used()
        rows = unit(tokens).astype(np.float64)
        rows -= rows[used].mean(axis=0)
        covariance = rows[used].T @ rows[used] / used.sum()
        axes = np.linalg.eigh(covariance)[1][:, ::-1][:, LEFT_OUT : LEFT_OUT + DIM]
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # else free to flip
        centre = unit(summaries[used].mean(axis=0, keepdims=True))
        moved = np.where(used, np.maximum(1 - unit(summaries) @ centre[0], 0), 0)
        table: F32 = (rows @ axes * moved[:, None]).astype(np.float32)
        return table

    def _forward(self) -> tuple[F32, F32]:
        """Last states of the first token (the summary) and of the token itself, (tokens, d) each."""
        import torch
        from transformers import AutoModel

        from vlit.weights.device import load, quiet

        quiet()
        model = load(str(self._folder), lambda: AutoModel.from_pretrained(self._folder, dtype=torch.float32))
        n = self._tokenizer.get_vocab_size()
        first = torch.full((n,), self._tokenizer.token_to_id("[CLS]") or 0)
        ids = torch.stack([first, torch.arange(n)], dim=1)
        model.eval()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums must not depend on how many; and small steps wait for each other
        try:
            with torch.inference_mode():
                states = torch.cat([model(b).last_hidden_state for b in torch.split(ids, self._batch)])
        finally:
            torch.set_num_threads(threads)
        return states[:, 0].numpy(), states[:, 1].numpy()

    def _used(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which tokens can occur in a text."""
        names = (self._tokenizer.id_to_token(i) or "[]" for i in range(self._tokenizer.get_vocab_size()))
        return np.array([not (len(t) > 1 and t[0] == "[" and t[-1] == "]") for t in names])
