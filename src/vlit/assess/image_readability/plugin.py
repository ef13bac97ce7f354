"""Image readability by a model of your own, such as MANIQA, which the review takes.

    scorer: "package.module:function"      a PIL image, RGB as displayed, in; a number out, higher is better

No such model is shipped: the licences do not allow it. IIGROUP/MANIQA names no licence for its code; pyiqa,
which has it ready, is PolyForm-Noncommercial and its weights are CC BY-NC-SA. Whoever may use them puts a
function of a few lines beside the recipe or into a package and names it here. MANIQA takes the mean of random
crops: fix its seed, or take crops on a grid, so that a run can be repeated. The function is loaded once in
each process; of several images of a sample the lowest value counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image
from vlit.data.score import Score, shown
from vlit.run.inputs import content_line
from vlit.run.stage import Config

if TYPE_CHECKING:
    import PIL.Image as PILImage

_NAME = r"[\w.]+:\w+"


class ImageReadabilityModelConfig(Config):
    """Whose judgement is taken."""

    scorer: str = pydantic.Field(pattern=rf"^{_NAME}$")  #: package.module:function
    version: str = ""  #: of its weights; a change is a change of the recipe, so that photos are judged again


class ImageReadabilityModel(Indicator[ImageReadabilityModelConfig]):
    """What the named function says of the image; the lowest of the images where there are several."""

    name: ClassVar[str] = "image_readability_model"
    principle = "image readability"
    form: ClassVar[Form] = "faithful"
    by_default: ClassVar[bool] = False
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("images",)
    Config = ImageReadabilityModelConfig

    def outside(self) -> Iterator[str]:
        """The file that the function is in."""
        scorer(self.config.scorer)
        file = import_module(self.config.scorer.partition(":")[0]).__file__
        return iter([content_line(Path(file))] if file else [])

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Show each photo of the part to the function once."""
        judge = scorer(self.config.scorer)
        known: dict[str, float | str] = {}
        for sample in part.samples:
            for image in sample.images:
                if image.uri not in known:
                    known[image.uri] = _judged(judge, image)
            found = [known[image.uri] for image in sample.images]
            problems = [f for f in found if isinstance(f, str)]
            if not found or problems:
                yield self.of(sample, None, problems[0] if problems else "the sample has no image")
            else:
                yield self.of(sample, min(f for f in found if not isinstance(f, str)))


@cache
def scorer(name: str) -> Callable[[PILImage.Image], Any]:
    """The function of that name.

    Raises:
        VlitError: When there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise VlitError(
            f"the scorer cannot be imported: {error}",
            where=f"assess.indicators.image_readability_model.scorer: {name}",
            todo='name it "package.module:function", and install the package or add its folder to PYTHONPATH',
        ) from error
    if not callable(found):
        raise VlitError(f"the scorer is no function but a {type(found).__name__}", where=name)
    return found  # type: ignore[no-any-return]


def _judged(judge: Callable[[PILImage.Image], Any], image: Image) -> float | str:
    try:
        picture = open_rgb(image)
    except ImageProblem as problem:
        return f"{image.uri}: {problem}"
    try:
        value = float(judge(picture))
    except Exception as error:  # it is not ours: one photo that it cannot take must not cost the run
        return f"{image.uri}: the scorer failed: {type(error).__name__}: {shown(str(error))}"
    return value if math.isfinite(value) else f"{image.uri}: the scorer says {value}"
