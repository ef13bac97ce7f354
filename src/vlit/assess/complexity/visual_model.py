"""Visual complexity by a network: 100 times what a function of yours says of each photo.

The review takes IC9600 (Feng 2023). Its code and weights come without a licence, so none of it is here: name a
function that you have written around the network that you may use.

    visual_complexity_model: {scorer: my_package.complexity:score}

    def score(pictures: list[PIL.Image.Image]) -> Sequence[float]:   # RGB, upright; one number each, 0 to 1

The value of a sample is the mean of its photos. What the network learned and how it scales is its own affair.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image
from vlit.data.score import Score
from vlit.run.inputs import content_line
from vlit.run.stage import Config

if TYPE_CHECKING:
    import PIL.Image as PILImage

    Scorer = Callable[[list[PILImage.Image]], Sequence[float]]

_WHERE = "assess.indicators.visual_complexity_model.scorer"
_BATCH = 16


class VisualComplexityModelConfig(Config):
    """Which function."""

    scorer: str = pydantic.Field(
        pattern=r"^[\w.]+:\w+$", description="package.module:function that gives each picture a number, 0 to 1"
    )


class VisualComplexityModel(Indicator[VisualComplexityModelConfig]):
    """100 times the number that a function gives a photo; the mean of several images."""

    name: ClassVar[str] = "visual_complexity_model"
    principle = "visual complexity"
    form: ClassVar[Form] = "faithful"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("images",)
    models: ClassVar[tuple[str, ...]] = ("of the scorer",)
    by_default: ClassVar[bool] = False
    Config = VisualComplexityModelConfig

    def __init__(self, config: VisualComplexityModelConfig, seed: int = 0, base: Path | None = None) -> None:
        super().__init__(config, seed, base)
        load_scorer(config.scorer)  # so that a wrong name stops the run at its start

    def outside(self) -> Iterator[str]:
        """The file that holds the function."""
        spec = find_spec(self.config.scorer.partition(":")[0])
        if spec is not None and spec.origin and Path(spec.origin).is_file():
            yield content_line(Path(spec.origin))

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Show each photo of the part to the function once, some at a time."""
        images = {image.uri: image for sample in part.samples for image in sample.images}
        known = dict(self._scored(list(images.values())))
        for sample in part.samples:
            found = [known[image.uri] for image in sample.images]
            values = [value for value in found if isinstance(value, float)]
            if values:
                yield self.of(sample, 100 * math.fsum(values) / len(values))
            else:
                why = f"{sample.images[0].uri}: {found[0]}" if found else "the sample has no image"
                yield self.of(sample, None, why)

    def _scored(self, images: Sequence[Image]) -> Iterator[tuple[str, float | str]]:
        """The number of each photo, or why it has none."""
        scorer = load_scorer(self.config.scorer)
        for start in range(0, len(images), _BATCH):
            uris, pictures = [], []
            for image in images[start : start + _BATCH]:
                try:
                    pictures.append(open_rgb(image))
                    uris.append(image.uri)
                except ImageProblem as problem:
                    yield image.uri, str(problem)
            if pictures:
                yield from zip(uris, self._asked(scorer, pictures), strict=True)

    def _asked(self, scorer: Scorer, pictures: list[PILImage.Image]) -> list[float | str]:
        values = [float(value) for value in scorer(pictures)]
        if len(values) != len(pictures):
            raise VlitError(
                f"{self.config.scorer} gave {len(values)} numbers for {len(pictures)} pictures",
                where=_WHERE,
                todo="let it give one number for each picture, in their order",
            )
        return [v if math.isfinite(v) else f"{self.config.scorer} gave {v}" for v in values]


def load_scorer(name: str) -> Scorer:
    """The function behind ``package.module:function``.

    Raises:
        VlitError: When there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise VlitError(
            f"there is no function {name}: {error}",
            where=_WHERE,
            todo="install its package into the environment of vlit, or correct the name",
        ) from error
    if not callable(found):
        raise VlitError(f"{name} is no function", where=_WHERE, todo="name a function")
    scorer: Scorer = found
    return scorer
