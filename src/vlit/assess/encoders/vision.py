"""Encoders of photos and texts into one space: CLIP, SigLIP and SigLIP 2 through transformers.

Float32 on the CPU and float16 on CUDA, not bfloat16: cosines of CLIP lie close together, and what is read from
them (a prompt pair at a scale of 100) is finer than eight bits. Texts are padded to the length that the model
was trained with: a text's vector depends on its neighbours by rounding alone (1e-7 of the length in float32).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from vlit.assess.encoders.sentences import F32, unit
from vlit.data.errors import VlitError
from vlit.weights.device import in_batches, load, pick_device, quiet

if TYPE_CHECKING:
    import PIL.Image as PILImage

I = TypeVar("I")  # noqa: E741

_BATCH = {"cpu": 8, "mps": 32, "cuda": 256}


def vision_encoder(name: str, device: str = "auto", batch_size: int | None = None) -> VisionEncoder:
    """The vision model of that name; each is loaded once in a process.

    Args:
        name: Hub id or folder of a CLIP or SigLIP.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...
        batch_size: Photos that go through the model at once.

    Raises:
        VlitError: When it cannot be loaded, or does not embed photos and texts.
    """
    return _loaded(name, device, batch_size)


@cache
def _loaded(name: str, device: str, batch_size: int | None) -> VisionEncoder:
    return VisionEncoder(name, device, batch_size)


class VisionEncoder:
    """A two-tower model on a device.

    Args:
        name: Hub id or folder.
        device: See ``device.pick_device``.
        batch_size: Photos or texts of a batch.

    Attributes:
        name: As given.
        dim: Length of the vectors.
        scale: What the model multiplies cosines with before a softmax or sigmoid; 100 for OpenAI's CLIP.
        longest: Tokens of a text that are read.
    """

    def __init__(self, name: str, device: str = "auto", batch_size: int | None = None) -> None:
        import torch

        self.name = name
        self._device = pick_device(device)
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._batch = batch_size or _BATCH.get(self._device.type, 8)
        quiet()
        self._model, self._pixels, self._words = load(name, self._load)
        if not all(hasattr(self._model, m) for m in ("get_image_features", "get_text_features", "logit_scale")):
            raise VlitError(
                f"{type(self._model).__name__} does not embed photos and texts in one space",
                where=name,
                todo="name a CLIP or a SigLIP",
            )
        self.scale = float(self._model.logit_scale.detach().exp())
        self.longest = int(self._model.config.text_config.max_position_embeddings)
        probe = self.texts(["A photo."])
        if not probe.any():
            raise VlitError(
                "the model gives no finite vectors", where=name, todo="check its files, or name another model"
            )
        self.dim = probe.shape[1]

    def describe(self) -> str:
        """Name and parameters in one line, for the report."""
        return f"{self.name} ({self.dim} d, {self.longest} tokens, {str(self._dtype).removeprefix('torch.')})"

    def images(self, pictures: Sequence[PILImage.Image]) -> F32:
        """Vectors of RGB photos, shape (n, dim): unit rows; a zero row where the model's was not finite."""
        return self._rows(in_batches(pictures, self._batch, self._embed_images, self.name), len(pictures))

    def texts(self, texts: Sequence[str]) -> F32:
        """Vectors of texts, shape (n, dim): unit rows; a zero row where the model's was not finite.

        What is longer than ``longest`` tokens is cut; ``cut`` tells.
        """
        return self._rows(in_batches(texts, self._batch * 4, self._embed_texts, self.name), len(texts))

    def cut(self, texts: Sequence[str]) -> list[bool]:
        """Which texts are longer than the model reads."""
        if not texts:
            return []
        ids = self._words(list(texts), truncation=False, padding=False, verbose=False)["input_ids"]
        return [len(found) > self.longest for found in ids]

    def _load(self) -> tuple[Any, Any, Any]:
        from transformers import AutoModel, AutoTokenizer
        from transformers.models.auto.image_processing_auto import (
            AutoImageProcessor,  # there without torchvision
        )

        model = AutoModel.from_pretrained(self.name, dtype=self._dtype)
        return (
            model.to(self._device).eval(),
            AutoImageProcessor.from_pretrained(self.name),
            AutoTokenizer.from_pretrained(self.name),
        )

    def _embed_images(self, pictures: Sequence[PILImage.Image]) -> Iterable[F32]:
        inputs = self._pixels(images=list(pictures), return_tensors="pt").to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._dtype)
        return self._features(self._model.get_image_features, inputs)

    def _embed_texts(self, texts: Sequence[str]) -> Iterable[F32]:
        inputs = self._words(
            list(texts), padding="max_length", truncation=True, max_length=self.longest, return_tensors="pt"
        ).to(self._device)
        inputs.pop("token_type_ids", None)
        return self._features(self._model.get_text_features, inputs)

    @staticmethod
    def _features(method: Any, inputs: Any) -> F32:
        import torch

        with torch.inference_mode():
            found = method(**inputs)
        rows: F32 = getattr(found, "pooler_output", found).float().cpu().numpy()  # a tensor before 5.0
        return rows

    def _rows(self, rows: Iterable[F32], n: int) -> F32:
        found = list(rows)
        if not n:
            return np.zeros((0, self.dim), np.float32)
        stacked = unit(np.stack(found))
        stacked[~np.isfinite(stacked).all(axis=1)] = 0
        return stacked
