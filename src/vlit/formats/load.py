"""The load stage: an instruction set that exists already, as samples of this run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydantic

from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Quarantined
from vlit.formats.format import Format
from vlit.formats.registry import FORMATS, FormatName
from vlit.run.folder import RunFolder
from vlit.run.inputs import content_line, photo_lines
from vlit.run.stage import Config, Output, Shard, Stage


class LoadConfig(Config):
    """Where the set is."""

    format: FormatName = pydantic.Field("llava", description="name of a format: vlit.formats")
    path: str = pydantic.Field(description="the file")
    image_root: str = pydantic.Field(".", description="folder that its image paths are relative to")
    images: Literal["check", "skip"] = pydantic.Field(
        "check",
        description="check: a record whose image is not there is quarantined; skip: images may be absent",
    )
    shard_size: int = pydantic.Field(10_000, ge=1, description="samples a shard")


class LoadStage(Stage[LoadConfig]):
    """Reads a training-data file; what cannot be used is quarantined.

    Where the run has scenes, a sample without provenance is tied to the scene of its image, so that its claims
    can be checked against the annotations.
    """

    name: ClassVar[str] = "load"
    reads: ClassVar[tuple[str, ...]] = ("scenes",)
    optional: ClassVar[tuple[str, ...]] = ("scenes",)
    writes: ClassVar[tuple[str, ...]] = ("samples",)
    code: ClassVar[tuple[str, ...]] = ("vlit.formats", "vlit.data")
    Config = LoadConfig

    def outside(self) -> Iterator[str]:
        """The file's content, and its images."""
        yield content_line(Path(self._path))
        yield self._root
        if self.config.images == "check" and "://" not in self._root:
            yield from photo_lines(Path(self._root))

    def plugins(self) -> Iterator[str]:
        """The format's package, where it is not ours."""
        return FORMATS.packages([self.config.format])

    def expect(self, run: RunFolder) -> str:
        """The file; its records are not counted for it."""
        path = Path(self._path)
        return f"{path} ({path.stat().st_size / 1e6:,.1f} MB)" if path.is_file() else f"{path} is missing"

    def shards(self, run: RunFolder) -> Iterator[Shard]:
        """Samples as they come from the file; a quarantine row goes with the samples that follow it."""
        kind: Format = FORMATS.load(self.config.format)
        samples: list[Sample] = []
        quarantine: list[Quarantined] = []
        number = 0
        scenes = scenes_by_uri(run)
        for found in kind.read(Path(self._path), self._root, open_images=self.config.images == "check"):
            if isinstance(found, Quarantined):
                quarantine.append(found)
                continue
            samples.append(tied(found, scenes))
            if len(samples) == self.config.shard_size:
                yield Shard(f"{number:05d}", (samples, quarantine))
                samples, quarantine, number = [], [], number + 1
        if samples or quarantine:
            yield Shard(f"{number:05d}", (samples, quarantine))

    def work(self, shard: Shard, context: Any) -> Output:
        """Hand the rows on; the engine writes them."""
        samples, quarantine = shard.payload
        return Output({"samples": samples}, quarantine)

    def finish(self, run: RunFolder) -> Output:
        """Stop where no sample came of it, and say why."""
        if not len(run.samples):
            lost = [q for q in run.quarantine if q.stage == self.name and q.action == "dropped"]
            if not lost:
                raise VlitError("the file holds no record", where=self._path, todo="correct load.path")
            why = ": ".join(filter(None, (lost[0].record, lost[0].field, lost[0].reason)))
            raise VlitError(
                f"none of the {len(lost):,} records can be used: {why}",
                where=self._path,
                todo="correct load.path or load.image_root; `load.images: skip` measures texts without images",
            )
        return Output()

    @property
    def _path(self) -> str:
        return self.setting.resolve(self.config.path)

    @property
    def _root(self) -> str:
        return self.setting.resolve(self.config.image_root)


def scenes_by_uri(run: RunFolder) -> dict[str, str]:
    """Image URI -> id of the scene, for all scenes of a run."""
    found: dict[str, str] = {}
    for path in run.scenes.parts():
        table = pq.read_table(path, columns=["id", "image"])
        uris = pc.struct_field(table["image"], "uri")
        found.update(zip(uris.to_pylist(), table["id"].to_pylist(), strict=True))
    return found


def tied(sample: Sample, scenes: Mapping[str, str]) -> Sample:
    """The sample with the scenes of its images in its provenance, where it named none.

    Args:
        sample: As it was read.
        scenes: Image URI -> id of the scene.
    """
    if sample.provenance.scenes or not scenes:
        return sample
    ids = tuple(scenes[image.uri] for image in sample.images if image.uri in scenes)
    return msgspec.structs.replace(sample, provenance=msgspec.structs.replace(sample.provenance, scenes=ids))
