"""How far votes agree: entropy, Fleiss' kappa, and the six intraclass correlations of Shrout and Fleiss.

Sources: Fleiss, Psychological Bulletin 76 (1971) 378; Shrout and Fleiss, Psychological Bulletin 86 (1979) 420.
Votes of one judge that is asked K times have no raters to be told apart: ICC(1,1) and ICC(1,K) are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]


class Icc(NamedTuple):
    """One-way random, two-way random and two-way mixed: of one rating, and of the mean of k."""

    one: float
    two: float
    three: float
    one_k: float
    two_k: float
    three_k: float


def entropy(counts: Sequence[int]) -> float:
    """Entropy of votes in bits: 0 where all agree, log2 of the number of labels where they are even.

    Args:
        counts: Votes for each label, at least one in all.
    """
    shares = np.asarray([c for c in counts if c > 0], np.float64) / sum(counts)
    return max(float(-(shares * np.log2(shares)).sum()), 0.0)


def fleiss_kappa(counts: npt.ArrayLike) -> float | None:
    """Agreement beyond chance: 1 is whole, 0 is that of chance.

    Args:
        counts: Shape (subjects, labels); each row adds up to the same number of votes, at least two.

    Returns:
        ``None`` without subjects, and where only one label was ever given: chance agrees as well then.
    """
    table = np.asarray(counts, np.float64)
    if not table.size:
        return None
    n = table[0].sum()
    observed = ((table**2).sum(1) - n).mean() / (n * (n - 1))
    chance = float(((table.sum(0) / table.sum()) ** 2).sum())
    return None if np.isclose(chance, 1.0) else float((observed - chance) / (1 - chance))


def icc(ratings: npt.ArrayLike) -> Icc | None:
    """Intraclass correlations of ratings without gaps.

    Args:
        ratings: Shape (subjects, raters), at least two of each.

    Returns:
        ``None`` for smaller tables, and where all ratings are equal.
    """
    table = np.asarray(ratings, np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or np.ptp(table) == 0:
        return None
    n, k = table.shape
    rows, columns, total = table.mean(1), table.mean(0), table.mean()
    between = k * ((rows - total) ** 2).sum() / (n - 1)
    within = ((table - rows[:, None]) ** 2).sum() / (n * (k - 1))
    raters = n * ((columns - total) ** 2).sum() / (k - 1)
    rest = ((table - rows[:, None] - columns + total) ** 2).sum() / ((n - 1) * (k - 1))
    return Icc(
        _ratio(between - within, between + (k - 1) * within),
        _ratio(between - rest, between + (k - 1) * rest + k * (raters - rest) / n),
        _ratio(between - rest, between + (k - 1) * rest),
        _ratio(between - within, between),
        _ratio(between - rest, between + (raters - rest) / n),
        _ratio(between - rest, between),
    )


def _ratio(above: float, below: float) -> float:
    """The quotient; not a number where the subjects do not differ at all."""
    return float(above / below) if below > 1e-12 else float("nan")
