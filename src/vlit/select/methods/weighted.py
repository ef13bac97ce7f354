"""Weighted: the samples with the highest weighted mean of their indicators.

Values are brought to one scale within the pool, so that a weight means the same for every indicator:

    rank  (number of samples that are worse + half of those that are equal) / number of samples, 0 to 1
    z     (value - mean) / standard deviation, cut off at -3 and 3

An indicator of which lower is better is turned round; its direction is its own declaration. A sample without a
value counts as an average one (rank 0.5, z 0): it neither gains nor loses by what nobody knows. More keeps all
that fewer kept.

Limits: the best by an indicator are often alike. A quarter of a set by one score alone has repeatedly done
worse than a random quarter; gates against the worst with a random or diverse choice of the rest are the safer
use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import numpy as np
import pydantic

from vlit.select.method import Choice, IsGone, KeepConfig, Method, first
from vlit.select.methods.random import RandomConfig
from vlit.select.pool import Floats, Pool, Wanted
from vlit.select.principles import sign_of

Scale = Literal["rank", "z"]
Weights = dict[str, Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]]


class WeightedConfig(KeepConfig):
    """Indicators and what each of them counts."""

    by: str = "weighted"
    weights: Weights = pydantic.Field(
        min_length=1, description="by indicator; better is better, whatever its direction"
    )
    scale: Scale = pydantic.Field("rank", description="rank or z: how values are made comparable")

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The indicators that are weighed."""
        yield from ((name, ("weights", name)) for name in self.weights)

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """Without their weights."""
        weights = {name: w for name, w in self.weights.items() if not gone(name)}
        return self.model_copy(update={"weights": weights}) if weights else self.instead(RandomConfig)


class Weighted(Method[WeightedConfig]):
    """The highest weighted means; equal ones by the lowest draws."""

    Config = WeightedConfig

    def wanted(self) -> Wanted:
        """Values of what is weighed."""
        return Wanted(values=frozenset(self.config.weights))

    def choose(self, pool: Pool, n: int) -> Choice:
        """The first n by their means."""
        means = weighted(pool, self.config.weights, self.config.scale)
        chosen = first(np.lexsort((pool.draws, -means)), n)
        return Choice(chosen, values=means.astype(np.float32), label="weighted mean")


def weighted(pool: Pool, weights: Mapping[str, float], scale: Scale) -> Floats:
    """Weighted mean of the indicators of each sample, shape (len(pool),)."""
    total = np.zeros(len(pool))
    for name in sorted(weights):
        total += weights[name] * scaled(pool.values(name) * sign_of(name), scale)
    mean: Floats = total / sum(weights.values())
    return mean


def scaled(values: Floats, scale: Scale) -> Floats:
    """Values on a common scale; missing ones in its middle."""
    there = ~np.isnan(values)
    known = values[there]
    out = np.full(len(values), 0.5 if scale == "rank" else 0.0)
    if scale == "rank" and len(known):
        _, place, count = np.unique(known, return_inverse=True, return_counts=True)
        below = np.cumsum(count) - count
        out[there] = ((below + count / 2) / len(known))[place]
    elif len(known) and (spread := float(np.std(known))) > 0:
        out[there] = np.clip((known - known.mean()) / spread, -3, 3)
    return out
