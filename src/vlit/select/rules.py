"""What decides: the config, and its gates, caps and choice as one fate for each sample of the set."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic

from vlit.data.errors import nearest
from vlit.data.score import Score, Verdict
from vlit.run.named import mistake, within
from vlit.run.stage import Config, Setting
from vlit.select.gates import Gate, first_objection
from vlit.select.method import KeepConfig, Method, balance_asks, choose_balanced
from vlit.select.pool import Columns, Pool, Wanted
from vlit.select.principles import GROUPS, Group
from vlit.select.registry import SELECTORS
from vlit.select.told import Told, lack, told_of

#: What became of a sample.
OBJECTED, CAPPED, LEFT, KEPT = range(4)


class VariantsConfig(Config):
    """Further selections from the same set, each into a folder of its own."""

    leave_one_group_out: bool | tuple[Group, ...] = pydantic.Field(
        False, description="as if usability, diversity, complexity or balance had not been measured"
    )
    seeds: int = pydantic.Field(0, ge=0, description="the same selection with so many other draws")
    baseline: int = pydantic.Field(
        0,
        ge=0,
        description="so many stratified random draws of the same number, from all samples, without gates",
    )
    also: dict[str, SelectConfig] = pydantic.Field({}, description="selections of your own by name")

    @pydantic.field_validator("leave_one_group_out", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """A list is held against the names alone: a union would also tell that it is neither true nor false."""
        if isinstance(value, str):
            value = [value]
        for place, group in enumerate(value if isinstance(value, list | tuple) else ()):
            if group not in GROUPS:
                said = f"there is no group {group!r}; {nearest(str(group), GROUPS)}"
                found = mistake("unknown_name", said, (place,), group)
                raise pydantic.ValidationError.from_exception_data("leave_one_group_out", [found])
        return value

    @pydantic.field_validator("also")
    @classmethod
    def _named_and_flat(cls, also: dict[str, SelectConfig]) -> dict[str, SelectConfig]:
        for name, config in also.items():
            if not re.fullmatch(r"\w[\w.-]*", name):
                raise ValueError(f"{name!r} names a folder: letters, digits, '_', '-' and '.', no sign first")
            if config.variants is not None:
                raise ValueError(f"{name!r} is a variant itself, and has none")
        return also


class SelectConfig(Config):
    """Which samples are kept."""

    gates: dict[str, Gate] = pydantic.Field(default_factory=dict, description="bounds per indicator")
    cap_per_task: int | None = pydantic.Field(default=None, ge=0, description="at most so many of any task")
    caps: dict[str, Annotated[int, pydantic.Field(ge=0)]] = pydantic.Field(
        default_factory=dict, description="caps of single tasks"
    )
    keep: pydantic.SerializeAsAny[KeepConfig] | None = pydantic.Field(
        default=None, description="exactly so many of those that pass, chosen by a method"
    )
    variants: VariantsConfig | None = pydantic.Field(
        default=None, description="further selections, each into a folder of its own"
    )

    @pydantic.field_validator("keep", mode="before")
    @classmethod
    def _typed(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value  # pydantic says what is wrong with it
        name = value.get("by") or KeepConfig.model_fields["by"].default
        if name not in SELECTORS.targets():
            said = f"there is no method {name!r}; {nearest(str(name), SELECTORS.names())}"
            found = mistake("unknown_name", said, ("by",), name)
            raise pydantic.ValidationError.from_exception_data("keep", [found])
        config: type[KeepConfig] = SELECTORS.load(name).Config
        try:
            return config.model_validate({**value, "by": name})
        except pydantic.ValidationError as error:
            raise pydantic.ValidationError.from_exception_data("keep", list(within(error, config))) from None

    @pydantic.field_validator("variants", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """``leave_one_group_out``, ``seeds: 3``, or a list of both, as keys."""
        items = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(item, str | Mapping) for item in items):
            return value
        return {k: v for item in items for k, v in ({item: True} if isinstance(item, str) else item).items()}

    def cap(self, task: str) -> int | None:
        """How many samples of a task may be kept; None for any number."""
        return self.caps.get(task, self.cap_per_task)

    def implies(self) -> dict[str, dict[str, Any]]:
        """Vectors come from the stage that observes."""
        return {"observe": {}} if any(True for config in self.all() for _ in config.spaces()) else {}

    def spaces(self) -> Iterator[tuple[str, str]]:
        """What distances are measured of, each with the key of ``keep`` that says so."""
        for key in ("of", "farthest"):
            space = getattr(self.keep, key, None)
            if space in ("instruction", "response", "picture"):
                yield space, key

    def all(self) -> list[SelectConfig]:
        """This one, and the variants that say more than to leave something out."""
        return [self, *(self.variants.also.values() if self.variants else ())]

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Indicators that it needs, each with its place in the config."""
        yield from ((name, ("gates", name)) for name in self.gates)
        if self.keep is not None:
            yield from ((name, ("keep", *place)) for name, place in self.keep.asked())
            yield from ((name, ("keep", *place)) for name, place in balance_asks(self.keep))

    def method(self, setting: Setting) -> Method[Any] | None:
        """How it chooses."""
        return None if self.keep is None else SELECTORS.load(self.keep.by)(self.keep, setting)

    def wanted(self, setting: Setting) -> Wanted:
        """Columns that it reads."""
        wanted = Wanted(values=frozenset(self.gates))
        method = self.method(setting)
        if self.keep is None or method is None:
            return wanted
        balance = frozenset(self.keep.balance.by) if self.keep.balance else frozenset()
        return wanted | method.wanted() | Wanted(groups=balance)


