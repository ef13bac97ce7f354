"""The mix stage: sets of any format, and of other runs, become the samples of this run.

Each set is read once. Its records go into a scratch file, and a few numbers of each stay in memory. With these
the mixture is planned; the images of what was drawn are opened; the shards fetch their records from the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError
from vlit.data.ingredient import Ingredient
from vlit.data.sample import Sample
from vlit.data.scene import Image
from vlit.data.score import Quarantined, commonest
from vlit.formats.choices import turned
from vlit.formats.join import joined
from vlit.formats.load import scenes_by_uri
from vlit.formats.mix_config import MixConfig, MixSet
from vlit.formats.mix_images import Album
from vlit.formats.mix_plan import Mixture, account, plan
from vlit.formats.mix_read import Reading, SetReader, finished_table
from vlit.formats.registry import FORMATS
from vlit.formats.spool import Spool, SpoolReader
from vlit.run.folder import RunFolder
from vlit.run.inputs import content_line, photo_lines
from vlit.run.stage import Output, Shard, Stage

Spans = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Paths:
    """The scratch files that the shards are made from."""

    records: Path
    images: Path
    lost: Path


@dataclass(frozen=True)
class Filling:
    """What fills a shard: where its records stand in the scratch files."""

    records: Spans  #: for each slot
    images: Spans  #: for each slot; an empty span where the record describes its images
    turned: npt.NDArray[np.uint8]
    copy: npt.NDArray[np.int32]
    starts: Spans  #: slots of each sample, and the end
    lost: Spans  #: quarantine rows


@dataclass
class _Made:
    """What ``prepare`` made, for ``shards`` and ``finish`` in the same process."""

    readings: list[Reading]
    mixture: Mixture
    album: Album
    ingredients: list[Ingredient]
    records: Spool
    images: Spool
    lost: Spool


class MixStage(Stage[MixConfig]):
    """Merges sets by weight, cap and floor, reproducibly, and keeps account of every record."""

    name: ClassVar[str] = "mix"
    reads: ClassVar[tuple[str, ...]] = ("scenes",)
    optional: ClassVar[tuple[str, ...]] = ("scenes",)
    writes: ClassVar[tuple[str, ...]] = ("ingredients", "samples")
    code: ClassVar[tuple[str, ...]] = ("vlit.formats", "vlit.data")
    Config = MixConfig
    _made: _Made | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Workers get what they need with each shard.
        return {**self.__dict__, "_made": None}

    def outside(self) -> Iterator[str]:
        """Content of the files, parts of the runs, and the images."""
        roots: set[str] = set()
        for config in self.config.sets:
            where = self._where(config)
            if config.run is not None:
                run = RunFolder(Path(where))
                yield from (f"{p} {p.stat().st_size}" for p in run.table(finished_table(run)).parts())
                continue
            yield content_line(Path(where))
            if not config.text_only:
                roots.add(self.setting.resolve(config.image_root))
        for root in sorted(roots):
            yield root
            if self.config.images == "check" and "://" not in root:
                yield from photo_lines(Path(root))

    def plugins(self) -> Iterator[str]:
        """Packages of formats that are not ours."""
        return FORMATS.packages(config.format for config in self.config.sets)

    def expect(self, run: RunFolder) -> str:
        """The sets; their records are not counted for it."""
        return ", ".join(self._expected(config) for config in self.config.sets)

    def prepare(self, run: RunFolder) -> Paths:
        """Read the sets, draw, and open the images of what was drawn; what is lost by that is drawn anew."""
        records, images, lost = (Spool(run.path, f"mix-{name}") for name in ("records", "images", "lost"))
        look = self.config.images == "check"
        reader = SetReader(self.setting, look, self.config.join is not None, records, lost, scenes_by_uri(run))
        readings = [reader.read(config) for config in self.config.sets]
        where = [self._where(config) for config in self.config.sets]
        album = Album(readings, where, records, images, lost)
        gone = [np.zeros(len(reading.columns), bool) for reading in readings]
        mixture = plan(readings, gone, self.config)
        while look and album.look(mixture, gone):
            mixture = plan(readings, gone, self.config)
        for spool in (records, images, lost):
            spool.flush()
        ingredients = account(readings, gone, mixture)
        self._made = _Made(readings, mixture, album, ingredients, records, images, lost)
        return Paths(records.path, images.path, lost.path)

    def shards(self, run: RunFolder) -> _Shards:
        """Samples in their order; quarantine rows are spread over them."""
        if self._made is None:
            raise RuntimeError("the shards of a mixture are made after it is prepared")
        return _Shards(self._made, self.config.shard_size)

    def work(self, shard: Shard, context: Paths) -> Output:
        """Fetch the records of a shard and put them together."""
        filling: Filling = shard.payload
        with SpoolReader(context.lost) as reader:
            quarantine = [msgspec.msgpack.decode(raw, type=Quarantined) for raw in reader.read(filling.lost)]
        pieces = list(_pieces(filling, context))
        bounds = zip(filling.starts.tolist(), filling.starts[1:].tolist(), strict=False)
        return Output({"samples": [joined(pieces[start:end]) for start, end in bounds]}, quarantine)

    def finish(self, run: RunFolder) -> Output:
        """The account; an error where no sample came of it all."""
        if self._made is None:
            raise RuntimeError("a mixture is finished after it is prepared")
        made, self._made = self._made, None
        for spool in (made.records, made.images, made.lost):
            spool.remove()
        if not len(made.mixture):
            if any(made.mixture.sizes):
                raise VlitError(
                    "the weights are so small that no sample is drawn",
                    where="mix.sets",
                    todo="raise a weight, or give a set a floor",
                )
            rows = [row for row in run.quarantine if row.stage == self.name and row.action == "dropped"]
            why = f": {commonest(rows)}" if rows else ", the sets are empty"
            raise VlitError(
                f"none of the {len(rows):,} records can be used{why}",
                where="mix.sets",
                todo="correct path or image_root of the sets; `images: skip` mixes texts without their images",
            )
        return Output({"ingredients": made.ingredients})

    def _where(self, config: MixSet) -> str:
        return self.setting.resolve(str(config.run if config.run is not None else config.path))

    def _expected(self, config: MixSet) -> str:
        path = Path(self._where(config))
        if config.run is not None:
            table = finished_table(RunFolder(path))
            return f"{config.name} ({len(RunFolder(path).table(table)):,} {table})"
        return (
            f"{config.name} ({path.stat().st_size / 1e6:,.1f} MB)" if path.is_file() else f"{path} is missing"
        )


class _Shards:
    """The shards of a mixture, each made when it is asked for."""

    def __init__(self, made: _Made, size: int) -> None:
        self._made, self._size = made, size

    def __len__(self) -> int:
        samples = -(-len(self._made.mixture) // self._size)
        return samples or int(len(self._made.lost) > 0)

    def __iter__(self) -> Iterator[Shard]:
        for number in range(len(self)):
            yield Shard(f"{number:05d}", self._filling(number))

    def _filling(self, number: int) -> Filling:
        made, mix = self._made, self._made.mixture
        starts = mix.starts[number * self._size : (number + 1) * self._size + 1]
        slots = slice(starts[0], starts[-1])
        of_set, piece = mix.of_set[slots], mix.piece[slots]
        at, photo = np.zeros(len(piece), np.int64), np.zeros(len(piece), np.uint64)
        for n, reading in enumerate(made.readings):
            here = of_set == n
            at[here] = piece[here] + reading.first
            photo[here] = reading.columns["photo"][piece[here]]
        described = made.album.numbers(photo)
        images = np.zeros((len(piece), 2), np.int64)
        images[described >= 0] = made.images.spans(described[described >= 0])
        rows = [len(made.lost) * n // len(self) for n in (number, number + 1)]
        return Filling(
            records=made.records.spans(at),
            images=images,
            turned=mix.turned[slots],
            copy=mix.copy[slots],
            starts=starts - starts[0],
            lost=made.lost.spans(np.arange(*rows)),
        )


def _pieces(filling: Filling, paths: Paths) -> Iterator[Sample]:
    """The records of a shard, with their images described, their choices turned and their ids."""
    samples, images = msgspec.msgpack.Decoder(Sample), msgspec.msgpack.Decoder(tuple[Image, ...])
    with SpoolReader(paths.records) as records, SpoolReader(paths.images) as described:
        slots = zip(
            records.read(filling.records),
            described.read(filling.images),
            filling.turned.tolist(),
            filling.copy.tolist(),
            strict=True,
        )
        for raw, album, places, copy in slots:
            sample = samples.decode(raw)
            id_ = sample.id + (f"#turned{places}" if places else "") + (f"#{copy}" if copy > 1 else "")
            found = images.decode(album) if album else sample.images
            yield turned(msgspec.structs.replace(sample, id=id_, images=found), places)
