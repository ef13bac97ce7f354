"""Whom the photos of the page are from, and under which licence."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlit.run.folder import RunFolder


class Credit(NamedTuple):
    """Of one photo; what is not known is empty."""

    file: str  #: name without folders
    attribution: str
    licence: str


def credits(run: RunFolder, photos: Collection[str]) -> tuple[Credit, ...]:
    """The credits of photos of which any is known, in the order of the scenes.

    Args:
        run: Whose scenes tell them.
        photos: URIs of all photos that the page shows, whichever part of it does.
    """
    wanted = pa.array(sorted(photos), pa.string())
    found: dict[str, Credit] = {}
    for path in run.scenes.parts() if photos else ():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(16_384, columns=["image", "attribution", "licence"]):
                uris = pc.struct_field(batch["image"], "uri")
                mine = pc.is_in(uris, wanted)
                columns = (uris, batch["attribution"], batch["licence"])
                for uri, attribution, licence in zip(
                    *(c.filter(mine).to_pylist() for c in columns), strict=True
                ):
                    if attribution or licence:
                        file_name = uri.rpartition("/")[2]
                        found.setdefault(uri, Credit(file_name, attribution or "", licence or ""))
    return tuple(found.values())
