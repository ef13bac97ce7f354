"""Gates: what a sample's score must be, as plain values or as quantiles of the set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.data.score import Score
from vlit.run.stage import Config
from vlit.select.pool import Floats


class Gate(Config):
    """Bounds on one indicator; a score on the bound passes.

    Quantiles are taken over the samples that have a value, and become plain bounds before any verdict.
    """

    min: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    max: float | None = pydantic.Field(default=None, allow_inf_nan=False)
    min_quantile: float | None = pydantic.Field(default=None, ge=0, le=1)
    max_quantile: float | None = pydantic.Field(default=None, ge=0, le=1)
    missing: Literal["keep", "drop"] = "keep"

    @pydantic.model_validator(mode="after")
    def _bounds(self) -> Gate:
        bounds = [self.min, self.max, self.min_quantile, self.max_quantile]
        if all(b is None for b in bounds):
            raise ValueError("a gate needs min, max, min_quantile or max_quantile")
        for value, quantile in ((self.min, self.min_quantile), (self.max, self.max_quantile)):
            if value is not None and quantile is not None:
                raise ValueError("give a bound as a value or as a quantile, not both")
        for low, high in ((self.min, self.max), (self.min_quantile, self.max_quantile)):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no score is both {low} or more and {high} or less")
        return self

    @property
    def by_quantile(self) -> bool:
        """Whether the bounds depend on the set."""
        return self.min_quantile is not None or self.max_quantile is not None

    def resolved(self, values: Floats) -> Gate:
        """The gate with its quantiles replaced by values of the set.

        Args:
            values: All scores of the indicator, shape (n,), float64; NaN where there is none.
        """
        values = values[~np.isnan(values)]
        low, high = self.min, self.max
        if values.size and self.min_quantile is not None:
            low = float(np.quantile(values, self.min_quantile))
        if values.size and self.max_quantile is not None:
            high = float(np.quantile(values, self.max_quantile))
        return self.model_copy(update={"min": low, "max": high})

    def passes(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Which samples pass, shape (n,); ``objection`` tells why not. The gate must be resolved."""
        missing = np.isnan(values)
        low = -np.inf if self.min is None else self.min
        high = np.inf if self.max is None else self.max
        within = (values >= low) & (values <= high)
        return np.where(missing, self.missing == "keep", within)

    def objection(self, indicator: str, score: Score | None) -> str | None:
        """Why the sample does not pass, or None when it does. The gate must be resolved."""
        if score is None or score.value is None or math.isnan(score.value):
            if self.missing == "keep":
                return None
            why = f" ({score.reason})" if score and score.reason else ""
            return f"{indicator} has no value{why}"
        note = f": {score.reason}" if score.reason else ""
        if self.min is not None and score.value < self.min:
            return f"{indicator} {score.value:.4g} is below {self.min:.4g}{note}"
        if self.max is not None and score.value > self.max:
            return f"{indicator} {score.value:.4g} is above {self.max:.4g}{note}"
        return None


def first_objection(gates: Mapping[str, Gate], scores: Mapping[str, Score]) -> tuple[str, str] | None:
    """The first gate, in the order of the recipe, that a sample does not pass, with all objections."""
    found = [(name, said) for name, gate in gates.items() if (said := gate.objection(name, scores.get(name)))]
    return (found[0][0], "; ".join(said for _, said in found)) if found else None
