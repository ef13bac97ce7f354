"""Object diversity where there are no annotations: a detector of named things looks at the photos.

The review uses YOLO-World, whose code is under AGPL or GPL. Here any zero-shot detector of ``transformers``
does: by default LLMDet (Fu 2025; Apache-2.0), or MM Grounding DINO, Grounding DINO, OWLv2, OmDet-Turbo. It is
asked for ``labels``, the 80 of COCO where none are named; a box counts for its most probable label if that
has at least ``threshold``. Values and readings are those of ``object_diversity``.

Grounding models score each token of a prompt; a label's score is that of its best token, and boxes that
belong to no label are left out. Limits: what is not asked for is not seen; counts of small things and of
crowds are low; OWLv2 gives several boxes to one thing, which raises the instances, not the categories.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pydantic
import yaml

from vlit.assess.diversity.objects import distinct_labels, over_images, plain, told
from vlit.assess.indicator import Form, Indicator, Need
from vlit.assess.seen import Part
from vlit.data.images import ImageProblem, open_rgb
from vlit.data.scene import Image
from vlit.data.score import Score, SetScore
from vlit.run.stage import Config
from vlit.weights.located import folder_lines, located

if TYPE_CHECKING:
    import PIL.Image as PILImage

_GROUNDING = ("grounding-dino", "mm-grounding-dino")


class ObjectDiversityDetectedConfig(Config):
    """Which detector, and what it looks for."""

    model: str = pydantic.Field("iSEE-Laboratory/llmdet_tiny", description="hub id or folder of a detector")
    labels: tuple[str, ...] = pydantic.Field((), description="what it looks for; COCO's 80 where left out")
    threshold: float = pydantic.Field(0.3, gt=0, lt=1, description="least score of a box that counts")
    device: str = pydantic.Field("auto", description="cpu, cuda, cuda:1 ...")
    batch_size: int = pydantic.Field(8, ge=1, description="photos at once; halved where memory runs out")


class ObjectDiversityDetected(Indicator[ObjectDiversityDetectedConfig]):
    """Number of different labels that a detector finds in an image."""

    name: ClassVar[str] = "object_diversity_detected"
    principle = "visual diversity"
    form: ClassVar[Form] = "recommended"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("images",)
    models: ClassVar[tuple[str, ...]] = ("iSEE-Laboratory/llmdet_tiny",)
    extra: ClassVar[str | None] = "tune"
    Config = ObjectDiversityDetectedConfig

    def outside(self) -> Iterator[str]:
        """The files of a model that lies in a folder."""
        return folder_lines(self.config.model, self.base)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Let the detector look at each photo of the part once."""
        images = {image.uri: image for sample in part.samples for image in sample.images}
        found = dict(self._looked(list(images.values())))
        for sample in part.samples:
            known = {i.uri: c for i in sample.images if isinstance(c := found[i.uri], Counter)}
            if known:
                yield self.of(sample, distinct_labels(known), told(known))
            else:
                first = sample.images[0].uri if sample.images else None
                yield self.of(sample, None, f"{first}: {found[first]}" if first else "the sample has no image")

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """Each image once, and the labels of all together."""
        value, n, detail = over_images(scores)
        return self.of_set(value, n, asked_for=len(self.config.labels or everyday_labels()), **detail)

    def _looked(self, images: Sequence[Image]) -> Iterator[tuple[str, Counter[str] | str]]:
        """Labels of each photo, or why it has none; no more photos in memory than a batch."""
        size = self.config.batch_size
        config = self.config.model_copy(update={"model": located(self.config.model, self.base)})
        for start in range(0, len(images), size):
            uris, pictures = [], []
            for image in images[start : start + size]:
                try:
                    pictures.append(open_rgb(image))
                    uris.append(image.uri)
                except ImageProblem as problem:
                    yield image.uri, str(problem)
            if pictures:
                yield from zip(uris, detector(config).counts(pictures), strict=True)


