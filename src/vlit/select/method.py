"""What a method of choosing is: its config, the columns it wants, and a choice of exactly n samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.run.stage import Config, Setting
from vlit.select.pool import PLAIN_GROUPS, Groups, Pool, Wanted, crossed
from vlit.select.quotas import Ints, Shares, shared_out

#: Says whether an indicator belongs to what is left out.
IsGone = Callable[[str], bool]


class BalanceConfig(Config):
    """Groups between which the number is shared out before anything is chosen."""

    by: tuple[str, ...] = pydantic.Field(
        ("task",), min_length=1, description="task, source, paradigm, or indicators with groups"
    )
    shares: Shares = pydantic.Field("equal", description="equal as far as groups have enough, or proportional")

    @pydantic.field_validator("by", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class KeepConfig(Config):
    """Exactly how many samples are kept, and how they are chosen."""

    by: str = pydantic.Field("stratified", description="name of a method: vlit.selectors")
    n: int | None = pydantic.Field(None, ge=1, description="samples to keep")
    share: float | None = pydantic.Field(None, gt=0, le=1, description="instead of n: share of the whole set")
    balance: BalanceConfig | None = pydantic.Field(None, description="share n out first, by task for example")

    @pydantic.model_validator(mode="after")
    def _has_a_number(self) -> KeepConfig:
        if (self.n is None) == (self.share is None):
            raise ValueError("say how many to keep: either `n`, a number, or `share`, of the whole set")
        return self

    def number(self, size: int) -> int:
        """How many samples to keep of a set of ``size``; a share is one sample at least."""
        if self.n is not None:
            return self.n
        return min(size, max(1, int((self.share or 0) * size + 0.5)))

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Indicators that it needs, each with its place in the config."""
        return iter(())

    def without(self, group: str, gone: IsGone) -> KeepConfig:
        """The same choice as if a group of indicators had never been measured.

        Args:
            group: usability, diversity, complexity or balance.
            gone: Whether an indicator belongs to it.
        """
        return self

    def instead(self, kind: type[K], **values: Any) -> K:
        """Another method that keeps the same number under the same balance."""
        mine = {"n": self.n, "share": self.share, "balance": self.balance}
        return kind.model_validate({**mine, **values})


K = TypeVar("K", bound=KeepConfig)
C = TypeVar("C", bound=KeepConfig)


@dataclass(frozen=True)
class Choice:
    """Which samples of a pool are chosen, and what can be told of each one."""

    chosen: npt.NDArray[np.bool_]
    groups: Groups | None = None  #: a quota was shared out among them
    values: npt.NDArray[np.float32] | None = None  #: what decided within a group
    label: str = ""  #: what the values are
    remark: str = ""  #: what should be known of the whole choice

    @property
    def cut(self) -> float | None:
        """The lowest value that was chosen."""
        if self.values is None or not self.chosen.any():
            return None
        return float(np.min(self.values[self.chosen]))


class Method(ABC, Generic[C]):
    """One way to choose. Subclasses declare their config and write ``choose``.

    Args:
        config: Its options.
        setting: Seed and folder of the recipe.
    """

    Config: ClassVar[type[KeepConfig]] = KeepConfig

    def __init__(self, config: C, setting: Setting) -> None:
        self.config, self.setting = config, setting

    def wanted(self) -> Wanted:
        """Columns that it reads."""
        return Wanted()

    def files(self) -> Iterable[Path]:
        """Files that it reads beside the set."""
        return ()

    @abstractmethod
    def choose(self, pool: Pool, n: int) -> Choice:
        """Exactly ``n`` samples of a pool that has more than ``n``."""


def first(order: Ints, n: int) -> npt.NDArray[np.bool_]:
    """True for the first n places of an order."""
    chosen = np.zeros(len(order), bool)
    chosen[order[:n]] = True
    return chosen


def quotas_of(pool: Pool, balance: BalanceConfig, n: int) -> tuple[Groups, Ints]:
    """Groups of the pool and how many samples each of them is to give."""
    groups = crossed([pool.groups(name) for name in balance.by])
    order = shared_out(groups.codes, pool.draws, balance.shares)
    return groups, np.bincount(groups.codes[order[:n]], minlength=len(groups.names)).astype(np.int64)


def choose_balanced(method: Method[Any], pool: Pool, n: int) -> Choice:
    """Exactly n samples (all where there are no more), the same method at work in each group of the balance."""
    if n >= len(pool):
        return Choice(np.ones(len(pool), bool))
    balance: BalanceConfig | None = method.config.balance
    if balance is None:
        return _exact(method.choose(pool, n), n)
    groups, quotas = quotas_of(pool, balance, n)
    chosen, values = np.zeros(len(pool), bool), np.full(len(pool), np.nan, np.float32)
    remarks: list[str] = []
    label = ""
    by_group = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(np.bincount(groups.codes, minlength=len(quotas)))
    for name, end, size, quota in zip(
        groups.names, ends, np.diff(ends, prepend=0), quotas.tolist(), strict=True
    ):
        places = by_group[end - size : end]
        if 0 < quota < size:
            choice = _exact(method.choose(pool.take(places), quota), quota)
            chosen[places] = choice.chosen
            label = choice.label
            remarks += [f"{name}: {choice.remark}"] if choice.remark else []
            if choice.values is not None:
                values[places] = choice.values
        else:
            chosen[places] = quota > 0
    told = None if np.isnan(values).all() else values
    return Choice(chosen, groups, told, label, _of_groups(remarks))


def _of_groups(remarks: Sequence[str]) -> str:
    """The first remark, and of how many more groups there is one."""
    more = len(remarks) - 1
    others = f" (likewise {more:,} more group{'s' * (more > 1)})" if more > 0 else ""
    return remarks[0] + others if remarks else ""


def _exact(choice: Choice, n: int) -> Choice:
    if (found := int(choice.chosen.sum())) != n:
        raise RuntimeError(f"a method has to choose exactly {n} samples; this one chose {found}")
    return choice


def balance_asks(config: KeepConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Indicators whose groups the balance needs."""
    for name in config.balance.by if config.balance else ():
        if name not in PLAIN_GROUPS:
            yield name, ("balance", "by")
