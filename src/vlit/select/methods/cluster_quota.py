"""Cluster quota: each cluster gives its share, its best samples first.

The clusters are the groups of an indicator, such as those that response_diversity finds among the responses.
The shape is that of COINCIDE and of most later methods (clusters, and a score within each); what is clustered
and what scores is up to the recipe. More keeps all that fewer kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pydantic

from vlit.select.method import Choice, IsGone, KeepConfig, Method, first
from vlit.select.methods.random import RandomConfig
from vlit.select.methods.weighted import Scale, WeightedConfig, Weights, weighted
from vlit.select.pool import NONE, PLAIN_GROUPS, Floats, Groups, Pool, Wanted
from vlit.select.quotas import Shares, shared_out


class ClusterQuotaConfig(KeepConfig):
    """Clusters, and who comes first in each."""

    by: str = "cluster_quota"
    of: str = pydantic.Field("response_diversity", description="indicator whose groups are the clusters")
    weights: Weights = pydantic.Field(
        {}, description="indicators that say who comes first in a cluster; none: by chance"
    )
    scale: Scale = pydantic.Field("rank", description="rank or z: how the weighed values are made comparable")
    shares: Shares = pydantic.Field(
        "equal", description="equal as far as clusters have enough, or proportional"
    )
    noise: Literal["together", "each"] = pydantic.Field(
        "together", description="samples without a cluster are one cluster, or each one of its own"
    )

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The clusters and the weights."""
        if self.of not in PLAIN_GROUPS:
            yield self.of, ("of",)
        yield from ((name, ("weights", name)) for name in self.weights)

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """Without the clusters by their weights alone; without the weights by chance within the clusters."""
        weights = {name: w for name, w in self.weights.items() if not gone(name)}
        if not gone(self.of):
            return self.model_copy(update={"weights": weights})
        if weights:
            return self.instead(WeightedConfig, weights=weights, scale=self.scale)
        return self.instead(RandomConfig)


class ClusterQuota(Method[ClusterQuotaConfig]):
    """Equal or proportional quotas over the clusters, filled by the best."""

    Config = ClusterQuotaConfig

    def wanted(self) -> Wanted:
        """The clusters and the weighed values."""
        return Wanted(frozenset(self.config.weights), frozenset({self.config.of}))

    def choose(self, pool: Pool, n: int) -> Choice:
        """The first n of the order in which the clusters take turns."""
        weights = self.config.weights
        best = weighted(pool, weights, self.config.scale) if weights else None
        return by_cluster(pool, pool.groups(self.config.of), best, n, self.config.shares, self.config.noise)


def by_cluster(
    pool: Pool,
    clusters: Groups,
    best: Floats | None,
    n: int,
    shares: Shares,
    noise: Literal["together", "each"] = "together",
    label: str = "weighted mean",
) -> Choice:
    """A quota from each cluster, the highest values first; by the draws without values."""
    outside = clusters.codes == NONE
    codes = np.where(outside, len(clusters.names), clusters.codes).astype(np.int64)
    if noise == "each":
        codes[outside] += np.arange(np.count_nonzero(outside))
    chosen = first(shared_out(codes, pool.draws, shares, None if best is None else -best), n)
    told = Groups(np.minimum(codes, len(clusters.names)).astype(np.int32), [*clusters.names, "no cluster"])
    return Choice(chosen, told, None if best is None else best.astype(np.float32), label)
