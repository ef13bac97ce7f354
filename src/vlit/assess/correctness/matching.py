"""Matching degree: how near a response lies to its image in the space of a two-tower model.

    value = mean over sentences of 100 * max(cos(image, sentence), 0)      0 to 100; CLIP gives 15 to 35

The review's indicator is the mean of 100 cos with CLIP. It does not say which CLIP, which text, and what
becomes of responses that are longer than the 77 tokens CLIP reads. Here: the response, sentence by sentence,
since a cut response would be judged by its beginning; the sentence that matches least is told in the reason.
A sample of several images counts, for each sentence, the image that matches best.

``matching_degree`` is the faithful form with OpenAI's CLIP ViT-L/14; ``matching_degree_siglip`` is the same
with SigLIP 2, which retrieves better. They are indicators of their own since both may be wanted side by side.
Values of two models cannot be compared: a SigLIP's cosines lie between 0 and 20 of 100.

Limits: it judges what is named, hardly how many, which colour on which thing or what is left of what; a bare
"Yes" or "2" matches nothing (``text: both`` reads the question with it); a sentence that is still too long is
cut, and the reason says so. Source: CLIPScore (Hessel et al. 2021) without its factor of 2.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pydantic

from vlit.assess.encoders.photos import photo_vectors
from vlit.assess.encoders.sentences import F32
from vlit.assess.encoders.vision import VisionEncoder, vision_encoder
from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.sample import Role, Sample
from vlit.data.score import Score, shown
from vlit.language.tokens import sentences
from vlit.run.stage import Config
from vlit.weights.located import folder_lines, located

#: MIT, 1.7 GB.
CLIP = "openai/clip-vit-large-patch14"
#: Apache-2.0, 4.5 GB.
SIGLIP = "google/siglip2-so400m-patch14-384"

_ROLES: dict[str, tuple[Role, ...]] = {
    "response": ("assistant",),
    "instruction": ("user",),
    "both": ("user", "assistant"),
}


class MatchingDegreeConfig(Config):
    """Which model, and which text."""

    model: str = CLIP  #: hub id or folder of a CLIP or SigLIP
    text: Literal["response", "instruction", "both"] = "response"
    device: str = "auto"
    batch_size: int | None = pydantic.Field(default=None, ge=1)  #: photos that go through the model at once


class MatchingDegreeSiglipConfig(MatchingDegreeConfig):
    """The same with SigLIP 2."""

    model: str = SIGLIP


class MatchingDegree(Indicator[MatchingDegreeConfig]):
    """Mean over sentences of 100 times the cosine of image and text, at least 0."""

    name: ClassVar[str] = "matching_degree"
    principle = "correctness"
    form: ClassVar[Form] = "faithful"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "images", "pictures")
    models: ClassVar[tuple[str, ...]] = (CLIP,)
    extra: ClassVar[str | None] = "tune"
    Config = MatchingDegreeConfig

    def outside(self) -> Iterator[str]:
        """The files of a model that lies in a folder."""
        return folder_lines(self.config.model, self.base)

    def _encoder(self) -> VisionEncoder:
        model = located(self.config.model, self.base)
        return vision_encoder(model, self.config.device, self.config.batch_size)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Embed each photo and each sentence of the part once."""
        said = [self._sentences(sample) for sample in part.samples]
        encoder = self._encoder()
        photos = photo_vectors(part, encoder)
        texts = list(dict.fromkeys(text for found in said for text in found))
        rows = encoder.texts(texts)
        vectors = dict(zip(texts, rows, strict=True))
        cut = dict(zip(texts, encoder.cut(texts), strict=True))
        for sample, found in zip(part.samples, said, strict=True):
            yield self._judged(sample, found, photos, vectors, cut, encoder)

    def _sentences(self, sample: Sample) -> list[str]:
        return [s for role in _ROLES[self.config.text] for s in sentences(sample.text_of(role))]

    def _judged(
        self,
        sample: Sample,
        said: Sequence[str],
        photos: Mapping[str, F32 | str],
        texts: Mapping[str, F32],
        cut: Mapping[str, bool],
        encoder: VisionEncoder,
    ) -> Score:
        if not sample.images:
            return self.of(sample, None, "the sample has no image")
        if not said:
            return self.of(sample, None, f"there is no text: {self.config.text}")
        found = [photos[image.uri] for image in sample.images]
        if problems := [p for p in found if isinstance(p, str)]:
            return self.of(sample, None, problems[0])
        rows = np.stack([texts[s] for s in said])
        if not rows.any(axis=1).all():
            return self.of(sample, None, f"{encoder.name} gives no finite vector for the text")
        degrees = 100 * np.maximum((rows @ np.stack([np.asarray(f) for f in found]).T).max(axis=1), 0)
        least = int(degrees.argmin())
        reason = f"least {degrees[least]:.1f}: {shown(said[least], 60)}" if len(said) > 1 else None
        if n := sum(cut[s] for s in said):
            more = f"{n} of {len(said)} sentences cut at {encoder.longest} tokens"
            reason = f"{reason}; {more}" if reason else more
        return self.of(sample, float(degrees.mean(dtype=np.float64)), reason)


class MatchingDegreeSiglip(MatchingDegree):
    """Matching degree with SigLIP 2."""

    name: ClassVar[str] = "matching_degree_siglip"
    form: ClassVar[Form] = "recommended"
    models: ClassVar[tuple[str, ...]] = (SIGLIP,)
    Config = MatchingDegreeSiglipConfig
