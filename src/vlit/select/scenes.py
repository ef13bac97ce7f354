"""What is known of all scenes without their pixels, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.seeds import draw
from vlit.select.pool import Columns, Space
from vlit.select.quotas import Ints
from vlit.select.reading import F32, Numbered, picture_vectors

#: Annotations whose numbers are known.
_COUNTED = ("captions", "objects", "regions", "relations", "texts", "questions")


@dataclass(frozen=True)
class SceneSet:
    """All scenes, in their order."""

    columns: Columns
    names: Sequence[pa.Array]  #: ids, part by part
    shorter: npt.NDArray[np.int64]  #: pixels of the shorter side
    sha256: Sequence[pa.Array]  #: of the file, null where it was not opened
    counts: dict[str, npt.NDArray[np.int64]]  #: annotations of each kind
    labels: list[str]  #: of all objects
    starts: Ints  #: where the labels of each scene start in ``items``, and the end
    items: npt.NDArray[np.int32]  #: labels of a scene, each once

    def __len__(self) -> int:
        return len(self.columns)

    def ids(self) -> Iterator[str]:
        """All ids."""
        for part in self.names:
            yield from part.to_pylist()

    def copies(self, places: Ints) -> Iterator[tuple[int, str]]:
        """Those of some scenes whose file equals that of one with a lower draw: place, and id of the other."""
        ids, hashes = list(self.ids()), [sha for part in self.sha256 for sha in part.to_pylist()]
        first: dict[str, int] = {}
        for place in places[np.argsort(self.columns.draws[places], kind="stable")].tolist():
            if hashes[place] is not None and (other := first.setdefault(hashes[place], place)) != place:
                yield place, ids[other]


class _Photos:
    """Vectors of the photos of scenes."""

    def __init__(self, uris: Sequence[pa.Array], pictures: Sequence[Path]) -> None:
        self._uris, self._pictures = uris, pictures

    def vectors(self, space: Space, rows: Ints) -> F32:
        """See :class:`vlit.select.pool.Source`."""
        known, vectors = picture_vectors(self._pictures, "choose")
        at = pc.index_in(pa.chunked_array(self._uris, pa.string()), pa.array(known, pa.string()))
        places = at.fill_null(-1).to_numpy()[rows]
        found = np.zeros((len(rows), vectors.shape[1]), np.float32)
        found[places >= 0] = vectors[places[places >= 0]]
        return found

    def texts(self, rows: Ints) -> Iterator[tuple[str, str]]:
        """Scenes have no instructions yet."""
        return iter(())


def read_scenes(parts: Sequence[Path], pictures: Sequence[Path], seed: int) -> SceneSet:
    """Columns of the scenes in these parts.

    Args:
        parts: Of the scenes.
        pictures: Parts that tell what was seen of their photos.
        seed: Of the run.
    """
    names, uris, hashes, shorter = [], [], [], []
    counts: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in _COUNTED}
    sources, labels = Numbered(), Numbered()
    lengths, items = [np.zeros(1, np.int64)], []
    for path in parts:
        table = pq.read_table(path, columns=["id", "image", "source", *_COUNTED])
        names.append(table["id"].combine_chunks())
        image = table["image"].combine_chunks()
        uris.append(pc.struct_field(image, "uri"))
        hashes.append(pc.struct_field(image, "sha256"))
        sides = [pc.struct_field(image, side).to_numpy(zero_copy_only=False) for side in ("width", "height")]
        shorter.append(np.minimum(*sides))
        sources.add(table["source"])
        for name in _COUNTED:
            counts[name].append(
                pc.list_value_length(table[name].combine_chunks()).to_numpy(zero_copy_only=False)
            )
        found, number = _distinct_labels(table["objects"].combine_chunks(), labels)
        items.append(found)
        lengths.append(number)
    ids = [name for part in names for name in part.to_pylist()]
    draws = np.array([draw(seed, "choose", name) for name in ids], np.uint64)
    return SceneSet(
        Columns(draws, groups={"source": sources.groups()}, source=_Photos(uris, pictures)),
        names,
        np.concatenate(shorter) if shorter else np.zeros(0, np.int64),
        hashes,
        {name: np.concatenate(n) if n else np.zeros(0, np.int64) for name, n in counts.items()},
        list(labels.names),
        np.cumsum(np.concatenate(lengths)),
        np.concatenate(items) if items else np.zeros(0, np.int32),
    )


def _distinct_labels(
    objects: pa.Array, labels: Numbered
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Each label of each scene once, in the order of their numbers, and how many each scene has."""
    count = pc.list_value_length(objects).to_numpy(zero_copy_only=False)
    scene = np.repeat(np.arange(len(count)), count)
    codes = labels.codes_of(pc.struct_field(objects.flatten(), "label")).astype(np.int64)
    pairs = np.unique(np.stack([scene, codes], axis=1), axis=0) if len(codes) else np.zeros((0, 2), np.int64)
    return pairs[:, 1].astype(np.int32), np.bincount(pairs[:, 0], minlength=len(count)).astype(np.int64)
