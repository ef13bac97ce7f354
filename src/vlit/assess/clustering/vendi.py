"""Vendi score: how many different things a set holds, without a parameter.

Friedman and Dieng, *The Vendi Score: A Diversity Evaluation Metric for Machine Learning*, TMLR 2023. With the
cosine kernel it is exp(-sum l ln l) over the eigenvalues l of X'X / n, rows of unit length: n for n rows at
right angles, 1 for equal rows, and at most the number of columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.dbscan import checked_weights
from vlit.assess.clustering.rows import blocks, matrix, squares


@dataclass(frozen=True)
class Vendi:
    """The score, and how many rows it is of: it grows with them."""

    score: float | None  #: from 1 to min(n, d); None where no row has a direction
    n: int  #: rows with a direction and a weight
    left_out: int  #: zero rows, and rows of weight 0


def vendi_score(vectors: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> Vendi:
    """Measure the diversity of rows by the angles between them.

    Args:
        vectors: Shape (n, d), float16, float32 or float64, in memory or a memory map; read twice, in order.
            Rows need no unit length. A zero row has no direction and is left out.
        weights: Shape (n,), not negative; a row of weight 2 counts as two equal rows.

    Returns:
        The score. Takes O(n d^2) time and O(d^2) memory.

    Raises:
        ValueError: Rows that hold NaN or infinity, told by number; weights that are negative or no numbers.
    """
    given = matrix(vectors)
    weighed = checked_weights(weights, len(given))
    if weighed is not None and (weighed < 0).any():
        raise ValueError("weights below 0 have no meaning here")
    length = np.sqrt(squares(given))
    mass = (length > 0) * (np.ones(len(given)) if weighed is None else weighed)
    n, total = int(np.count_nonzero(mass)), float(mass.sum())
    if not n:
        return Vendi(None, 0, len(given))
    d = given.shape[1]
    kernel = np.zeros((d, d))
    factor = np.sqrt(mass / total) / np.where(length > 0, length, 1)
    for part in blocks(len(given)):
        rows = given[part].astype(np.float64) * factor[part, None]
        kernel += rows.T @ rows
    values = np.linalg.eigvalsh(kernel)
    values = values[values > 0]
    # rounded: the last digits depend on how many threads share the sums
    return Vendi(round(math.exp(-float(np.sum(values * np.log(values)))), 6), n, len(given) - n)
