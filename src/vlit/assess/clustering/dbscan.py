"""DBSCAN, exactly: the labels of scikit-learn, many times faster on long vectors.

Ester et al., *A density-based algorithm for discovering clusters*, KDD 1996. All pairs are compared by blocks
of products (``filters``), what passes is verified in float64, and neighbours go straight into union-find
(``clusters``).

Two rows are neighbours when the sum of their squared differences, in float64 over the numbers as given, is at
most ``eps * eps``. scikit-learn's ``DBSCAN(metric="euclidean", algorithm="brute")`` compares |x|^2 + |y|^2 - 2
x.y in float64 with the same number, so both agree except for pairs within some 1e-15 of eps, of which its own
answer depends on the order of its sums. Where numbers are short enough to be exact (a grid) both are exact. Its
``metric="cosine"`` works in the precision of its input, 1e-7 for float32: with normalised rows and
``euclidean_from_cosine`` labels are the same up to that.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.clusters import Clustering, Growth, Scanner, Stretch
from vlit.assess.clustering.engines import engine_for
from vlit.assess.clustering.filters import SAMPLE, Filter, frame_for
from vlit.assess.clustering.rows import F64, I32, blocks, compiled_view, distinct, matrix, squares

__all__ = ["Clustering", "cosine_from_euclidean", "dbscan", "euclidean_from_cosine"]

SMALL = 10_000
GROUP = 1024  # sampled rows of which all pairs are looked at


def euclidean_from_cosine(distance: float) -> float:
    """The Euclidean distance of unit vectors at a cosine distance: sqrt(2 (1 - cos)).

    >>> round(euclidean_from_cosine(0.3), 6)  # cos = 0.7
    0.774597
    """
    return math.sqrt(2 * distance)


def cosine_from_euclidean(distance: float) -> float:
    """The cosine distance of unit vectors at a Euclidean distance."""
    return distance * distance / 2


def dbscan(
    vectors: npt.ArrayLike,
    *,
    eps: float,
    min_points: int,
    weights: npt.ArrayLike | None = None,
    device: str = "auto",
    block: int = 512,
) -> Clustering:
    """Cluster rows by density, exactly.

    Args:
        vectors: Shape (n, d), float16, float32 or float64, in memory or a memory map. Rows need no unit length;
            a zero row is a row like others.
        eps: Euclidean distance up to which two rows are neighbours; ``euclidean_from_cosine`` converts.
        min_points: Weight within eps of a row, its own included, that makes it a core point.
        weights: Shape (n,), 1 each where left out; fractions, zeros and negative ones mean what
            ``sample_weight`` means to scikit-learn. Weights under 1 take a second pass over the pairs.
        device: ``auto``, ``numpy``, or a device of torch. Changes the speed alone.
        block: Rows of a block of products; it has eight times as many columns. Changes speed and memory alone.

    Returns:
        Labels. A border point goes to the lowest-numbered cluster beside it, as in scikit-learn. Time grows
        with n^2 d; memory is that of the vectors with at most 2 (d + 30) bytes a row and some 100 MB.

    Raises:
        ValueError: Rows that hold NaN or infinity, told by number; a radius, weight or shape that makes no
            sense.
    """
    given = matrix(vectors)
    checked_parameters(eps, min_points)
    weighed = checked_weights(weights, len(given))
    largest = float(squares(given).max(initial=0.0))
    points = distinct(given)
    growth = Growth(points, weighed, min_points)
    if len(points):
        if device == "auto" and len(points) <= SMALL and "torch" not in sys.modules:
            device = "numpy"  # to import torch would take longer
        engine = engine_for(device)
        sample = np.linspace(0, len(points) - 1, min(SAMPLE, len(points))).astype(np.int64)
        group = np.linspace(0, len(sample) - 1, min(GROUP, len(sample))).astype(np.int64)
        chosen = given[points.first[sample]]
        frame = frame_for(chosen, [group], math.sqrt(largest), eps, engine, rows=len(points))
        # rows of like norm side by side: one bound then fits a whole block, and blocks too far apart are left
        # out
        near_norm = np.round(frame.norms(given, points.first), 2)
        order = np.argsort(near_norm, kind="stable").astype(np.int32)
        sieve = Filter.of(engine, given, points.first[order], frame, eps)
        scanner = Scanner(growth, sieve, compiled_view(given), points.first, eps)
        for _ in growth.passes():
            scanner.run(_all_pairs(order, block))
    return growth.finish(eps, "exact")


def _all_pairs(order: I32, block: int) -> Iterator[Stretch]:
    """Stretches that hold every pair of points once."""
    for left in blocks(len(order), block):
        for start in range(left.start, len(order), 8 * block):
            right = slice(start, min(start + 8 * block, len(order)))
            yield Stretch(left, right, order[left], order[right], left.start - start + 1)


def checked_parameters(eps: float, min_points: int) -> None:
    """Refuse what makes no sense.

    Raises:
        ValueError: ``eps`` that is not above 0, ``min_points`` that is not a whole number from 1 on.
    """
    if not 0 < eps < math.inf:
        raise ValueError(f"eps has to be a number above 0, not {eps}")
    if min_points < 1 or min_points != int(min_points):
        raise ValueError(f"min_points has to be a whole number from 1 on, not {min_points}")


def checked_weights(weights: npt.ArrayLike | None, n: int) -> F64 | None:
    """The weights as float64.

    Raises:
        ValueError: Not one finite number for each row.
    """
    if weights is None:
        return None
    given = np.asarray(weights, np.float64)
    if given.shape != (n,) or not np.isfinite(given).all():
        raise ValueError(f"weights have to be {n} finite numbers, one for each row")
    return given
