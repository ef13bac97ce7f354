"""DIC: two consistencies of a sample, of which the lower one counts, and then diversity. In the shape of DICS.

DICS (2026) asks of each sample whether its answer depends on the image (VIC: loss of the answer without the
image over the loss with it) and whether it follows from the instruction (RIC), takes the minimum of both, and
chooses by it within clusters. This is that formula over two indicators that were measured before:

    score = min(rank of the one, rank of the other), ranks 0 to 1 within the pool; no value counts as 0.5

``of`` names them; image_dependence is the first where a model is loaded. It is not DICS itself: what the second
indicator measures, its model and its clusters are up to the recipe. In the authors' own comparison the minimum
did better than sum or product, and diversity better than the plain best by a point.

Then ``clusters`` gives each cluster of an indicator its share, best first; or ``farthest`` takes the samples
that differ most among the best ``shortlist`` x n; or neither: the best n. More keeps all that fewer kept,
except with ``farthest``, where the shortlist grows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pydantic

from vlit.select.method import Choice, IsGone, KeepConfig, Method, first
from vlit.select.methods.cluster_quota import ClusterQuotaConfig, by_cluster
from vlit.select.methods.farthest import FarthestConfig, farthest_order
from vlit.select.methods.random import RandomConfig
from vlit.select.methods.weighted import scaled
from vlit.select.pool import PLAIN_GROUPS, Floats, Pool, Space, Wanted
from vlit.select.principles import sign_of
from vlit.select.quotas import Shares


class DicConfig(KeepConfig):
    """The two indicators, and what makes the choice diverse."""

    by: str = "dic"
    of: tuple[str, str] = pydantic.Field(description="two indicators, such as [image_dependence, correctness]")
    clusters: str | None = pydantic.Field(None, description="indicator whose groups each get their share")
    shares: Shares = pydantic.Field(
        "equal", description="equal as far as clusters have enough, or proportional"
    )
    farthest: Space | None = pydantic.Field(
        None, description="instruction, response or picture: take what differs most among the best"
    )
    shortlist: float = pydantic.Field(2.0, gt=1, description="with farthest: the best so many times n")

    @pydantic.model_validator(mode="after")
    def _one_of_both(self) -> DicConfig:
        if self.clusters is not None and self.farthest is not None:
            raise ValueError("`clusters` and `farthest` are two ways to diversity: name one of them")
        return self

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The two indicators and the clusters."""
        yield from ((name, ("of",)) for name in self.of)
        if self.clusters is not None and self.clusters not in PLAIN_GROUPS:
            yield self.clusters, ("clusters",)

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """Without the consistencies by diversity alone, without diversity by the consistencies alone."""
        if any(gone(name) for name in self.of):
            if self.clusters is not None:
                return self.instead(ClusterQuotaConfig, of=self.clusters, shares=self.shares)
            return (
                self.instead(FarthestConfig, of=self.farthest) if self.farthest else self.instead(RandomConfig)
            )
        drop = group == "diversity" and (self.farthest or (self.clusters and gone(self.clusters)))
        return self.model_copy(update={"clusters": None, "farthest": None}) if drop else self


class Dic(Method[DicConfig]):
    """The minimum of two ranks, made diverse by clusters or by distance."""

    Config = DicConfig

    def wanted(self) -> Wanted:
        """The two indicators and the clusters."""
        clusters = self.config.clusters
        return Wanted(frozenset(self.config.of), frozenset() if clusters is None else frozenset({clusters}))

    def choose(self, pool: Pool, n: int) -> Choice:
        """The best n, or the most diverse of the best."""
        score, label = self.score(pool), f"lower rank of {' and '.join(self.config.of)}"
        if self.config.clusters is not None:
            clusters = pool.groups(self.config.clusters)
            return by_cluster(pool, clusters, score, n, self.config.shares, label=label)
        order = np.lexsort((pool.draws, -score))
        if self.config.farthest is None:
            return Choice(first(order, n), values=score.astype(np.float32), label=label)
        best = np.sort(order[: math.ceil(n * self.config.shortlist)])
        vectors = pool.vectors(self.config.farthest, best)
        taken, _ = farthest_order(vectors, pool.draws[best], n, None)
        chosen = np.zeros(len(pool), bool)
        chosen[best[taken]] = True
        chosen[order[~chosen[order]][: n - len(taken)]] = True
        return Choice(chosen, values=score.astype(np.float32), label=label)

    def score(self, pool: Pool) -> Floats:
        """The lower of the two ranks of each sample, shape (len(pool),)."""
        one, other = (scaled(pool.values(name) * sign_of(name), "rank") for name in self.config.of)
        return np.minimum(one, other)
