"""Variants: further selections from the same set, made in one call, so that a model can be tuned on each.

``leave_one_group_out`` is the review's ablation: the same selection as if the indicators of usability,
diversity, complexity or balance had never been measured. ``vlit.select.principles`` says which those are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vlit.data.errors import VlitError
from vlit.run.folder import RunFolder
from vlit.select.methods.stratified import StratifiedConfig
from vlit.select.principles import GROUPS, Group, group_of
from vlit.select.rules import SelectConfig, VariantsConfig

#: Draws of the baseline are none of those of ``seeds``.
_BASELINE = 1_000_000


@dataclass(frozen=True)
class Plan:
    """One selection: its name, "" for the one that the recipe itself describes."""

    name: str
    config: SelectConfig
    salt: int = 0  #: other draws than the recipe's; 0 for these
    as_many: bool = False  #: keeps as many samples as the recipe's own

    def table(self, kind: str) -> str:
        """Where its verdicts or selected samples go."""
        return f"variants/{self.name}/{kind}" if self.name else kind


def plans(config: SelectConfig) -> list[Plan]:
    """The selection itself, then all variants.

    Raises:
        VlitError: When leaving a group out would change nothing, or two variants have the same name.
    """
    own = config.model_copy(update={"variants": None})
    found = [Plan("", own)]
    if config.variants is not None:
        found += _variants(own, config.variants)
    names = [plan.name.lower() for plan in found]  # some disks know no case
    for name in names:
        if names.count(name) > 1:
            raise VlitError(
                f"two variants are named {name!r}", where="select.variants.also", todo="rename yours"
            )
    return found


def _variants(own: SelectConfig, config: VariantsConfig) -> Iterator[Plan]:
    yield from (Plan(f"without_{group}", less) for group, less in _left_out(own, config.leave_one_group_out))
    yield from (Plan(f"seed_{n}", own, salt=n) for n in range(1, config.seeds + 1))
    random = SelectConfig(keep=StratifiedConfig(n=1))
    for n in range(1, config.baseline + 1):
        yield Plan(f"baseline_{n}", random, salt=_BASELINE + n, as_many=True)
    yield from (Plan(name, other) for name, other in config.also.items())


def _left_out(own: SelectConfig, groups: bool | tuple[Group, ...]) -> Iterator[tuple[Group, SelectConfig]]:
    """The selection without each group that it uses."""
    asked = tuple(GROUPS) if isinstance(groups, bool) else groups
    found = [(group, less) for group in asked if (less := without(own, group)) != own] if groups else []
    used = [group for group, _ in found]
    unused = [group for group in asked if group not in used] if groups and not isinstance(groups, bool) else []
    if groups and (unused or not found):
        raise VlitError(
            f"to leave out {' or '.join(unused or asked)} changes nothing: the selection does not use it",
            where="select.variants.leave_one_group_out",
            todo="give an indicator of it a gate or a weight (of balance: `keep.balance` or a cap)",
        )
    yield from found


def without(config: SelectConfig, group: Group) -> SelectConfig:
    """The selection as if a group of indicators had never been measured.

    Its gates and weights go, and methods that rest on it give way to what is left of them, at last to chance.
    Without balance, caps and ``keep.balance`` go as well.
    """

    def gone(indicator: str) -> bool:
        return group_of(indicator) == group

    changes: dict[str, object] = {"gates": {k: v for k, v in config.gates.items() if not gone(k)}}
    keep = config.keep
    if group == "balance":
        changes |= {"caps": {}, "cap_per_task": None}
        keep = keep and keep.model_copy(update={"balance": None})
    elif keep is not None and keep.balance is not None:
        by = tuple(name for name in keep.balance.by if not gone(name))
        balance = keep.balance.model_copy(update={"by": by}) if by else None
        keep = keep.model_copy(update={"balance": balance})
    changes["keep"] = keep and keep.without(group, gone)
    return config.model_copy(update=changes)


def forget_others(run: RunFolder, plans: list[Plan]) -> None:
    """Remove the parts of variants that the recipe no longer names; whatever else lies there stays."""
    named = {run.folder(plan.table(kind)) for plan in plans for kind in ("verdicts", "selected")}
    for kind in ("verdicts", "selected"):
        for folder in run.path.glob(f"variants/*/{kind}"):
            if folder not in named:
                for path in folder.iterdir():
                    if _PART.fullmatch(path.name):
                        path.unlink()


#: A part as ``part_path`` names it.
_PART = re.compile(r".+-[0-9a-f]{12}\.parquet")
