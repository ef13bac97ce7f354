"""How well a score tells planted samples from sound ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def auroc(planted: Sequence[float], clean: Sequence[float]) -> float:
    """How likely a planted sample is more suspicious than a sound one, ties counted half; NaN without any."""
    if not planted or not clean:
        return math.nan
    low, high = _sides(planted, clean)
    return float((low + high).sum() / 2 / len(planted) / len(clean))


def recall(planted: Sequence[float], clean: Sequence[float], false_alarms: float = 0.05) -> float:
    """Share of planted samples above the threshold that at most such a share of the sound ones is above."""
    if not planted or not clean:
        return math.nan
    ranked = np.sort(np.asarray(clean, np.float64))[::-1]
    threshold = ranked[min(int(false_alarms * len(ranked)), len(ranked) - 1)]
    return float((np.asarray(planted, np.float64) > threshold).mean())


def _sides(planted: Sequence[float], clean: Sequence[float]) -> tuple[F64, F64]:
    """For each planted one: sound ones below it, and below or equal."""
    ranked, asked = np.sort(np.asarray(clean, np.float64)), np.asarray(planted, np.float64)
    low = np.searchsorted(ranked, asked, "left").astype(np.float64)
    return low, np.searchsorted(ranked, asked, "right").astype(np.float64)


def suspicions(values: Sequence[float | None], *, lower_is_better: bool) -> list[float]:
    """The more, the worse; one without a value is as little suspicious as the least of the others."""
    known = [v if lower_is_better else -v for v in values if v is not None]
    least = min(known, default=0.0)
    return [least if v is None else v if lower_is_better else -v for v in values]
