"""Where training gets its examples: in memory, or from the table that encoding wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlit.data.encoded import Encoded, Split
from vlit.data.schema import from_table, schema_of
from vlit.tune.example import Example, Ids

_INT32 = np.dtype("<i4")


class Source:
    """Examples of one stage and split, in a fixed order.

    Held as Arrow columns, about 8 bytes a token: a million samples of 600 tokens take 5 GB.

    Args:
        table: Rows of ``Encoded``.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        self.lengths: NDArray[np.int64] = table["length"].to_numpy()  #: tokens of each, images counted
        self.trained: NDArray[np.int64] = table["trained"].to_numpy()  #: label tokens of each

    @classmethod
    def of(cls, examples: Iterable[Example]) -> Source:
        """Examples that are in memory."""
        rows = [to_row(example, "", "train") for example in examples]
        from vlit.data.schema import to_table

        return cls(to_table(rows, Encoded))

    @classmethod
    def read(cls, parts: Sequence[Path], stage: str, split: Split) -> Source:
        """The examples of a stage and split, from the parts of the table ``examples``."""
        own = [("stage", "==", stage), ("split", "==", split)]
        tables = [pq.read_table(path, filters=own, schema=schema_of(Encoded)) for path in parts]
        return cls(pa.concat_tables(tables) if tables else schema_of(Encoded).empty_table())

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index: int) -> Example:
        (row,) = from_table(self._table.slice(index, 1), Encoded)
        return from_row(row)

    def __iter__(self) -> Iterator[Example]:
        return (self[i] for i in range(len(self)))

    @property
    def images(self) -> int:
        """Images of all examples; one that several show counts for each."""
        return int(pc.sum(pc.list_value_length(self._table["images"])).as_py() or 0)

    def task(self, index: int) -> str:
        """The task of the sample that an example is of."""
        found: str = self._table["task"][index].as_py()
        return found

    def digest(self) -> str:
        """Equal for equal examples in equal order: a run must not go on with other data.

        Photos count by what is in them where that is known, else by where they are: the text of a sample whose
        photo has been corrected is the same.
        """
        found = hashlib.blake2b(digest_size=16)
        for column in ("id", "ids", "labels", "instruction"):
            for value in self._table[column]:
                found.update(value.as_buffer())
                found.update(b"\x00")
        photos = pc.list_flatten(self._table["images"])
        names = pc.coalesce(pc.struct_field(photos, "sha256"), pc.struct_field(photos, "uri"))
        counts = pc.list_value_length(self._table["images"])
        found.update(repr((counts.to_pylist(), names.to_pylist())).encode())
        return found.hexdigest()


def to_row(example: Example, stage: str, split: Split, task: str = "unknown") -> Encoded:
    """An example as a row of the table."""
    return Encoded(
        id=example.id,
        stage=stage,
        split=split,
        task=task,
        length=len(example.ids),
        trained=example.trained,
        ids=example.ids.astype(_INT32).tobytes(),
        labels=example.labels.astype(_INT32).tobytes(),
        images=example.images,
        slots=tuple(place for slot in example.slots for place in slot),
        instruction=example.instruction,
        notes=example.notes,
    )


def from_row(row: Encoded) -> Example:
    """A row of the table as an example."""
    return Example(
        id=row.id,
        ids=_numbers(row.ids),
        labels=_numbers(row.labels),
        images=row.images,
        slots=tuple(zip(row.slots[::2], row.slots[1::2], strict=True)),
        instruction=row.instruction,
        notes=row.notes,
    )


def _numbers(raw: bytes) -> Ids:
    return np.frombuffer(raw, dtype=_INT32)