class Detector:
    """A zero-shot detector with the labels that it looks for.

    Args:
        config: Model, labels, threshold and device.

    Raises:
        VlitError: When the model cannot be loaded.
    """

    def __init__(self, config: ObjectDiversityDetectedConfig) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        from vlit.weights.device import load, pick_device, quiet

        quiet()
        self._config = config
        self._labels = [plain(label).replace(".", " ") for label in config.labels or everyday_labels()]
        self._device = pick_device(config.device)
        reader, kind = cast(Any, AutoProcessor), cast(Any, AutoModelForZeroShotObjectDetection)
        self._processor = load(config.model, lambda: reader.from_pretrained(config.model))
        model = load(config.model, lambda: kind.from_pretrained(config.model))
        self._model: Any = model.to(self._device).eval()
        self._grounding = self._model.config.model_type in _GROUNDING
        self._prompts = list(self._split())

    def counts(self, pictures: Sequence[PILImage.Image]) -> list[Counter[str]]:
        """Boxes of each picture by label."""
        from vlit.weights.device import in_batches

        totals: list[Counter[str]] = [Counter() for _ in pictures]
        for labels in self._prompts:
            run = functools.partial(self._detect, labels)
            for total, found in zip(
                totals, in_batches(pictures, len(pictures), run, self._config.model), strict=True
            ):
                total.update(found)
        return totals

    def _split(self) -> Iterator[list[str]]:
        """Labels that fit into one prompt; a grounding model cuts off what is too long."""
        prompt: list[str] = []
        room = self._model.config.max_text_len - 2 if self._grounding else len(self._labels) * 100
        left = room
        for label in self._labels:
            cost = len(self._processor.tokenizer(label, add_special_tokens=False)["input_ids"]) + 1
            if prompt and cost > left:
                yield prompt
                prompt, left = [], room
            prompt.append(label)
            left -= cost
        yield prompt

    def _detect(self, labels: list[str], pictures: Sequence[PILImage.Image]) -> list[Counter[str]]:
        import torch

        asked = [labels] * len(pictures)
        given = self._processor(images=list(pictures), text=asked, return_tensors="pt", padding=True)
        given = given.to(self._device)
        with torch.inference_mode():
            out = self._model(**given)
        if self._grounding:
            owners = label_of_token(self._processor.tokenizer, given["input_ids"][0].tolist())
            scores = out.logits.float().sigmoid().cpu().numpy()
            return [Counter(labels[i] for i in self._owned(row, np.array(owners))) for row in scores]
        found = self._processor.post_process_grounded_object_detection(
            out,
            threshold=self._config.threshold,
            target_sizes=[(p.height, p.width) for p in pictures],
            text_labels=asked,
        )
        return [Counter(one["text_labels"]) for one in found]

    def _owned(self, scores: Any, owners: Any) -> list[int]:
        """Labels of the boxes of one picture, from the scores of the tokens, shape (boxes, tokens)."""
        named = np.flatnonzero(owners >= 0)
        token = scores[:, named].argmax(axis=1)
        good = scores[np.arange(len(scores)), named[token]] >= self._config.threshold
        chosen: list[int] = owners[named[token[good]]].tolist()
        return chosen


def label_of_token(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Which label each token of the prompt ``a. b. c.`` belongs to; -1 for full stops and special tokens.

    Args:
        tokenizer: Of the model.
        ids: Tokens of the prompt as the model got them.
    """
    stop, special = tokenizer.convert_tokens_to_ids("."), set(tokenizer.all_special_ids)
    owners, label = [], 0
    for id in ids:
        owners.append(-1 if id == stop or id in special else label)
        label += id == stop
    return owners


@functools.lru_cache(maxsize=1)
def detector(config: ObjectDiversityDetectedConfig) -> Detector:
    """The detector of a config; loaded once in each process."""
    return Detector(config)


@functools.cache
def everyday_labels() -> tuple[str, ...]:
    """The 80 categories of COCO."""
    text = resources.files("vlit.assess.diversity").joinpath("everyday_labels.yaml").read_text("utf-8")
    return tuple(yaml.safe_load(text))
