"""Random: every sample has the same chance."""

from __future__ import annotations

import numpy as np

from vlit.select.method import Choice, KeepConfig, Method, first
from vlit.select.pool import Pool


class RandomConfig(KeepConfig):
    """No options of its own."""

    by: str = "random"


class Random(Method[RandomConfig]):
    """Those with the lowest draws from (seed, sample id). More keeps all that fewer kept."""

    Config = RandomConfig

    def choose(self, pool: Pool, n: int) -> Choice:
        """The first n in the order of the draws."""
        return Choice(first(np.argsort(pool.draws, kind="stable"), n))
