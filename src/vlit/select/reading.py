"""Columns of a whole set: from the tables of a run, part by part, or from samples in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.errors import VlitError
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.score import Score
from vlit.data.seeds import draw
from vlit.select.pool import NONE, PLAIN_GROUPS, Columns, Groups, Space, Wanted
from vlit.select.quotas import Ints

F32 = npt.NDArray[np.float32]

#: Where the plain groups stand in the table of samples.
_STANDS = {"task": "task", "source": "provenance.source", "paradigm": "paradigm"}


class Numbered:
    """Names as numbers, in the order in which they come up."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._codes: list[npt.NDArray[np.int32]] = []

    def add(self, column: pa.ChunkedArray | pa.Array) -> None:
        """The names of one part; null for none."""
        self._codes.append(self.codes_of(column))

    def codes_of(self, column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int32]:
        """Numbers of names, new ones where they are new."""
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        found = pc.dictionary_encode(column)
        mine = [self.names.setdefault(name, len(self.names)) for name in found.dictionary.to_pylist()]
        places = found.indices.fill_null(len(mine)).to_numpy(zero_copy_only=False)
        codes: npt.NDArray[np.int32] = np.array([*mine, NONE], np.int32)[places]
        return codes

    def put(self, codes: npt.NDArray[np.int32]) -> None:
        """Numbers of one part."""
        self._codes.append(codes)

    def groups(self) -> Groups:
        """All parts."""
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, np.int32)
        return Groups(codes, list(self.names))


def read_columns(parts: Sequence[tuple[Path, Path | None]], wanted: Wanted, seed: int, source: Any) -> Columns:
    """Columns of the samples in these parts, each with the part that holds their scores.

    Args:
        parts: Of the samples, and of the scores of the same samples where there are any.
        wanted: What to read; tasks are always read.
        seed: Of the run.
        source: Gives vectors and texts.
    """
    plain = [name for name in PLAIN_GROUPS if name == "task" or name in wanted.groups]
    grouped = {name: Numbered() for name in [*plain, *sorted(wanted.groups - set(PLAIN_GROUPS))]}
    values: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in sorted(wanted.values)}
    draws = array("Q")
    for path, scores in parts:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["id", *(_STANDS[name] for name in plain)])
        ids = table["id"].combine_chunks()
        draws.extend(draw(seed, "select", name) for name in ids.to_pylist())
        for name in plain:
            head, _, field = _STANDS[name].partition(".")
            column = table[head].combine_chunks()
            grouped[name].add(pc.struct_field(column, field) if field else column)
        _read_scores(ids, scores, wanted, values, grouped)
    return Columns(
        np.frombuffer(draws, np.uint64),
        {name: np.concatenate(found) if found else np.zeros(0) for name, found in values.items()},
        {name: found.groups() for name, found in grouped.items()},
        source,
    )


def _read_scores(
    ids: pa.Array,
    path: Path | None,
    wanted: Wanted,
    values: Mapping[str, list[npt.NDArray[np.float64]]],
    grouped: Mapping[str, Numbered],
) -> None:
    """Add the wanted values and groups of one part, in the order of its samples."""
    indicators = sorted(wanted.indicators)
    table = None
    if path is not None and indicators:
        columns = ["sample", "indicator", "value", "group"]
        table = pq.read_table(path, columns=columns, filters=[("indicator", "in", indicators)])
    for name in indicators:
        rows = None if table is None else table.filter(pc.equal(table["indicator"], name))
        place = None if rows is None else pc.index_in(rows["sample"], ids).to_numpy()
        if name in values:
            found = np.full(len(ids), np.nan)
            if rows is not None and place is not None:
                there = ~np.isnan(place) if place.dtype.kind == "f" else np.ones(len(place), bool)
                found[place[there].astype(np.int64)] = rows["value"].to_numpy()[there]
            values[name].append(found)
        if name in grouped:
            codes = np.full(len(ids), NONE, np.int32)
            if rows is not None and place is not None:
                there = ~np.isnan(place) if place.dtype.kind == "f" else np.ones(len(place), bool)
                codes[place[there].astype(np.int64)] = grouped[name].codes_of(rows["group"])[there]
            grouped[name].put(codes)


def columns_of(
    samples: Sequence[Sample],
    scores: Mapping[str, Mapping[str, Score]],
    wanted: Wanted,
    seed: int,
    vectors: Mapping[Space, F32] | None = None,
) -> Columns:
    """Columns of samples in memory.

    Args:
        samples: The whole set.
        scores: By sample id, then by indicator.
        wanted: What to read.
        seed: Of the run.
        vectors: By what they are of, shape (n, d); for methods that measure distances.
    """
    named = {
        "task": [s.task for s in samples],
        "source": [s.provenance.source for s in samples],
        "paradigm": [s.paradigm for s in samples],
    }
    for name in sorted(wanted.groups - set(PLAIN_GROUPS)):
        found = [scores.get(s.id, {}).get(name) for s in samples]
        named[name] = [None if score is None else score.group for score in found]
    groups = {}
    for name, column in named.items():
        numbered = Numbered()
        numbered.add(pa.array(column, pa.string()))
        groups[name] = numbered.groups()
    return Columns(
        np.array([draw(seed, "select", s.id) for s in samples], np.uint64),
        {
            name: np.array([_value(scores, s.id, name) for s in samples], float)
            for name in sorted(wanted.values)
        },
        groups,
        MemorySource(samples, vectors or {}),
    )


def _value(scores: Mapping[str, Mapping[str, Score]], sample: str, indicator: str) -> float:
    score = scores.get(sample, {}).get(indicator)
    return np.nan if score is None or score.value is None else score.value


