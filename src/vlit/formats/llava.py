"""LLaVA JSON: one array of ``{"id", "image", "conversations": [{"from", "value"}]}``.

The key ``vlit`` carries what LLaVA has no place for (task, boxes, provenance), so that a file reads back as
equal samples. LLaVA's own loader does not look at it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.schema import schema_of
from vlit.data.store import atomic
from vlit.formats.format import Format
from vlit.formats.image_root import as_root, common_root, relative
from vlit.formats.json_column import joined_lists, json_column, json_lists, json_objects, json_strings
from vlit.formats.llava_read import read_llava

__all__ = ["LLAVA", "read_llava", "write_llava"]

#: Our role to LLaVA's, as JSON text.
_ROLES = pa.array(["user", "assistant", "system"])
_FROM = pa.array(['"human"', '"gpt"', '"system"'])

#: Rows that are encoded at once. Two to three batches are in memory at a time.
BATCH = 8_192


def write_llava(
    parts: Sequence[Path],
    path: Path,
    *,
    image_root: str | None = None,
    metadata: bool = True,
    threads: int | None = None,
) -> int:
    """Write a samples table as one LLaVA JSON file, one record a line, in memory that does not grow with it.

    Args:
        parts: Parquet parts of samples, in order.
        path: The file to write; it is there whole or not at all.
        image_root: Folder that the images' paths are relative to; by default the deepest that holds them all.
        metadata: Add the key ``vlit``, with which :func:`read_llava` gives equal samples back. Without it, ids,
            images and turns come back.
        threads: Batches that are encoded at the same time; by default one per core, four at most.

    Returns:
        How many samples were written.

    Raises:
        VlitError: When an image lies outside ``image_root``, or the file cannot be written.
    """
    root = common_root(parts) if image_root is None else as_root(image_root)
    count = 0

    def encode(part: Path, group: int) -> list[tuple[int, bytes]]:
        with pq.ParquetFile(part) as file:
            batches = file.iter_batches(BATCH, row_groups=[group], use_threads=False)
            return [(len(b), _lines(b, root, metadata)) for b in batches if len(b)]

    with atomic(path) as temporary, temporary.open("wb") as out:
        opening = b"[\n"
        jobs = ((part, group) for part in parts for group in range(_row_groups(part)))
        for batches in _in_order(encode, jobs, threads or min(4, os.cpu_count() or 1)):
            for rows, lines in batches:
                out.write(opening)
                out.write(lines)
                opening, count = b",\n", count + rows
        out.write(b"\n]\n" if count else b"[]\n")
    return count


def llava_records(batch: pa.RecordBatch | pa.Table, root: str, metadata: bool = True) -> pa.StringArray:
    """The JSON text of each record of a batch of samples; ``root`` is cut off the images' paths."""
    turns, images = _column(batch, "turns"), _column(batch, "images")
    turn = turns.flatten()
    speaker = pc.take(_FROM, pc.index_in(turn.field("role"), _ROLES))
    value = json_strings(turn.field("text"))
    picture = images.flatten()
    paths = json_strings(relative(picture.field("uri"), root))
    fields = {
        "id": json_strings(_column(batch, "id")),
        "image": _image(images, paths),
        "conversations": json_lists(turns, json_objects({"from": speaker, "value": value})),
    }
    if metadata:
        found = {
            f.name: json_column(c)
            for f, c in zip(picture.type, picture.flatten(), strict=True)
            if f.name != "uri"
        }
        rest = {"images": json_lists(images, json_objects(found))}
        others = [n for n in batch.schema.names if n not in ("id", "turns", "images")]
        rest |= {name: json_column(_column(batch, name)) for name in others}
        fields["vlit"] = json_objects(rest)
    return json_objects(fields)


def _image(images: pa.ListArray, paths: pa.StringArray) -> pa.StringArray:
    """No key for a text-only sample, a string for one image, a list for several."""
    count = pc.list_value_length(images)
    joined = joined_lists(images, paths)
    if pc.all(pc.equal(count, 1), min_count=0).as_py():
        return joined
    several = pc.binary_join_element_wise("[", joined, "]", "")
    none = pa.scalar(None, pa.string())
    return pc.if_else(pc.equal(count, 1), joined, pc.if_else(pc.equal(count, 0), none, several))


def _lines(batch: pa.RecordBatch, root: str, metadata: bool) -> bytes:
    records = llava_records(batch, root, metadata)
    lines = pa.ListArray.from_arrays(pa.array([0, len(records)], pa.int32()), records)
    return pc.binary_join(lines, ",\n")[0].as_buffer()  # type: ignore[no-any-return]


def _column(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    column = batch.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _row_groups(part: Path) -> int:
    with pq.ParquetFile(part) as file:
        if not file.schema_arrow.equals(schema_of(Sample)):
            raise VlitError(
                "this part does not hold samples of this version of vlit",
                where=str(part),
                todo="run the stages before again: they make it anew",
            )
        return int(file.num_row_groups)


def _in_order(
    encode: Callable[[Path, int], list[tuple[int, bytes]]], jobs: Iterator[tuple[Path, int]], threads: int
) -> Iterator[list[tuple[int, bytes]]]:
    """Results in the order of the jobs, with at most ``threads`` of them under way or waiting."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[list[tuple[int, bytes]]]] = deque()
        for job in jobs:
            if len(waiting) == threads:
                yield waiting.popleft().result()
            waiting.append(pool.submit(encode, *job))
        while waiting:
            yield waiting.popleft().result()


LLAVA = Format(name="llava", suffix=".json", write=write_llava, read=read_llava)
