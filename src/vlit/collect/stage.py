"""The stage that turns annotated images into scenes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import pydantic

from vlit.collect.build import Check, build
from vlit.collect.importer import Importer, existing
from vlit.collect.join import UNMENTIONED, Draft, gather
from vlit.collect.registry import IMPORTERS, parse_source
from vlit.data.errors import VlitError
from vlit.data.images import MAX_PIXELS
from vlit.data.scene import Scene
from vlit.data.score import Quarantined, commonest
from vlit.run.folder import RunFolder, counted
from vlit.run.inputs import content_line, photo_lines
from vlit.run.recipe import checked
from vlit.run.stage import Config, Output, Setting, Shard, Stage


def _some(sources: tuple[Importer, ...]) -> tuple[Importer, ...]:
    if not sources:
        raise ValueError("name at least one source, for example {kind: auto, path: ../photos}")
    return sources


class CollectConfig(Config):
    """``collect:`` of a recipe."""

    sources: Annotated[
        tuple[Annotated[pydantic.SerializeAsAny[Importer], pydantic.BeforeValidator(parse_source)], ...],
        pydantic.AfterValidator(_some),
    ]
    #: decode: open every photo; header: only its head; skip: believe the annotations, photos may be absent.
    images: Check = "decode"
    max_pixels: int = pydantic.Field(default=MAX_PIXELS, gt=0)
    keep_unannotated: bool = False  #: make scenes of photos that no annotation mentions
    shard_size: int = pydantic.Field(default=500, gt=0)  #: scenes in a part


class _Batch(msgspec.Struct, kw_only=True):
    """The payload of a shard. It travels as MessagePack, which is several times faster than pickled rows."""

    drafts: list[Draft]
    vocabularies: list[tuple[str, ...]]  #: what pieces searched; most share one of 80 labels
    searched: list[list[int]]  #: for each piece of each draft, the index of its vocabulary
    quarantine: list[Quarantined]


class _Shards:
    """Shards in order, packed when they are asked for; what was lost before goes with the first."""

    def __init__(self, drafts: list[Draft], bad: list[Quarantined], size: int) -> None:
        self.drafts, self.bad, self.size = drafts, bad, size

    def __len__(self) -> int:
        return -(-len(self.drafts) // self.size)

    def __iter__(self) -> Iterator[Shard]:
        for n in range(len(self)):
            drafts = self.drafts[n * self.size : (n + 1) * self.size]
            yield Shard(f"{n:05d}", _pack(drafts, self.bad if n == 0 else []))


class CollectStage(Stage[CollectConfig]):
    """Annotated images in, scenes out."""

    name = "collect"
    writes = ("scenes",)
    code: ClassVar[tuple[str, ...]] = ("vlit.collect", "vlit.data")
    Config = CollectConfig

    def outside(self) -> Iterator[str]:
        """Content of annotation files; name, size and time of photos."""
        for source in self.config.sources:
            files = source.files(self.setting)
            if source.attribution is not None:
                files = [*files, existing(self.setting, source.attribution)]
            yield from map(content_line, files)
            for folder in source.folders():
                if "://" not in folder:
                    yield from photo_lines(Path(self.setting.resolve(folder)))

    def plugins(self) -> Iterator[str]:
        """Packages of importers that are not ours."""
        return IMPORTERS.packages(source.kind for source in self.config.sources)

    def expect(self, run: RunFolder) -> str:
        """What the annotations promise, by kind; photos are not opened for it."""
        drafts, bad = self.gather()
        kinds = ("captions", "objects", "regions", "relations", "texts", "questions")
        found = {k: sum(len(getattr(piece, k)) for draft in drafts for piece in draft.pieces) for k in kinds}
        promised = counted({"scenes": len(drafts)}) or "no scenes"
        return f"{promised} with {counted(found) or 'no annotations'}" + (
            f", {len(bad):,} quarantined" if bad else ""
        )

    def shards(self, run: RunFolder) -> _Shards:
        """Drafts in order of their ids; what was lost on the way goes with the first."""
        drafts, bad = self.gather()
        if not drafts:
            raise _nothing(bad)
        return _Shards(drafts, bad, self.config.shard_size)

    def gather(self) -> tuple[list[Draft], list[Quarantined]]:
        """All drafts, before a photo is opened."""
        return gather(
            self.config.sources,
            self.setting,
            check=self.config.images != "skip",
            keep_unannotated=self.config.keep_unannotated,
        )

    def work(self, shard: Shard, context: Any) -> Output:
        """Open the photos and check the annotations."""
        drafts, bad = _unpack(shard.payload)
        scenes = self.build(drafts, bad)
        return Output(tables={"scenes": scenes}, quarantine=bad)

    def build(self, drafts: Iterable[Draft], bad: list[Quarantined]) -> list[Scene]:
        """Scenes of drafts; what is lost goes to ``bad``."""
        made = (build(d, bad, check=self.config.images, max_pixels=self.config.max_pixels) for d in drafts)
        return [scene for scene in made if scene is not None]

    def finish(self, run: RunFolder) -> Output:
        """Stop where no scene came of it, and say why."""
        if not len(run.scenes):
            raise _nothing(q for q in run.quarantine if q.stage == self.name)
        return Output()


def collect_folder(path: str | Path, **options: Any) -> tuple[list[Scene], list[Quarantined]]:
    """Scenes of a folder of photos and annotation files, read in this process.

    Args:
        path: The folder; see the importer ``auto`` for what is recognised in it.
        options: Keys of :class:`CollectConfig` beside ``sources``.

    Raises:
        VlitError: When nothing usable is found.

    Example:
        >>> scenes, quarantined = collect_folder("photos")  # doctest: +SKIP
    """
    config = checked(CollectConfig, {"sources": [{"kind": "auto", "path": "."}], **options}, "collect")
    stage = CollectStage(config, Setting(seed=0, base=Path(path).expanduser().resolve()))
    drafts, bad = stage.gather()
    scenes = stage.build(drafts, bad)
    if not scenes:
        raise _nothing(bad)
    return scenes, bad


def _nothing(bad: Iterable[Quarantined]) -> VlitError:
    """No scene at all: say the most frequent reasons, with an example each."""
    rows = list(bad)
    bare = all(row.reason == UNMENTIONED for row in rows)
    return VlitError(
        "no usable scene was found: " + (commonest(rows) or "the sources hold neither photos nor annotations"),
        where="collect.sources",
        todo="give annotations: COCO, VQA or A-OKVQA files, or a CSV with the columns `file` and `caption`"
        if bare
        else "check `images:` and the annotation files; `images: skip` works without photos",
    )


def _pack(drafts: list[Draft], bad: list[Quarantined]) -> bytes:
    known: dict[tuple[str, ...], int] = {}
    searched = [[known.setdefault(p.searched, len(known)) for p in d.pieces] for d in drafts]
    bare = [
        msgspec.structs.replace(d, pieces=[msgspec.structs.replace(p, searched=()) for p in d.pieces])
        for d in drafts
    ]
    return msgspec.msgpack.encode(
        _Batch(drafts=bare, vocabularies=list(known), searched=searched, quarantine=bad)
    )


def _unpack(payload: bytes) -> tuple[list[Draft], list[Quarantined]]:
    batch = msgspec.msgpack.decode(payload, type=_Batch)
    for draft, indices in zip(batch.drafts, batch.searched, strict=True):
        for piece, index in zip(draft.pieces, indices, strict=True):
            piece.searched = batch.vocabularies[index]
    return batch.drafts, batch.quarantine
