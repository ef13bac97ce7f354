"""Stratified random: a quota for each stratum, within it by chance. The baseline for everything else.

Strata are what samples have in common: task, source, paradigm, the cluster that an indicator put them in, or
several of these at once. More keeps all that fewer kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydantic

from vlit.select.method import Choice, IsGone, KeepConfig, Method, first
from vlit.select.methods.random import RandomConfig
from vlit.select.pool import PLAIN_GROUPS, Pool, Wanted, crossed
from vlit.select.quotas import Shares, shared_out


class StratifiedConfig(KeepConfig):
    """Strata and what each of them gives."""

    by: str = "stratified"
    over: tuple[str, ...] = pydantic.Field(
        ("task", "source"), min_length=1, description="task, source, paradigm, or indicators with groups"
    )
    shares: Shares = pydantic.Field(
        "equal", description="equal: as many of each stratum as it has, up to one level; or proportional"
    )

    @pydantic.field_validator("over", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Indicators among the strata."""
        yield from ((name, ("over",)) for name in self.over if name not in PLAIN_GROUPS)

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """Without strata of these indicators; without balance the strata keep their proportions."""
        if group == "balance":
            return self.model_copy(update={"shares": "proportional"})
        over = tuple(name for name in self.over if name in PLAIN_GROUPS or not gone(name))
        return self.model_copy(update={"over": over}) if over else self.instead(RandomConfig)


class Stratified(Method[StratifiedConfig]):
    """Equal or proportional quotas over the strata, filled by the lowest draws."""

    Config = StratifiedConfig

    def wanted(self) -> Wanted:
        """The strata."""
        return Wanted(groups=frozenset(self.config.over))

    def choose(self, pool: Pool, n: int) -> Choice:
        """The first n of the order in which the strata take turns."""
        groups = crossed([pool.groups(name) for name in self.config.over])
        return Choice(first(shared_out(groups.codes, pool.draws, self.config.shares), n), groups)
