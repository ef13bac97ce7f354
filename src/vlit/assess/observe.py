"""The observe stage: every text of the samples becomes a vector, every distinct photo is looked at once.

It is a stage of its own so that what is expensive is done once for all indicators, in parallel, and goes on
after a kill. Recipes need not name it: ``assess`` brings it along with what its indicators need.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydantic

from vlit.assess.seen import Pictures, Seen, Sentences
from vlit.data.embedding import Embedding
from vlit.data.picture import Picture, packed
from vlit.data.sample import Sample
from vlit.data.scene import Image, Scene
from vlit.data.schema import from_table
from vlit.data.score import Quarantined, shown
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder
from vlit.run.stage import Config, Output, Shard, Stage
from vlit.weights.located import check_reachable, folder_lines, located

if TYPE_CHECKING:
    from vlit.assess.encoders.sentences import SentenceEncoder
    from vlit.assess.encoders.vision import VisionEncoder

#: Key of the shards that are photos; those of texts have the keys of the samples' parts.
PHOTOS = "photos"


class ObserveConfig(Config):
    """What is observed, and with what."""

    sentences: str | None = pydantic.Field(
        "static",
        description="encoder of texts: static, minilm, a hub id or a folder; none for no vectors of texts",
    )
    pictures: bool = pydantic.Field(True, description="whether the photos are looked at")
    vision: str | None = pydantic.Field(
        None, description="vision model for vectors of the photos: a hub id or a folder of CLIP or SigLIP"
    )
    device: str = pydantic.Field("auto", description="cpu, cuda, cuda:1 ... of the models")
    batch_size: int | None = pydantic.Field(
        None, ge=1, description="texts or photos that a model takes at once; halved where memory runs out"
    )

    @pydantic.field_validator("sentences", "vision")
    @classmethod
    def _none(cls, name: str | None) -> str | None:
        return None if name == "none" else name


def observe(samples: Sequence[Sample], config: ObserveConfig, scenes: Iterable[Scene] = ()) -> Seen:
    """Observe samples in memory."""
    sentences: Sentences | None = None
    if config.sentences:
        encoder = text_encoder(config)
        vectors = [_encoded(encoder, samples, role) for role in ("user", "assistant")]
        sentences = Sentences(vectors[0], vectors[1], encoder.describe())
    images = {image.uri: image for sample in samples for image in sample.images}
    pictures = Pictures(_looked_at([images[uri] for uri in sorted(images)], config) if config.pictures else ())
    return Seen(len(samples), None if sentences is None else lambda: sentences, lambda: pictures, scenes)


class ObserveStage(Stage[ObserveConfig]):
    """Writes one embedding for each sample and one picture for each distinct photo."""

    name: ClassVar[str] = "observe"
    reads: ClassVar[tuple[str, ...]] = ("samples",)
    writes: ClassVar[tuple[str, ...]] = ("pictures", "embeddings")
    code: ClassVar[tuple[str, ...]] = (
        "vlit.assess.observe",
        "vlit.assess.encoders",
        "vlit.assess.pictures",
        "vlit.weights",
        "vlit.data",
    )
    Config = ObserveConfig

    def outside(self) -> Iterator[str]:
        """The files of models that lie in a folder."""
        for name in self._models:
            yield from folder_lines(name, self.setting.base)

    def check(self) -> None:
        """The models can be had."""
        for name in self._models:
            check_reachable(name)

    def names(self) -> dict[str, list[str]]:
        """What distances between samples can be measured of."""
        return {
            "embeddings": ["instruction", "response"] if self.config.sentences else [],
            "pictures": ["picture"] if self.config.pictures else [],
        }

    def prepare(self, run: RunFolder) -> ObserveConfig:
        """Load the models once before the workers do, so that what they need is there or missed at once."""
        if self._local.sentences:
            text_encoder(self._local)
        if self._local.vision and self._local.pictures:
            photo_encoder(self._local)
        return self._local

    def processes(self, most: int) -> int:
        """One where a GPU does the work: each process would load the models anew."""
        return 1 if self._loads_models and on_gpu(self._local.device) else most

    def shards(self, run: RunFolder) -> list[Shard]:
        """The samples' parts for their texts, and the distinct photos in pieces."""
        paths = run.samples.parts()
        texts = [Shard(part_key(path), path) for path in paths] if self._local.sentences else []
        images = _distinct(paths) if self._local.pictures else []
        size = min(max(len(images) // 64, 8), 1024)
        starts = range(0, len(images), size)
        pieces = [Shard(f"{PHOTOS}-{i:05d}", images[at : at + size]) for i, at in enumerate(starts)]
        return texts + pieces

    def work(self, shard: Shard, context: ObserveConfig) -> Output:
        """Embed the texts of a part, or look at some photos."""
        if self._loads_models:
            one_thread()
        if isinstance(shard.payload, Path):
            encoder = text_encoder(context)
            rows = _embeddings(read_part(shard.payload, Sample), encoder)
            return Output({"embeddings": rows}, [_spoilt(text, shard.payload) for text in encoder.spoiled()])
        pictures = _looked_at(shard.payload, context)
        known = {image.uri: image for image in shard.payload}
        lost = [_lost(p, known[p.uri]) for p in pictures if _worth_telling(p, known)]
        return Output({"pictures": pictures}, lost)

    @property
    def _loads_models(self) -> bool:
        return self._local.vision is not None or self._local.sentences not in (None, "static")

    @property
    def _models(self) -> list[str]:
        """Hub ids and folders of the models; not of those whose weights come with a package."""
        named = (self._local.sentences, self._local.vision if self._local.pictures else None)
        return [name for name in named if name and name not in ("static", "minilm")]

    @functools.cached_property
    def _local(self) -> ObserveConfig:
        """The config with folders of models as absolute paths."""
        names = {key: getattr(self.config, key) for key in ("sentences", "vision")}
        found = {key: located(name, self.setting.base) for key, name in names.items() if name}
        return self.config.model_copy(update=found)


@functools.lru_cache(maxsize=2)
def _text_encoder(name: str, device: str, batch_size: int | None) -> SentenceEncoder:
    from vlit.assess.encoders.sentences import sentence_encoder

    return sentence_encoder(name, device=device, batch_size=batch_size)


@functools.lru_cache(maxsize=2)
def _photo_encoder(name: str, device: str, batch_size: int | None) -> VisionEncoder:
    from vlit.assess.encoders.vision import vision_encoder

    return vision_encoder(name, device=device, batch_size=batch_size)


def text_encoder(config: ObserveConfig) -> SentenceEncoder:
    """The encoder of texts that a config names; loaded once in each process."""
    assert config.sentences
    return _text_encoder(config.sentences, config.device, config.batch_size)


def photo_encoder(config: ObserveConfig) -> VisionEncoder:
    """The vision model that a config names; loaded once in each process."""
    assert config.vision
    return _photo_encoder(config.vision, config.device, config.batch_size)


def one_thread() -> None:
    """Let torch use one thread on the CPU: parts run side by side, and sums must not depend on how many do."""
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


def on_gpu(device: str = "auto") -> bool:
    """Whether models run on a GPU."""
    if device != "auto":
        return device != "cpu"
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def _distinct(paths: Iterable[Path]) -> list[Image]:
    """Every distinct photo of the samples once, by URI."""
    found: dict[str, Image] = {}
    for path in paths:
        column = pq.read_table(path, columns=["images"])["images"]
        if not len(column):
            continue
        images = pa.concat_arrays([pc.list_flatten(chunk) for chunk in column.chunks])
        uris = pc.struct_field(images, "uri")
        new = pc.invert(pc.is_in(uris, pa.array(found, pa.string())))
        if pc.any(new).as_py():
            fresh = pa.Table.from_struct_array(images.filter(new))
            found.update((image.uri, image) for image in from_table(fresh, Image))
    return [found[uri] for uri in sorted(found)]


def _encoded(encoder: SentenceEncoder, samples: Sequence[Sample], role: Any) -> Any:
    vectors = encoder.encode([sample.text_of(role) for sample in samples])
    return np.asarray(vectors, np.float16)


def _embeddings(samples: Sequence[Sample], encoder: SentenceEncoder) -> list[Embedding]:
    said = encoder.describe()
    vectors = (_encoded(encoder, samples, role) for role in ("user", "assistant"))
    return [
        Embedding(sample=sample.id, instruction=packed(asked), response=packed(answered), encoder=said)
        for sample, asked, answered in zip(samples, *vectors, strict=True)
    ]


def _looked_at(images: Sequence[Image], config: ObserveConfig) -> list[Picture]:
    from vlit.assess.pictures.look import look_all

    return look_all(images, photo_encoder(config) if config.vision else None)


def _worth_telling(picture: Picture, known: dict[str, Image]) -> bool:
    """Whether a problem is news: an image that was never opened may well be absent."""
    return picture.problem is not None and (known[picture.uri].sha256 is not None or Path(picture.uri).exists())


def _spoilt(text: str, part: Path) -> Quarantined:
    reason = "the encoder gives no finite vector for this text; it counts as one without a vector"
    return Quarantined(
        stage="observe",
        file=str(part),
        record="",
        field="text",
        value=text,
        reason=reason,
        action="repaired",
    )


def _lost(picture: Picture, image: Image) -> Quarantined:
    return Quarantined(
        stage="observe",
        file=image.uri,
        record=image.sha256 or "",
        field="image",
        value=shown(image.uri),
        reason=picture.problem or "",
    )
