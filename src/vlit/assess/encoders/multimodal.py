"""A model that reads images and text, and tells how surprising the responses of a dialogue are to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from vlit.data.errors import VlitError
from vlit.data.sample import IMAGE_TOKEN, Turn
from vlit.weights.device import in_batches, load, pick_device, pick_dtype, quiet

if TYPE_CHECKING:
    import PIL.Image as PILImage

_BATCH = {"cpu": 1, "mps": 2, "cuda": 8}


class Unreadable(ValueError):
    """Why a dialogue cannot be read; the text is the reason of a score."""


@dataclass(frozen=True)
class Reading:
    """A dialogue as the model reads it, and which of its tokens are scored.

    ``scored`` are places counted from the end, so that they hold whatever images are expanded to before them.
    """

    text: str
    pictures: tuple[PILImage.Image, ...]
    scored: tuple[int, ...]
    tail: tuple[int, ...]  #: ids from the first scored token on


def image_text_model(name: str, device: str = "auto", batch_size: int | None = None) -> ImageTextModel:
    """The model of that name; each is loaded once in a process.

    Args:
        name: Hub id or folder of any ``AutoModelForImageTextToText`` with a chat template.
        device: ``auto``, ``cpu``, ``cuda`` ...
        batch_size: Dialogues that go through the model at once.

    Raises:
        VlitError: When it cannot be loaded.
    """
    return _loaded(name, device, batch_size)


@cache
def _loaded(name: str, device: str, batch_size: int | None) -> ImageTextModel:
    return ImageTextModel(name, device, batch_size)


class ImageTextModel:
    """A multimodal language model on a device."""

    def __init__(self, name: str, device: str = "auto", batch_size: int | None = None) -> None:
        self.name = name
        self._device = pick_device(device)
        self._dtype = pick_dtype(self._device)
        self._batch = batch_size or _BATCH.get(self._device.type, 1)
        quiet()
        self._model, self._processor = load(name, self._load)
        self._tokenizer: Any = getattr(self._processor, "tokenizer", None)
        if self._tokenizer is None or not self._tokenizer.is_fast or not self._has_template():
            raise VlitError(
                "the model has no chat template, or no fast tokenizer",
                where=name,
                todo="name an instruction-tuned model of images and text",
            )
        self._tokenizer.padding_side = "right"

    def reading(self, turns: Sequence[Turn], pictures: Sequence[PILImage.Image]) -> Reading:
        """A dialogue with these pictures, or with none for its text alone.

        Raises:
            Unreadable: When the template or the processor does not keep the responses as they are.
        """
        messages = _messages(turns, len(pictures))
        text = self._rendered(messages)
        spans = [self._span(text, messages, i) for i, m in enumerate(messages) if m["role"] == "assistant"]
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        chosen = [
            i
            for i, (a, b) in enumerate(offsets)
            if any(a < end and b > begin and b > a for begin, end in spans)
        ]
        if not chosen:
            raise Unreadable("the sample has no response")
        places = tuple(len(ids) - i for i in chosen)
        return Reading(text, tuple(pictures), places, tuple(ids[chosen[0] :]))

    def losses(self, readings: Sequence[Reading]) -> list[float | str]:
        """Mean negative log P over the scored tokens of each, in nats, or why there is none."""
        with_images = [i for i, r in enumerate(readings) if r.pictures]
        without = [i for i, r in enumerate(readings) if not r.pictures]
        found: dict[int, float | str] = {}
        for places in (with_images, without):
            some = [readings[i] for i in places]
            found.update(zip(places, in_batches(some, self._batch, self._read, self.name), strict=True))
        return [found[i] for i in range(len(readings))]

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        model: Any = AutoModelForImageTextToText.from_pretrained(self.name, dtype=self._dtype)
        processor = AutoProcessor.from_pretrained(self.name)
        return model.to(self._device).eval(), processor

    def _has_template(self) -> bool:
        return bool(getattr(self._processor, "chat_template", None) or self._tokenizer.chat_template)

    def _rendered(self, messages: Sequence[Any], more: bool = False) -> str:
        import jinja2

        try:
            return str(
                self._processor.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=more)
            )
        except (jinja2.TemplateError, ValueError, TypeError) as error:
            raise Unreadable(f"the chat template refuses the dialogue: {error}") from error

    def _span(self, text: str, messages: Sequence[Any], i: int) -> tuple[int, int]:
        """Where a response stands in the rendered dialogue."""
        before = self._rendered(messages[:i], more=True)
        response = messages[i]["content"][0]["text"].strip()
        begin = text.find(response, len(before)) if text.startswith(before) else -1
        if begin < 0:
            raise Unreadable("the chat template changes the dialogue")
        return begin, begin + len(response)

    def _read(self, readings: Sequence[Reading]) -> list[float | str]:
        import torch

        texts = [r.text for r in readings]
        if readings[0].pictures:
            pictures = [list(r.pictures) for r in readings]
            inputs = self._processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        else:
            inputs = self._tokenizer(texts, padding=True, return_tensors="pt")
        inputs = inputs.to(self._device)
        for key, value in inputs.items():
            if torch.is_floating_point(value):
                inputs[key] = value.to(self._dtype)
        with torch.inference_mode():
            logits = self._model(**inputs).logits
            return [
                self._loss(
                    reading, inputs["input_ids"][row][: int(inputs["attention_mask"][row].sum())], logits[row]
                )
                for row, reading in enumerate(readings)
            ]

    @staticmethod
    def _loss(reading: Reading, ids: Any, logits: Any) -> float | str:
        """Mean loss of one row; its padding stands behind ``ids``."""
        if tuple(ids[-len(reading.tail) :].tolist()) != reading.tail:
            return "the processor changes the response"
        places = [len(ids) - place for place in reading.scored]
        if min(places) < 1:
            return "nothing stands before the response"
        said = logits[[place - 1 for place in places]].float()
        wanted = ids[places][:, None]
        loss = float((said.logsumexp(dim=1) - said.gather(1, wanted)[:, 0]).mean())
        return loss if math.isfinite(loss) else "the loss is not finite"


def _messages(turns: Sequence[Turn], pictures: int) -> list[dict[str, Any]]:
    """The dialogue as chat templates take it: images where the text has them, else before all."""
    asked = [turn for turn in turns if turn.role == "user"]
    marks = sum(turn.text.count(IMAGE_TOKEN) for turn in turns)
    if pictures and (not asked or marks not in (0, pictures)):
        raise Unreadable(f"the text has {marks} image tokens for {pictures} images")
    last = max((i for i, turn in enumerate(turns) if IMAGE_TOKEN in turn.text), default=-1)
    if pictures and any(turn.role == "assistant" for turn in turns[:last]):
        raise Unreadable("an image comes after a response")
    found = []
    for turn in turns:
        content: list[dict[str, Any]] = []
        if pictures and not marks and turn is asked[0]:
            content += [{"type": "image"}] * pictures
        for i, piece in enumerate(turn.text.split(IMAGE_TOKEN)):
            if i and pictures:
                content.append({"type": "image"})
            if piece.strip():
                content.append({"type": "text", "text": piece.strip()})
        if turn.role != "assistant" or content:
            found.append({"role": turn.role, "content": content or [{"type": "text", "text": ""}]})
    return found
