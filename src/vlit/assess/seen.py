"""What was seen of a set before it is judged: vectors of its texts, and one look at each photo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vlit.data.errors import VlitError
from vlit.data.picture import Picture
from vlit.data.sample import Sample
from vlit.data.scene import Scene

if TYPE_CHECKING:
    from vlit.teacher.journal import JournalView

F16: TypeAlias = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Sentences:
    """Vectors of instructions and responses, (n, d) each; unit rows, zero where there is no text."""

    instructions: F16
    responses: F16
    encoder: str  #: name and parameters of what made them

    def __len__(self) -> int:
        return len(self.instructions)

    def rows(self, places: npt.ArrayLike) -> Sentences:
        """Some of the rows."""
        chosen = np.asarray(places)
        return Sentences(self.instructions[chosen], self.responses[chosen], self.encoder)


class Pictures(Mapping[str, Picture]):
    """What was seen of photos, by URI, in the order of the URIs."""

    def __init__(self, rows: Iterable[Picture] = ()) -> None:
        self._rows = {row.uri: row for row in sorted(rows, key=lambda row: row.uri)}

    def __getitem__(self, uri: str) -> Picture:
        return self._rows[uri]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def matrix(self, what: Literal["descriptor", "vector"]) -> tuple[list[str], F16]:
        """URIs of the photos that have such a vector, and the vectors, shape (m, d)."""
        found = [(uri, data) for uri, row in self._rows.items() if (data := getattr(row, what))]
        width = len(found[0][1]) if found else 0
        stacked = np.frombuffer(b"".join(data for _, data in found), "<f2").reshape(len(found), width // 2)
        return [uri for uri, _ in found], stacked


class Seen:
    """The whole set as it was observed. What nobody asks for is not read.

    Args:
        n: Samples of the set.
        sentences: Gives their vectors, in the order of the set.
        pictures: Gives every distinct photo.
        scenes: Annotations of its images, and perhaps of others.
        rows: Gives the vectors of some samples without holding those of all.
    """

    def __init__(
        self,
        n: int,
        sentences: Callable[[], Sentences] | None = None,
        pictures: Callable[[], Pictures] | None = None,
        scenes: Iterable[Scene] = (),
        rows: Callable[[npt.ArrayLike], Sentences] | None = None,
    ) -> None:
        self.n, self._sentences, self._pictures, self._rows = n, sentences, pictures, rows
        self.scenes = scenes  #: read anew, one by one, whenever somebody goes through them
        self._kept: dict[str, Sentences | Pictures] = {}

    @property
    def sentences(self) -> Sentences:
        """Vectors of all texts, ``n`` rows.

        Raises:
            VlitError: When the texts were not embedded.
        """
        if "sentences" not in self._kept:
            if self._sentences is None:
                raise VlitError("the texts were not embedded", todo="set observe.sentences to static")
            self._kept["sentences"] = self._sentences()
        found = self._kept["sentences"]
        assert isinstance(found, Sentences)
        return found

    def sentences_of(self, places: npt.ArrayLike) -> Sentences:
        """Vectors of the texts of some samples, by their places in the set: millions of rows take gigabytes.

        Raises:
            VlitError: When the texts were not embedded.
        """
        if self._rows is None or "sentences" in self._kept:
            return self.sentences.rows(places)
        return self._rows(places)

    @property
    def pictures(self) -> Pictures:
        """All photos; none where they were not looked at."""
        if "pictures" not in self._kept:
            self._kept["pictures"] = self._pictures() if self._pictures else Pictures()
        found = self._kept["pictures"]
        assert isinstance(found, Pictures)
        return found


@dataclass(frozen=True)
class Part:
    """Samples that are scored together, and what is known of them as far as the indicator needs it."""

    samples: Sequence[Sample]
    scenes: Mapping[str, Scene] = field(default_factory=dict)  #: by id
    sentences: Sentences | None = None  #: row i belongs to sample i
    pictures: Pictures = field(default_factory=Pictures)  #: photos of these samples
    replies: JournalView | None = None  #: of the teacher


def read_sentences(paths: Sequence[Path]) -> Sentences:
    """Vectors of all parts, in their order, read column by column into one array each."""
    counts = [pq.read_metadata(path).num_rows for path in paths]
    n, encoder = sum(counts), ""
    arrays: dict[str, F16] = {}
    for name in ("instruction", "response"):
        start = 0
        for path, count in zip(paths, counts, strict=True):
            if not count:
                continue
            table = pq.read_table(path, columns=[name, "encoder"])
            encoder = table["encoder"][0].as_py()
            rows = _vectors(table[name])
            if name not in arrays:
                arrays[name] = np.empty((n, rows.shape[1]), np.float16)
            arrays[name][start : start + count] = rows
            start += count
    nothing = np.zeros((0, 0), np.float16)
    return Sentences(arrays.get("instruction", nothing), arrays.get("response", nothing), encoder)


def read_rows(paths: Sequence[Path], places: npt.ArrayLike) -> Sentences:
    """Some of the vectors, part by part.

    Args:
        paths: Parts in their order.
        places: Places of rows among those of all parts, in any order.
    """
    wanted = np.asarray(places, np.int64)
    ends = np.cumsum([pq.read_metadata(path).num_rows for path in paths])
    of_part = np.searchsorted(ends, wanted, side="right")
    pieces, order = [], []
    for number in np.unique(of_part).tolist():
        here = np.flatnonzero(of_part == number)
        first = int(ends[number - 1]) if number else 0
        pieces.append(read_sentences([paths[number]]).rows(wanted[here] - first))
        order.append(here)
    if not pieces:
        return read_sentences(paths[:1]).rows(wanted)
    back = np.argsort(np.concatenate(order))
    instructions = np.concatenate([piece.instructions for piece in pieces])[back]
    responses = np.concatenate([piece.responses for piece in pieces])[back]
    return Sentences(instructions, responses, pieces[0].encoder)


def _vectors(column: pa.ChunkedArray) -> F16:
    """Equally long binary values as rows of float16, without a copy for each."""
    pieces = [
        np.frombuffer(_data(chunk), "<f2").reshape(len(chunk), -1) for chunk in column.chunks if len(chunk)
    ]
    return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]


def _data(chunk: pa.Array) -> memoryview:
    """The bytes of the values of a binary array."""
    offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return memoryview(chunk.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
