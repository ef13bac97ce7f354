"""A causal language model that reads texts and tells how probable each was to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError
from vlit.weights.device import in_batches, load, on_grid, pick_device, pick_dtype, quiet

#: Tokens of a batch; each has one number for every word of the vocabulary.
_TOKENS = {"cpu": 1 << 11, "mps": 1 << 13, "cuda": 1 << 15}


class Window(NamedTuple):
    """A piece of a text that the model reads at once."""

    text: int  #: place of the text
    ids: list[int]
    known: int  #: tokens at its start that are context only


def causal_model(name: str, device: str = "auto", longest: int = 1024) -> CausalModel:
    """The model of that name; each is loaded once in a process.

    Args:
        name: Hub id or folder.
        device: ``auto``, ``cpu``, ``cuda`` ...
        longest: Tokens of a window, if the model reads as many.

    Raises:
        VlitError: When it cannot be loaded.
    """
    return _loaded(name, device, longest)


@cache
def _loaded(name: str, device: str, longest: int) -> CausalModel:
    return CausalModel(name, device, longest)


class CausalModel:
    """A language model on a device."""

    def __init__(self, name: str, device: str = "auto", longest: int = 1024) -> None:
        self.name = name
        self._device = pick_device(device)
        self._dtype = pick_dtype(self._device)
        quiet()
        self._model, self._tokenizer = load(name, self._load)
        limit = getattr(self._model.config, "max_position_embeddings", None) or longest
        self.longest = min(longest, int(limit))
        if self.longest < 4:
            raise VlitError(
                "a window of fewer than 4 tokens tells nothing", where=name, todo="raise `max_tokens`"
            )

    def describe(self) -> str:
        """Name and parameters in one line, for the report."""
        return f"{self.name} (windows of {self.longest} tokens, {str(self._dtype).removeprefix('torch.')})"

    def log_probabilities(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """For each text: the sum of natural log P over its tokens, and how many were predicted.

        The first token is predicted from the beginning-of-text token; a model without one begins with the
        second. What is longer than a window is read in windows that overlap by half, each token predicted once.
        """
        windows = [w for place, text in enumerate(texts) for w in self._windows(place, text)]
        groups: dict[int, list[Window]] = defaultdict(list)
        for window in windows:
            groups[on_grid(len(window.ids), self.longest)].append(window)
        sums, counts = [0.0] * len(texts), [0] * len(texts)
        for length in sorted(groups, reverse=True):  # the longest first: if memory is short, it shows at once
            rows = max(1, _TOKENS.get(self._device.type, 1 << 11) // length)
            logs = in_batches(groups[length], rows, self._read, self.name)
            for window, found in zip(groups[length], logs, strict=True):
                sums[window.text] += float(found.sum())
                counts[window.text] += len(found)
        return list(zip(sums, counts, strict=True))

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model: Any = AutoModelForCausalLM.from_pretrained(self.name, dtype=self._dtype)
        return model.to(self._device).eval(), AutoTokenizer.from_pretrained(self.name)

    def _windows(self, place: int, text: str) -> list[Window]:
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if self._tokenizer.bos_token_id is not None and ids:
            ids = [self._tokenizer.bos_token_id, *ids]
        if len(ids) < 2:
            return []
        found = [Window(place, ids[: self.longest], 1)]
        end, step = self.longest, self.longest // 2
        while end < len(ids):
            start = end - step
            found.append(Window(place, ids[start : start + self.longest], step))
            end = start + self.longest
        return found

    def _read(self, windows: Sequence[Window]) -> list[npt.NDArray[np.float32]]:
        """Log probabilities of the tokens of each window that are not context."""
        import torch

        length = on_grid(max(len(w.ids) for w in windows), self.longest)
        ids = torch.zeros((len(windows), length), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = torch.tensor(window.ids)
            mask[row, : len(window.ids)] = 1
        found = []
        with torch.inference_mode():
            ids, mask = ids.to(self._device), mask.to(self._device)
            logits = self._model(input_ids=ids, attention_mask=mask).logits
            for row, window in enumerate(windows):
                said = logits[row, window.known - 1 : len(window.ids) - 1].float()
                wanted = ids[row, window.known : len(window.ids), None]
                found.append((said.gather(1, wanted)[:, 0] - said.logsumexp(dim=1)).cpu().numpy())
        return found
