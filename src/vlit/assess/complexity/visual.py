"""Visual complexity: how much there is to see, from the pixels alone.

    value = 100 * mean of x / (x + half)    over edges, JPEG bits, segments, congestion and grey levels

    edges       share of pixels on an edge                               half 0.22
    jpeg_bits   bits a pixel as JPEG of fixed quality                    half 1.7
    segments    regions of one colour                                    half 80
    congestion  mean local contrast of colour                            half 17
    greys       2 ^ entropy of luminance: levels that are really used    half 175

``vlit.assess.pictures.busyness`` says how they are measured. The halves are the rounded medians of the 44
photos that ship with vlit, so that an ordinary photo has about 50; an empty one is near 0. The value of a
sample is the mean of its photos.

The review takes 100 times the score of a network trained on what people call complex (IC9600);
``visual_complexity_model`` takes such a network. Limits: this is clutter, not meaning: a lawn counts as much
as a crowd; noise counts as detail.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pydantic

from vlit.assess.indicator import Indicator, Need
from vlit.assess.seen import Part
from vlit.data.picture import Looks
from vlit.data.score import Score
from vlit.run.stage import Config


class VisualComplexityConfig(Config):
    """Where each feature is half of the most."""

    edges: float = pydantic.Field(0.22, gt=0, description="share of pixels on an edge that counts as 1/2")
    jpeg_bits: float = pydantic.Field(1.7, gt=0, description="bits a pixel that count as 1/2")
    segments: float = pydantic.Field(80, gt=0, description="regions that count as 1/2")
    congestion: float = pydantic.Field(17, gt=0, description="local contrast that counts as 1/2")
    greys: float = pydantic.Field(175, gt=0, description="levels of grey that count as 1/2")


class VisualComplexity(Indicator[VisualComplexityConfig]):
    """Mean of five measures of clutter, 0 to 100; the mean of several images."""

    name: ClassVar[str] = "visual_complexity"
    principle = "visual complexity"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("pictures",)
    Config = VisualComplexityConfig

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """From what was measured of each photo."""
        for sample in part.samples:
            if not sample.images:
                yield self.of(sample, None, "the sample has no image")
                continue
            seen = [part.pictures.get(image.uri) for image in sample.images]
            looks = [picture.looks for picture in seen if picture is not None and picture.looks is not None]
            if not looks:
                problem = next((picture.problem for picture in seen if picture is not None), None)
                yield self.of(sample, None, f"{sample.images[0].uri}: {problem or 'it was not looked at'}")
                continue
            values = [complexity(look, self.config) for look in looks]
            yield self.of(sample, sum(values) / len(values), _told(looks, len(seen)))


def complexity(looks: Looks, config: VisualComplexityConfig) -> float:
    """Complexity of one photo, 0 to 100."""
    measured = (
        (looks.edges, config.edges),
        (looks.jpeg_bits, config.jpeg_bits),
        (looks.segments - 1, config.segments),  # a picture of one colour has one region and is empty
        (looks.congestion, config.congestion),
        (2**looks.entropy - 1, config.greys),
    )
    return 100 * sum(x / (x + half) for x, half in measured) / len(measured)


def _told(looks: list[Looks], images: int) -> str:
    if images > 1:
        return f"mean of {len(looks)} of {images} images"
    (one,) = looks
    return (
        f"edges {one.edges:.2f}, JPEG bits {one.jpeg_bits:.2f}, segments {one.segments:.0f}, "
        f"congestion {one.congestion:.1f}, entropy {one.entropy:.2f}"
    )
