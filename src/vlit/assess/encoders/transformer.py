"""Sentence vectors from a transformer: MiniLM, SimCSE, gte and whatever else sentence-transformers loads.

Texts are padded to lengths on a fixed grid, not to the longest of their batch, so that a text's vector does
not depend on its neighbours: on a CPU bit by bit. A GPU may choose other kernels for other batch sizes; what
remains is rounding (some 1e-3 of the length in bfloat16, 1e-6 in float32).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vlit.assess.encoders.sentences import F32, SentenceEncoder
from vlit.data.errors import VlitError
from vlit.weights.device import in_batches, load, on_grid, pick_device, pick_dtype, quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

#: Tokens of a batch: enough to keep the device busy, little enough for its memory.
_TOKENS = {"cpu": 1 << 12, "mps": 1 << 14, "cuda": 1 << 16}
_LONGEST = 8192  #: tokens, for models that name no limit of their own


class TransformerEncoder(SentenceEncoder):
    """A sentence encoder on a device.

    Args:
        name: As the recipe has it.
        source: Hub id or folder, with ``#cls`` behind it for the first token's vector.
        device: See ``device.pick_device``.
        batch_size: Texts of a batch; ``None`` for as many as fit into a budget of tokens.

    Raises:
        VlitError: When it cannot be loaded, or gives no finite vector even for a plain sentence.
    """

    def __init__(self, name: str, source: str, device: str, batch_size: int | None) -> None:
        super().__init__()
        self.name, self._batch_size = name, batch_size
        self._device = pick_device(device)
        self._dtype = pick_dtype(self._device)
        path, _, pooling = source.partition("#")
        if pooling not in ("", "cls"):
            raise VlitError(
                f"there is no pooling {pooling!r}", where=name, todo="put #cls behind it, or nothing"
            )
        quiet()
        self._model: SentenceTransformer = load(name, lambda: self._load(path, pooling))
        self._model.eval()
        self._pooling = pooling
        limit = self._model.max_seq_length
        self.longest = int(min(limit or _LONGEST, _LONGEST))
        probe = self.vectors(["A dog sits on a bench."])
        if not np.isfinite(probe).all():
            raise VlitError(
                "the model gives no finite vectors", where=name, todo="check its files, or name another model"
            )
        self.dim = probe.shape[1]

    def describe(self) -> str:
        """Name and parameters."""
        how = [f"{self.dim} d", f"first {self.longest} tokens", str(self._dtype).removeprefix("torch.")]
        return f"{self.name} ({', '.join(how)})"

    def vectors(self, texts: Sequence[str]) -> F32:
        """Vectors of the texts' first ``longest`` tokens."""
        groups: dict[int, list[int]] = defaultdict(list)
        for place, length in enumerate(self._lengths(texts)):
            groups[on_grid(length, self.longest)].append(place)
        found: dict[int, F32] = {}
        for length in sorted(groups, reverse=True):  # the longest first: if memory is short, it shows at once
            mine = [texts[i] for i in groups[length]]
            rows = in_batches(mine, self._rows(length), partial(self._embed, length=length), self.name)
            found.update(zip(groups[length], rows, strict=True))
        return np.stack([found[i] for i in range(len(texts))])

    def _load(self, path: str, pooling: str) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(path, device=str(self._device), model_kwargs={"dtype": self._dtype})
        if not pooling:
            return model
        pool = next(type(module) for module in model if type(module).__name__ == "Pooling")
        words: Any = model[0]
        width = words.auto_model.config.hidden_size
        return SentenceTransformer(modules=[words, pool(width, pooling_mode=pooling)], device=str(self._device))

    def _rows(self, length: int) -> int:
        return self._batch_size or max(1, _TOKENS.get(self._device.type, 1 << 12) // length)

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model will see it."""
        encoded = self._model.tokenizer(list(texts), truncation=True, max_length=self.longest)
        return [len(ids) for ids in encoded["input_ids"]]

    def _embed(self, texts: Sequence[str], length: int) -> F32:
        import torch

        with torch.inference_mode():
            features = self._model.preprocess(list(texts))
            tensors = {k: v for k, v in features.items() if isinstance(v, torch.Tensor)}
            padded = self._model.tokenizer.pad(
                tensors, padding="max_length", max_length=length, return_tensors="pt"
            )
            moved = {**features, **{k: v.to(self._device) for k, v in padded.items()}}
            rows: F32 = self._model(moved)["sentence_embedding"].float().cpu().numpy()
        return rows
