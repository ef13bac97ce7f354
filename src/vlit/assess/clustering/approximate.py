"""DBSCAN for millions of rows: each is compared with those of the cells around it, not with all.

Centres are found by spherical k-means on a sample. A row is at home in the cell of the nearest centre and
visits the ``probes`` - 1 next ones, where it is compared with who is at home. Every pair of neighbours that is
found is verified as in the exact form, so that what is reported is true; some pairs are not found. So clusters
can come apart, and rows at their rims can be lost, but no two clusters are joined that are not. Pairs go
straight into union-find.

The cells are made for rows of about equal length, such as embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vlit.assess.clustering.cells import Cells, centres_of, nearest
from vlit.assess.clustering.clusters import Clustering, Growth, Scanner, Stretch
from vlit.assess.clustering.dbscan import checked_parameters, checked_weights
from vlit.assess.clustering.engines import engine_for
from vlit.assess.clustering.filters import SAMPLE, Filter, frame_for
from vlit.assess.clustering.rows import I64, Array, blocks, compiled_view, distinct, matrix, squares

__all__ = ["approximate_dbscan"]

LEAST = 127  # numbers of a row that cells are made from
TOGETHER = 4096  # visitors that are compared with a cell at once
GROUPS, GROUP = 16, 256  # sampled rows and their nearest, of which all pairs are looked at


def approximate_dbscan(
    vectors: npt.ArrayLike,
    *,
    eps: float,
    min_points: int,
    weights: npt.ArrayLike | None = None,
    probes: int = 64,
    cells: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Clustering:
    """Cluster rows by density, approximately.

    Args:
        vectors: As for ``dbscan``. A memory map is read in order a few times, then at random: it should fit
            into the memory that other programs leave.
        eps: Euclidean distance up to which two rows are neighbours.
        min_points: Weight within eps of a row, its own included, that makes it a core point.
        weights: As for ``dbscan``.
        probes: Cells that a row is compared with. More find more of the pairs; time grows with its root.
        cells: Number of cells; sqrt(n * probes) where left out, which takes the least time.
        seed: Of the centres. The same seed gives the same labels on the same kind of machine.
        device: As for ``dbscan``; bfloat16 and float32 find slightly different cells.

    Returns:
        Labels, numbered as those of ``dbscan``. Time grows with n^1.5; memory is at most
        2 (d + 90) + 6 ``probes`` bytes a row and some 100 MB, the vectors apart.

    Raises:
        ValueError: As for ``dbscan``; or probes or cells below 1.
    """
    given = matrix(vectors)
    checked_parameters(eps, min_points)
    weighed = checked_weights(weights, len(given))
    if probes < 1 or (cells is not None and cells < 1):
        raise ValueError(f"probes and cells have to be at least 1, not {probes} and {cells}")
    largest = math.sqrt(float(squares(given).max(initial=0.0)))
    points = distinct(given)
    growth = Growth(points, weighed, min_points)
    if not len(points):
        return growth.finish(eps, "approximate")
    count = min(len(points), cells or math.ceil(math.sqrt(len(points) * probes)))
    engine = engine_for(device)
    sample = given[points.first[np.linspace(0, len(points) - 1, min(SAMPLE, len(points))).astype(np.int64)]]
    frame = frame_for(sample, _like_cells(sample), largest, eps, engine, LEAST)
    sieve = Filter.of(engine, given, points.first, frame, eps)
    centres = centres_of(engine, frame, given, points.first, count, seed)
    around = Cells(nearest(engine, sieve.store[: len(points)], centres, min(probes, count)), count)
    order = np.argsort(around.home, kind="stable")
    scanner = Scanner(growth, sieve.ordered(order), compiled_view(given), points.first, eps)
    scanner.keep = around.kept
    for _ in growth.passes():
        scanner.run(_meetings(around, order))
    return growth.finish(eps, f"approximate, {count} cells, {probes} probes, seed {seed}, {engine.name}")


def _like_cells(sample: Array) -> list[I64]:
    """Places of some rows with those nearest to them: as near to each other as rows of a cell."""
    wide = sample.astype(np.float32)
    chosen = np.linspace(0, len(sample) - 1, min(GROUPS, len(sample))).astype(np.int64)
    squared = np.einsum("ij,ij->i", wide, wide)
    distance = squared - 2 * wide[chosen] @ wide.T
    return list(np.argsort(distance, axis=1, kind="stable")[:, :GROUP])


def _meetings(around: Cells, order: I64) -> Iterator[Stretch]:
    """Stretches of those at home in each cell with each other and with its visitors."""
    points = order.astype(np.int32)
    starts = np.searchsorted(around.home[order], np.arange(around.count + 1))
    visit_starts, visitors = around.visits(order)
    for cell in range(around.count):
        home = range(starts[cell], starts[cell + 1])
        for left in blocks(len(home), TOGETHER):
            own = slice(home.start + left.start, home.start + left.stop)
            for start in range(own.start, home.stop, TOGETHER):
                right = slice(start, min(start + TOGETHER, home.stop))
                yield Stretch(own, right, points[own], points[right], own.start - start + 1)
            for part in blocks(visit_starts[cell + 1] - visit_starts[cell], TOGETHER):
                guests = visitors[visit_starts[cell] + part.start : visit_starts[cell] + part.stop]
                yield Stretch(guests, own, points[guests], points[own], -len(guests))
