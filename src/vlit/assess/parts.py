"""Reading the parts of a run that go together: samples, their scenes, their vectors and their photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.assess.observe import PHOTOS
from vlit.assess.seen import Part, Pictures, Seen, read_rows, read_sentences
from vlit.data.picture import Picture
from vlit.data.sample import Sample
from vlit.data.scene import Row, Scene
from vlit.data.schema import from_table
from vlit.data.store import part_key, read_part
from vlit.run.folder import RunFolder

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Ranges:
    """Parts of a table with the first and the last key of each: a set of all keys would go to every worker."""

    column: str = "id"
    parts: tuple[tuple[Path, str, str], ...] = ()

    @classmethod
    def of(cls, paths: Iterable[Path], column: str) -> Ranges:
        """Look up the first and the last key of each part."""
        ends = ((path, pc.min_max(pq.read_table(path, columns=[column])[column]).as_py()) for path in paths)
        return cls(column, tuple((path, end["min"] or "", end["max"] or "") for path, end in ends))

    def read(self, wanted: set[str], kind: type[R]) -> list[R]:
        """The wanted rows; only parts that may hold some are opened, and only those rows become objects."""
        found: list[R] = []
        for path, first, last in self.parts:
            here = [key for key in wanted if first <= key <= last]
            if here:
                found += from_table(pq.read_table(path, filters=[(self.column, "in", here)]), kind)
        return found


def read_part_of(
    samples: Path, vectors: Path | None, scenes: Ranges, pictures: Ranges, journal: Path | None
) -> Part:
    """The samples of one part, with what is known of them."""
    rows = read_part(samples, Sample)
    ids = {scene for row in rows for scene in row.provenance.scenes} if scenes.parts else set()
    uris = {image.uri for row in rows for image in row.images} if pictures.parts else set()
    replies = None
    if journal is not None:
        from vlit.teacher.journal import JournalView

        replies = JournalView(journal)
    return Part(
        rows,
        {scene.id: scene for scene in scenes.read(ids, Scene)},
        None if vectors is None else read_sentences([vectors]),
        Pictures(pictures.read(uris, Picture)),
        replies,
    )


def whole(run: RunFolder) -> Seen:
    """The whole set of a run as it was observed."""
    texts = [path for path in run.embeddings.parts() if not part_key(path).startswith(PHOTOS)]
    return Seen(
        len(run.samples),
        partial(read_sentences, texts) if texts else None,
        lambda: Pictures(run.pictures),
        run.scenes,
        partial(read_rows, texts) if texts else None,
    )
