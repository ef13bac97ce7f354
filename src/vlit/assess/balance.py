"""Balance: how evenly the samples are spread over the tasks.

For shares ``p_k`` of the ``K`` tasks that occur, in per cent of the set:

    variance             = mean over k of (p_k - 100 / K)^2   (population variance, as the review's Balance)
    normalised_entropy   = -sum p_k ln p_k / ln K             (0 one task only ... 1 even; none for K = 1)
    gini                 = sum over i, j of |p_i - p_j| / (2 K^2 mean p)
    largest_to_smallest  = largest share / smallest share

The value is the variance, 0 for a perfectly even set; none where no sample says its task ("unknown"). Source:
the review's indicator of balance; the unit (per cent) and the population form are the reading that fits its
published numbers. Limits: it depends on the number of tasks and on how finely they are told apart; entropy
and Gini do not depend on the unit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from vlit.assess.indicator import Indicator, Need, NoConfig, Scope
from vlit.assess.seen import Part
from vlit.data.score import Score, SetScore

#: Task of a sample that says none.
_UNDECLARED = "unknown"


class TaskBalance(Indicator[NoConfig]):
    """Variance of the tasks' percentage shares: 0 where all tasks are equally frequent."""

    name: ClassVar[str] = "task_balance"
    principle = "balance"
    direction = "lower is better"
    scope: ClassVar[Scope] = "set"
    needs: ClassVar[tuple[Need, ...]] = ("task",)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """The task as the group; a single sample has no balance."""
        for s in part.samples:
            yield self.of(s, None, "a property of the set", s.task)

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore | None:
        """Spread of the samples over the groups."""
        counts = Counter(s.group for s in scores if s.group is not None)
        if set(counts) == {_UNDECLARED}:
            return self.of_set(None, 0, why="no sample says which task it is of")
        n = counts.total()
        value, detail = spread({str(k): v for k, v in counts.items()})
        return self.of_set(value, n, **detail)


def spread(counts: Mapping[str, int]) -> tuple[float | None, dict[str, Any]]:
    """Variance of the percentage shares and its companions; ``None`` for an empty set."""
    total = sum(counts.values())
    if not total:
        return None, {"tasks": 0}
    shares = [100 * counts[k] / total for k in sorted(counts)]
    k, mean = len(shares), 100 / len(shares)
    variance = sum((p - mean) ** 2 for p in shares) / k
    ranked = sorted(shares)
    gini = sum((2 * (i + 1) - k - 1) * p for i, p in enumerate(ranked)) / (k * 100)
    entropy = -sum(p / 100 * math.log(p / 100) for p in shares) / math.log(k) if k > 1 else None
    return variance, {
        "unit": "variance of percentage shares, population",
        "tasks": k,
        "normalised_entropy": entropy,
        "gini": gini,
        "largest_to_smallest": ranked[-1] / ranked[0],
        "counts": {name: counts[name] for name in sorted(counts)},
    }
