"""The stage ``export``: the selected samples as files that a trainer reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import pydantic

from vlit.data.errors import VlitError
from vlit.formats.format import Format
from vlit.formats.registry import FORMATS, FormatName
from vlit.run import stage
from vlit.run.folder import RunFolder


class FileConfig(stage.Config):
    """One file to write."""

    format: FormatName = pydantic.Field("llava", description="name of a format: vlit.formats")
    path: str | None = pydantic.Field(
        None,
        description="file to write; by default exports/<format> in the run, of a variant in a folder so named",
    )
    variant: str | None = pydantic.Field(
        None, description="a variant of the selection; by default the selection itself"
    )
    metadata: bool = pydantic.Field(True, description="also write what the format itself has no place for")
    image_root: str | None = pydantic.Field(
        None,
        description="folder that image paths are relative to; by default the deepest that holds all images",
    )

    @pydantic.field_validator("format")
    @classmethod
    def _can_be_written(cls, name: str) -> str:
        if FORMATS.load(name).write is None:
            raise ValueError(f"{name} can be read, not written; for example, llava can")
        return name


class ExportConfig(stage.Config):
    """Which files to write."""

    formats: tuple[FileConfig, ...] = (FileConfig(),)

    @pydantic.field_validator("formats")
    @classmethod
    def _some(cls, formats: tuple[FileConfig, ...]) -> tuple[FileConfig, ...]:
        if not formats:
            raise ValueError("name at least one, for example {format: llava}; or leave out the stage")
        return formats


class ExportStage(stage.Stage[ExportConfig]):
    """Writes the selected samples in each format that the recipe names."""

    name: ClassVar[str] = "export"
    reads: ClassVar[tuple[str, ...]] = ("selected",)
    code: ClassVar[tuple[str, ...]] = ("vlit.formats", "vlit.data")
    Config: ClassVar[type[stage.Config]] = ExportConfig

    def outside(self) -> Iterable[str]:
        """Where files lie that the recipe names: it may have moved, and its paths with it."""
        named = (path for item in self.config.formats for path in (item.path, item.image_root))
        return [self.setting.resolve(path) for path in named if path is not None]

    def asks(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """The variants, which the selection has to make."""
        for number, item in enumerate(self.config.formats):
            if item.variant is not None:
                yield "variants", item.variant, ("formats", str(number), "variant")

    def plugins(self) -> Iterable[str]:
        """Packages of formats that are not ours."""
        return FORMATS.packages(item.format for item in self.config.formats)

    def shards(self, run: RunFolder) -> Iterable[stage.Shard]:
        """None: a file is written in one go, on all cores."""
        return ()

    def files(self, run: RunFolder) -> list[Path]:
        """The files of the recipe, in its order.

        Raises:
            VlitError: When two of them are the same file, or a format is unknown.
        """
        paths = [self._path(run, item) for item in self.config.formats]
        for path in paths:
            if paths.count(path) > 1:
                raise VlitError(
                    f"two exports would write the same file {path.name}",
                    where="export.formats",
                    todo="give each of them its own path",
                )
        return paths

    def finish(self, run: RunFolder) -> stage.Output:
        """Write the files."""
        for item, path in zip(self.config.formats, self.files(run), strict=True):
            kind: Format = FORMATS.load(item.format)
            root = None if item.image_root is None else self.setting.resolve(item.image_root)
            assert kind.write is not None  # the config refuses such formats
            selected = run.selected if item.variant is None else run.variant(item.variant).selected
            kind.write(selected.parts(), path, image_root=root, metadata=item.metadata)
        return stage.Output()

    def _path(self, run: RunFolder, item: FileConfig) -> Path:
        kind: Format = FORMATS.load(item.format)
        if item.path is not None:
            return Path(self.setting.resolve(item.path))
        return run.path / "exports" / (item.variant or "") / f"{item.format}{kind.suffix}"
