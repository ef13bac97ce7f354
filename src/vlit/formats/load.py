"""The load stage: an instruction set that exists already, as samples of this run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from vlit.data.sample import Sample
from vlit.data.score import Quarantined
from vlit.formats.format import Format
from vlit.formats.registry import FORMATS
from vlit.run.fingerprint import file_digest
from vlit.run.folder import RunFolder
from vlit.run.stage import Config, Output, Shard, Stage


class LoadConfig(Config):
    """Where the set is."""

    format: str = pydantic.Field("llava", description="name of a format: vlit.formats")
    path: str = pydantic.Field(description="the file")
    image_root: str = pydantic.Field(".", description="folder that its image paths are relative to")
    shard_size: int = pydantic.Field(10_000, ge=1, description="samples a shard")


class LoadStage(Stage[LoadConfig]):
    """Reads a training-data file; what cannot be used is quarantined."""

    name: ClassVar[str] = "load"
    writes: ClassVar[tuple[str, ...]] = ("samples",)
    code: ClassVar[tuple[str, ...]] = ("vlit.formats", "vlit.data")
    Config = LoadConfig

    def outside(self) -> Iterable[str]:
        """The file's content, and where its images are."""
        path = Path(self._path)
        return (self._path, file_digest(path) if path.is_file() else "missing", self._root)

    def shards(self, run: RunFolder) -> Iterator[Shard]:
        """Samples as they come from the file; a quarantine row goes with the samples that follow it."""
        kind: Format = FORMATS.load(self.config.format)
        samples: list[Sample] = []
        quarantine: list[Quarantined] = []
        number = 0
        for found in kind.read(Path(self._path), self._root):
            if isinstance(found, Quarantined):
                quarantine.append(found)
                continue
            samples.append(found)
            if len(samples) == self.config.shard_size:
                yield Shard(f"{number:05d}", (samples, quarantine))
                samples, quarantine, number = [], [], number + 1
        if samples or quarantine:
            yield Shard(f"{number:05d}", (samples, quarantine))

    def work(self, shard: Shard, context: Any) -> Output:
        """Hand the rows on; the engine writes them."""
        samples, quarantine = shard.payload
        return Output({"samples": samples}, quarantine)

    @property
    def _path(self) -> str:
        return self.setting.resolve(self.config.path)

    @property
    def _root(self) -> str:
        return self.setting.resolve(self.config.image_root)
