"""Dependence on the image: how much better a model predicts the response when it sees the image.

    value = exp(L(y | x) - L(y | x, I))      above 1 the image helps, about 1 it does not matter

where L is the mean loss, in nats, of a multimodal model over the tokens of the responses y, given the
instruction x with and without the image I. It is the ratio of the two perplexities. A response that could be
written blind has a value near 1; one that contradicts the image can have less than 1. A matching degree
cannot tell: a caption of what is usual in kitchens matches every kitchen.

Limits: it is the view of one model, no better than its eyes; without an image the model reads a question
about one that it does not see. A dialogue with an image after a response has no value. It costs two passes
through the model for each sample. Source: the visual-instruction consistency of DICS (2026).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pydantic

from vlit.assess.encoders.multimodal import ImageTextModel, Reading, Unreadable, image_text_model
from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.run.stage import Config
from vlit.weights.located import folder_lines, located

#: Apache-2.0, 1 GB.
MODEL = "HuggingFaceTB/SmolVLM-500M-Instruct"
_OPEN = 16  #: samples whose photos are held in memory at once


class ImageDependenceConfig(Config):
    """Whose losses are compared."""

    model: str = MODEL  #: hub id or folder of an instruction-tuned model of images and text
    device: str = "auto"
    batch_size: int | None = pydantic.Field(default=None, ge=1)  #: dialogues that go through the model at once


class ImageDependence(Indicator[ImageDependenceConfig]):
    """Perplexity of the responses without the image over that with it."""

    name: ClassVar[str] = "image_dependence"
    principle = "correctness"
    form: ClassVar[Form] = "recommended"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "images")
    models: ClassVar[tuple[str, ...]] = (MODEL,)
    extra: ClassVar[str | None] = "tune"
    Config = ImageDependenceConfig

    def outside(self) -> Iterator[str]:
        """The files of a model that lies in a folder."""
        return folder_lines(self.config.model, self.base)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Read each sample with its images and without."""
        name = located(self.config.model, self.base)
        model = image_text_model(name, self.config.device, self.config.batch_size)
        for start in range(0, len(part.samples), _OPEN):
            yield from self._some(part.samples[start : start + _OPEN], model)

    def _some(self, samples: Sequence[Sample], model: ImageTextModel) -> Iterator[Score]:
        pairs = [_pair(sample, model) for sample in samples]
        readings = [reading for pair in pairs if not isinstance(pair, str) for reading in pair]
        losses = iter(model.losses(readings))
        for sample, pair in zip(samples, pairs, strict=True):
            if isinstance(pair, str):
                yield self.of(sample, None, pair)
                continue
            seeing, blind = next(losses), next(losses)
            if isinstance(seeing, str):
                yield self.of(sample, None, seeing)
            elif isinstance(blind, str):
                yield self.of(sample, None, blind)
            else:
                reason = f"loss {seeing:.2f} with the image, {blind:.2f} without"
                yield self.of(sample, math.exp(min(blind - seeing, 700)), reason)


def _pair(sample: Sample, model: ImageTextModel) -> tuple[Reading, Reading] | str:
    """The sample with its images and without, or why it cannot be read."""
    if not sample.images:
        return "the sample has no image"
    pictures = []
    for image in sample.images:
        try:
            pictures.append(open_rgb(image))
        except ImageProblem as problem:
            return f"{image.uri}: {problem}"
    try:
        return model.reading(sample.turns, pictures), model.reading(sample.turns, ())
    except Unreadable as problem:
        return str(problem)
