"""Quotas: how a number is shared out among groups, as an order of which the first n are taken.

``equal`` fills like water: every group gives one sample, then every group a second one, and so on; a group that
has no more gives way to the others. Quotas of groups that are not exhausted differ by one at most.
``proportional`` gives each group its size times one common rate, up to one sample. The offset by which a group
is rounded is drawn, so that small groups are neither favoured nor left out (systematic sampling).

Both are orders, so that a larger number keeps all that a smaller one kept.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Draws: TypeAlias = npt.NDArray[np.uint64]
Shares = Literal["equal", "proportional"]


def mixed(draws: Draws, salt: int) -> Draws:
    """Further uniform draws from uniform draws: the finaliser of splitmix64.

    Args:
        draws: Uniform 64-bit numbers.
        salt: What the new draws are for; draws of different salts are independent.
    """
    x = draws + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def shared_out(
    groups: npt.NDArray[Any], draws: Draws, shares: Shares = "equal", rank: npt.NDArray[Any] | None = None
) -> Ints:
    """The order in which samples are taken, so that each group gets its share at every moment.

    Args:
        groups: Group of each sample, shape (n,).
        draws: Decide among equals, shape (n,).
        shares: How much each group gets.
        rank: Within a group the lowest come first, shape (n,); by the draws where left out.

    Returns:
        All places 0 to n - 1, the first to be taken first.
    """
    if not len(groups):
        return np.zeros(0, np.int64)
    order = np.lexsort((draws, groups) if rank is None else (draws, rank, groups))
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) != 0))
    sizes = np.diff(np.append(starts, len(groups)))
    place = np.arange(len(groups)) - np.repeat(starts, sizes)
    if shares == "equal":
        return order[np.lexsort((draws[order], place))].astype(np.int64)
    # Drawn from the members, not from the number of the group, which depends on the order of the set.
    offset = mixed(np.minimum.reduceat(draws[order], starts), 1) / 2.0**64
    key = (place + np.repeat(offset, sizes)) / np.repeat(sizes, sizes)
    return order[np.lexsort((draws[order], key))].astype(np.int64)
