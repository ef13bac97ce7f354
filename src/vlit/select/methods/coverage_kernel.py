"""The loop of greedy coverage, compiled. Imported only where it runs: numba takes a second to load."""

from __future__ import annotations

from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]

#: Each pass takes all samples whose gain is at least this much of that of the pass before.
_STEP = 0.9


@numba.njit(cache=True, nogil=True)
def covered(
    starts: I64,
    items: npt.NDArray[np.int32],
    concepts: int,
    count: int,
    quota: int,
    diminishing: bool,
    kind: npt.NDArray[np.int8],
    share: float,
) -> tuple[I64, F64]:
    """Take samples by what they add to the concepts that were named so far.

    The gain of a sample is the sum, over its concepts, of 1 / (1 + samples taken that name it); a concept that
    was named ``quota`` times adds nothing. Thresholds descend (Badanidiyuru and Vondrák 2014), so a gain is
    never further than a factor of ``_STEP`` below the best there was.

    Args:
        starts: Where the concepts of each sample start in ``items``, and the end, shape (n + 1,).
        items: Numbers of concepts.
        concepts: How many there are.
        count: Samples to take.
        quota: How often a concept counts.
        diminishing: False for the plain number of concepts, whatever was taken before.
        kind: 1 for an answer of yes, 2 for no, 0 for others, shape (n,).
        share: Of yes among yes and no; below 0 for any.

    Returns:
        The samples that were taken, in order, and the gain of each when it was taken. Those that add nothing,
        or that the share refuses, are not taken.
    """
    n = len(starts) - 1
    named = np.zeros(concepts, np.int64)
    done = np.zeros(n, np.bool_)
    taken, gains = np.empty(count, np.int64), np.empty(count, np.float64)
    found, yes, no = 0, 0, 0
    step = _STEP if diminishing else 1.0
    threshold = 0.0
    for i in range(n):
        threshold = max(threshold, float(starts[i + 1] - starts[i]))
    lowest = 1.0 / (2.0 + min(quota, n)) if diminishing else 0.5
    while found < count and threshold >= lowest:
        following = 0.0  # the best gain that this pass leaves behind
        for i in range(n):
            if found == count:
                break
            if done[i]:
                continue
            gain = 0.0
            for k in range(starts[i], starts[i + 1]):
                times = named[items[k]]
                if times < quota:
                    gain += 1.0 / (1.0 + times) if diminishing else 1.0
            if gain < threshold or gain <= 0.0:
                following = max(following, gain)
                continue
            if share >= 0.0:
                if kind[i] == 1 and yes + 1 > share * (yes + no + 1) + 1:
                    continue
                if kind[i] == 2 and no + 1 > (1.0 - share) * (yes + no + 1) + 1:
                    continue
            yes += kind[i] == 1
            no += kind[i] == 2
            done[i] = True
            taken[found], gains[found] = i, gain
            found += 1
            for k in range(starts[i], starts[i + 1]):
                named[items[k]] += 1
        # Where nothing reaches the next step, go on where something does.
        threshold = min(threshold * step, following)
    return taken[:found], gains[:found]
