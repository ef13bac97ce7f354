"""Image readability by a prompt pair: does CLIP find "Good photo." or "Bad photo." nearer to the image?

    value = mean over pairs of softmax(s cos(image, good), s cos(image, bad)) of the good one      0 to 1

with the model's own scale s (100 for OpenAI's CLIP); of several images of a sample the lowest. It needs no
weights beside those of the matching degree. Source: CLIP-IQA (Wang, Chan and Loy 2023), without its removal
of the position embedding: photos are scaled to the model's input, so that their size does not count.

Limits: 0.5 means "cannot tell", and models differ in where their 0.5 lies: compare values of one model alone.
It judges taste as well as damage (a dull photo scores low), and prompts of other words give other values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pydantic

from vlit.assess.encoders.photos import photo_vectors
from vlit.assess.encoders.sentences import F32
from vlit.assess.encoders.vision import VisionEncoder, vision_encoder
from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.score import Score
from vlit.run.stage import Config
from vlit.weights.located import folder_lines, located

#: The model of the matching degree, so that one is loaded for both. MIT, 1.7 GB.
MODEL = "openai/clip-vit-large-patch14"


class ImageReadabilityClipConfig(Config):
    """Which model, and what it is asked."""

    model: str = MODEL  #: hub id or folder of a CLIP or SigLIP
    prompts: tuple[tuple[str, str], ...] = pydantic.Field(
        default=(("Good photo.", "Bad photo."),), min_length=1
    )  #: pairs of the good and the bad
    device: str = "auto"
    batch_size: int | None = pydantic.Field(default=None, ge=1)  #: photos that go through the model at once


class ImageReadabilityClip(Indicator[ImageReadabilityClipConfig]):
    """Probability of the good prompt against the bad one; the lowest of the images where there are several."""

    name: ClassVar[str] = "image_readability_clip"
    principle = "image readability"
    form: ClassVar[Form] = "recommended"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("images", "pictures")
    models: ClassVar[tuple[str, ...]] = (MODEL,)
    extra: ClassVar[str | None] = "tune"
    Config = ImageReadabilityClipConfig

    def outside(self) -> Iterator[str]:
        """The files of a model that lies in a folder."""
        return folder_lines(self.config.model, self.base)

    def _encoder(self) -> VisionEncoder:
        model = located(self.config.model, self.base)
        return vision_encoder(model, self.config.device, self.config.batch_size)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Judge each photo of the part once."""
        encoder = self._encoder()
        prompts = encoder.texts([prompt for pair in self.config.prompts for prompt in pair])
        if not prompts.any(axis=1).all():
            raise VlitError(
                f"{encoder.name} gives no finite vector for a prompt",
                where=f"assess.indicators.{self.name}.prompts",
                todo="take other prompts, or another model",
            )
        photos = photo_vectors(part, encoder)
        good = {u: v if isinstance(v, str) else goodness(v, prompts, encoder.scale) for u, v in photos.items()}
        for sample in part.samples:
            found = [good[image.uri] for image in sample.images]
            problems = [f for f in found if isinstance(f, str)]
            values = [f for f in found if not isinstance(f, str)]
            if not found or problems:
                yield self.of(sample, None, problems[0] if problems else "the sample has no image")
            else:
                yield self.of(sample, min(values))


def goodness(photo: F32, prompts: F32, scale: float) -> float:
    """Mean probability of the good prompts.

    Args:
        photo: Unit vector, (d,).
        prompts: Unit vectors, good and bad in turn, (2k, d).
        scale: What cosines are multiplied with.
    """
    cosines = (prompts @ photo).astype(np.float64)
    apart = np.clip(scale * (cosines[1::2] - cosines[::2]), -700, 700)
    return float((1 / (1 + np.exp(apart))).mean())
