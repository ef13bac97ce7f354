"""What comes in: rows that can be compared, each distinct one once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
I32: TypeAlias = npt.NDArray[np.int32]
I64: TypeAlias = npt.NDArray[np.int64]
Places: TypeAlias = npt.NDArray[np.integer[Any]]

ROWS = 4096  # rows worked on together: 6 MB of float32 at 384 columns


def blocks(n: int, size: int = ROWS) -> Iterator[slice]:
    """Slices that cover n rows."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def matrix(vectors: npt.ArrayLike) -> Array:
    """The vectors as they are where they are float16, float32 or float64 (also on disk), else as float64.

    Raises:
        ValueError: Not two-dimensional, or not numbers.
    """
    given = vectors if isinstance(vectors, np.ndarray) else np.asarray(vectors)
    if given.ndim != 2 or not given.shape[1] or given.dtype.kind not in "fiub":
        raise ValueError(
            f"vectors have to be numbers of shape (n, d), not {given.dtype} of shape {given.shape}"
        )
    if given.dtype not in (np.float16, np.float32, np.float64):
        given = given.astype(np.float64)
    return np.ascontiguousarray(given)


def squares(vectors: Array) -> F64:
    """Squared norms of all rows.

    Raises:
        ValueError: Rows with NaN, infinity or numbers beyond 1e150, told by number.
    """
    sizes = np.empty(len(vectors))
    with np.errstate(over="ignore", invalid="ignore"):
        for part in blocks(len(vectors)):
            wide = vectors[part].astype(np.float64)
            sizes[part] = np.einsum("ij,ij->i", wide, wide)
    bad = np.flatnonzero(~(sizes < 1e300))
    if len(bad):
        shown = ", ".join(map(str, bad[:10])) + (" ..." if len(bad) > 10 else "")
        raise ValueError(f"{len(bad)} rows hold NaN, infinity or numbers beyond 1e150: rows {shown}")
    return sizes


def compiled_view(vectors: Array) -> Array:
    """The vectors for compiled loops, which know float16 only as bits."""
    return vectors.view(np.uint16) if vectors.dtype == np.float16 else vectors


@dataclass(frozen=True)
class Distinct:
    """Rows that differ: equal ones are one point, which weighs what they weigh together."""

    first: I64  #: shape (points,): the first row of each point, ascending
    point: I32  #: shape (n,): the point of each row

    def __len__(self) -> int:
        return len(self.first)


def distinct(vectors: Array) -> Distinct:
    """Find rows that are equal bit by bit; those of one group need not be neighbours."""
    from vlit.assess.clustering import scans

    n, width = len(vectors), vectors.shape[1] * vectors.itemsize
    word = next(size for size in (8, 4, 2) if width % size == 0)
    words = vectors.view(f"u{word}")
    keys = scans.hashes(words)
    first = scans.first_equal(words, np.argsort(keys, kind="stable"), keys)
    kept = np.flatnonzero(first == np.arange(n))
    number = np.empty(n, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    return Distinct(kept, number[first])