class MemorySource:
    """Vectors and texts of samples in memory."""

    def __init__(self, samples: Sequence[Sample], vectors: Mapping[Space, F32]) -> None:
        self._samples, self._vectors = samples, vectors

    def vectors(self, space: Space, rows: Ints) -> F32:
        """See :class:`vlit.select.pool.Source`."""
        if space not in self._vectors:
            raise VlitError(f"nothing tells the vectors of {space}s", todo="run a recipe with `observe:`")
        return self._vectors[space][rows].astype(np.float32)

    def texts(self, rows: Ints) -> Iterator[tuple[str, str]]:
        """See :class:`vlit.select.pool.Source`."""
        for row in rows.tolist():
            sample = self._samples[row]
            yield sample.text_of("user"), sample.text_of("assistant")


class RunSource:
    """Vectors and texts from the tables of a run.

    Args:
        samples: Parts of the samples, in order. embeddings: Part of the embeddings of the same samples, for
        each of them; empty where nothing was embedded. pictures: Parts of the photos that were looked at, in
        any order.
    """

    def __init__(self, samples: Sequence[Path], embeddings: Sequence[Path], pictures: Sequence[Path]) -> None:
        self._samples, self._embeddings, self._pictures = samples, embeddings, pictures

    def vectors(self, space: Space, rows: Ints) -> F32:
        """See :class:`vlit.select.pool.Source`."""
        return self._of_pictures(rows) if space == "picture" else self._of_texts(space, rows)

    def _of_texts(self, space: Space, rows: Ints) -> F32:
        if not self._embeddings:
            raise VlitError(
                f"the {space}s were not embedded, so nothing tells how far they are apart",
                where="select.keep",
                todo="let the recipe embed texts: `observe: {sentences: static}`",
            )
        found: F32 | None = None
        for path, start, places in self._wanted(self._embeddings, rows):
            part = binary_rows(pq.read_table(path, columns=[space])[space])
            if found is None:
                found = np.zeros((len(rows), part.shape[1]), np.float32)
            found[start : start + len(places)] = part[places]
        return np.zeros((len(rows), 0), np.float32) if found is None else found

    def _of_pictures(self, rows: Ints) -> F32:
        uris, vectors = picture_vectors(self._pictures, "select.keep")
        found = np.zeros((len(rows), vectors.shape[1]), np.float32)
        known = pa.array(uris, pa.string())
        for path, start, places in self._wanted(self._samples, rows):
            images = pq.read_table(path, columns=["images"])["images"].combine_chunks().take(pa.array(places))
            first = pc.list_element(images.filter(pc.greater(pc.list_value_length(images), 0)), 0)
            with_image = np.flatnonzero(pc.list_value_length(images).to_numpy(zero_copy_only=False) > 0)
            at = pc.index_in(pc.struct_field(first, "uri"), known)
            there = at.is_valid().to_numpy(zero_copy_only=False)
            found[start + with_image[there]] = vectors[at.drop_null().to_numpy(zero_copy_only=False)]
        return found

    def texts(self, rows: Ints) -> Iterator[tuple[str, str]]:
        """See :class:`vlit.select.pool.Source`."""
        for path, _, places in self._wanted(self._samples, rows):
            turns = pq.read_table(path, columns=["turns"])["turns"].combine_chunks().take(pa.array(places))
            for said in turns.to_pylist():
                yield _said(said, "user"), _said(said, "assistant")

    def _wanted(self, parts: Sequence[Path], rows: Ints) -> Iterator[tuple[Path, int, Ints]]:
        """Parts that hold wanted rows: how many wanted ones come before, and the places within the part."""
        begin = 0
        for path in parts:
            end = begin + pq.read_metadata(path).num_rows
            low, high = np.searchsorted(rows, [begin, end])
            if high > low:
                yield path, int(low), rows[low:high] - begin
            begin = end


def picture_vectors(parts: Iterable[Path], where: str) -> tuple[list[str], F32]:
    """URIs and vectors of photos: of a vision model where one looked at all, else colours and gradients.

    Args:
        parts: Of the pictures.
        where: The key of the recipe that asks for them.

    Raises:
        VlitError: When no photo was looked at.
    """
    tables = [pq.read_table(path, columns=["uri", "descriptor", "vector"]) for path in parts]
    whole: Any = pa.concat_tables(tables) if tables else None
    for name in ("vector", "descriptor") if tables else ():
        there = whole.filter(pc.greater(pc.binary_length(whole[name]), 0))
        opened = pc.sum(pc.greater(pc.binary_length(whole["descriptor"]), 0)).as_py()
        if len(there) and (name == "descriptor" or len(there) == opened):
            return there["uri"].to_pylist(), binary_rows(there[name])
    raise VlitError(
        "no photo was looked at, so nothing tells how far they are apart",
        where=where,
        todo="let the recipe look at photos (`observe: {pictures: true}`), and see whether they can be opened",
    )


def binary_rows(column: pa.ChunkedArray) -> F32:
    """Equally long binary values, float16 in little-endian order, as rows of float32."""
    pieces = []
    for chunk in column.chunks:
        if len(chunk):
            offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            data = memoryview(chunk.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
            pieces.append(np.frombuffer(data, "<f2").reshape(len(chunk), -1))
    if not pieces:
        return np.zeros((0, 0), np.float32)
    return np.concatenate(pieces).astype(np.float32)


def _said(turns: Sequence[Mapping[str, str]], role: str) -> str:
    return "\n".join(strip_image_tokens(turn["text"]) for turn in turns if turn["role"] == role)