VariantsConfig.model_rebuild()


@dataclass(frozen=True)
class Rules:
    """The fate of every sample of the set, and what can be told of it."""

    config: SelectConfig
    gates: Mapping[str, Gate]  #: with their quantiles as plain bounds
    fates: npt.NDArray[np.uint8]
    told: Told | None = None  #: nothing where nothing was chosen

    @property
    def kept(self) -> int:
        """How many samples are kept."""
        return int(np.count_nonzero(self.fates == KEPT))

    def slice(self, start: int, end: int) -> Rules:
        """The rules for a part of the set."""
        told = self.told and self.told.slice(start, end)
        return Rules(self.config, self.gates, self.fates[start:end], told)

    def verdict(self, place: int, sample: str, task: str, scores: Mapping[str, Score]) -> Verdict:
        """Keep or drop one sample, with the rule that decided.

        Args:
            place: Of the sample in the set.
            sample: Its id.
            task: Its task.
            scores: By indicator; only those of a sample that a gate objects to are looked at.
        """
        fate = self.fates[place]
        if fate == OBJECTED:
            rule, reason = first_objection(self.gates, scores) or ("gates", "does not pass")
            return Verdict(sample=sample, keep=False, rule=rule, reason=reason)
        if fate == CAPPED:
            reason = f"{task} is capped at {self.config.cap(task)} samples, and this one was not drawn"
            return Verdict(sample=sample, keep=False, rule="cap", reason=reason)
        if self.told is None:
            return Verdict(sample=sample, keep=True, rule="kept", reason="passes every gate")
        why = self.told.why(place)
        if fate == LEFT:
            return Verdict(sample=sample, keep=False, rule="keep", reason=f"not chosen by {why}")
        return Verdict(sample=sample, keep=True, rule="kept", reason=f"passes every gate; chosen by {why}")


def decide(
    config: SelectConfig, columns: Columns, setting: Setting, salt: int = 0, as_many: int | None = None
) -> Rules:
    """The fate of every sample: gates first, then caps, then the choice among those that are left.

    A capped task keeps the passing samples with the lowest draws from (seed, sample id), so that a larger cap
    keeps all that a smaller one kept.

    Args:
        config: What to keep.
        columns: Of the whole set, with all that ``config.wanted`` names.
        setting: Seed and folder of the recipe.
        salt: Other draws than those of the seed itself; 0 for these.
        as_many: Samples to keep in place of the number that the config names.

    Raises:
        VlitError: When the method cannot choose from these columns.
    """
    gates = {name: gate.resolved(columns.values[name]) for name, gate in config.gates.items()}
    fates = np.full(len(columns), KEPT, np.uint8)
    for name, gate in gates.items():
        fates[~gate.passes(columns.values[name])] = OBJECTED
    _cap(config, columns, fates, salt)
    method = config.method(setting)
    if method is None or config.keep is None:
        return Rules(config, gates, fates)
    columns.check(
        method.wanted() | Wanted(groups=frozenset(config.keep.balance.by if config.keep.balance else ()))
    )
    number = config.keep.number(len(columns)) if as_many is None else as_many
    rows = np.flatnonzero(fates == KEPT)
    if len(rows) <= number:
        return Rules(config, gates, fates, lack(number, len(rows), config.keep.by))
    choice = choose_balanced(method, Pool(columns, rows, salt), number)
    fates[rows[~choice.chosen]] = LEFT
    return Rules(config, gates, fates, told_of(choice, rows, len(columns), config.keep.by))


def _cap(config: SelectConfig, columns: Columns, fates: npt.NDArray[np.uint8], salt: int) -> None:
    """Mark what is above the cap of its task."""
    if config.cap_per_task is None and not config.caps:
        return
    tasks, pool = columns.groups["task"], Pool(columns, np.flatnonzero(fates == KEPT), salt)
    codes = tasks.codes[pool.rows]
    order = np.lexsort((pool.draws, codes))
    sizes = np.bincount(codes, minlength=len(tasks.names))
    for task, end, size in zip(tasks.names, np.cumsum(sizes).tolist(), sizes.tolist(), strict=True):
        cap = config.cap(task)
        if cap is not None and size > cap:
            fates[pool.rows[order[end - size + cap : end]]] = CAPPED


def by_sample(scores: Iterable[Score]) -> dict[str, dict[str, Score]]:
    """Scores by sample id, then by indicator."""
    grouped: dict[str, dict[str, Score]] = defaultdict(dict)
    for score in scores:
        grouped[score.sample][score.indicator] = score
    return grouped
