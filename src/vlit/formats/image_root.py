"""Image paths in a training file are relative to a folder, which the trainer is told: find it, cut it off."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.data.errors import VlitError


def common_root(parts: Sequence[Path]) -> str:
    """The deepest folder that holds every image of a samples table.

    Returns:
        A folder with a slash at its end, or ``""`` where the images have none in common (local and remote).
    """
    # The common prefix of all strings is that of the first and the last in order, so two are enough to keep.
    ends: list[str] = []
    for uris in _uris(parts):
        if len(uris):
            low_high = pc.min_max(uris).as_py()
            ends = [min([low_high["min"], *ends]), max([low_high["max"], *ends])]
    prefix = os.path.commonprefix(ends)  # noqa: RUF071 (URLs too, so characters are meant)
    return prefix[: prefix.rfind("/") + 1]


def relative(uris: pa.StringArray, root: str) -> pa.StringArray:
    """URIs without the root.

    Raises:
        VlitError: When an image lies outside.
    """
    inside = pc.starts_with(uris, root)
    if not pc.all(inside, min_count=0).as_py():
        outside = uris.filter(pc.invert(inside))[0].as_py()
        raise VlitError(
            f"the image {outside!r} lies outside the image root",
            where=root,
            todo="name a folder that holds all images, or leave image_root out to take the deepest one",
        )
    return pc.utf8_slice_codeunits(uris, len(root)) if root else uris


def as_root(folder: str) -> str:
    """A folder as a prefix of the paths in it."""
    return folder if not folder or folder.endswith("/") else folder + "/"


def _uris(parts: Sequence[Path]) -> Iterator[pa.StringArray]:
    for path in parts:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["images.list.element.uri"], use_threads=False):
                yield batch.column("images").flatten().field("uri")
