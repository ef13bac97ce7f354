"""The pool: the samples that a method may choose from, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from vlit.data.errors import VlitError, nearest
from vlit.select.quotas import Draws, Ints, mixed

Floats: TypeAlias = npt.NDArray[np.float64]

#: What can be measured between two samples.
Space = Literal["instruction", "response", "picture"]

#: What groups samples without any indicator.
PLAIN_GROUPS = ("task", "source", "paradigm")

#: Group of samples that have none.
NONE = -1


@dataclass(frozen=True)
class Groups:
    """Group of each sample: a number into ``names``; ``NONE`` where it has no group."""

    codes: npt.NDArray[np.int32]
    names: Sequence[str]

    def take(self, rows: Ints) -> Groups:
        """Of some of the samples."""
        return Groups(self.codes[rows], self.names)


@dataclass(frozen=True)
class Wanted:
    """Columns that somebody asks for."""

    values: frozenset[str] = frozenset()  #: indicators
    groups: frozenset[str] = frozenset()  #: indicators, or one of ``PLAIN_GROUPS``

    def __or__(self, other: Wanted) -> Wanted:
        return Wanted(self.values | other.values, self.groups | other.groups)

    @property
    def indicators(self) -> frozenset[str]:
        """All indicators among them."""
        return self.values | (self.groups - frozenset(PLAIN_GROUPS))


class Source(Protocol):
    """What is read only where a method asks for it, since it is large."""

    def vectors(self, space: Space, rows: Ints) -> npt.NDArray[np.float32]:
        """Vectors of some samples of the set, shape (len(rows), d); zero where there is none."""

    def texts(self, rows: Ints) -> Iterator[tuple[str, str]]:
        """Instruction and response of some samples of the set; ``rows`` ascend."""


@dataclass(frozen=True)
class Columns:
    """What is known of every sample of the set, in its order."""

    draws: Draws
    values: Mapping[str, Floats] = field(default_factory=dict)  #: NaN where there is none
    groups: Mapping[str, Groups] = field(default_factory=dict)
    source: Source | None = None

    def __len__(self) -> int:
        return len(self.draws)

    def check(self, wanted: Wanted) -> None:
        """Every column that is asked for says something.

        Raises:
            VlitError: When one is empty for the whole set.
        """
        if not len(self):
            return
        for name in sorted(wanted.values):
            if np.isnan(self.values[name]).all():
                raise VlitError(
                    f"select weighs samples by {name!r}, which gives no value to any of them",
                    where="select.keep",
                    todo=_instead(name, self.groups.get(name)),
                )
        for name in sorted(wanted.groups - frozenset(PLAIN_GROUPS)):
            if (self.groups[name].codes == NONE).all():
                raise VlitError(
                    f"select groups samples by {name!r}, which puts none of them into a group",
                    where="select.keep",
                    todo="name an indicator that groups samples, such as response_diversity, or task, source",
                )


def _instead(name: str, groups: Groups | None) -> str:
    if groups is not None and (groups.codes != NONE).any():
        return f"it groups samples: use `by: cluster_quota, of: {name}`"
    return "name another indicator, or see in the scores why it has none"


class Pool:
    """The samples that may be chosen.

    Args:
        columns: Of the whole set.
        rows: Which samples are in the pool, ascending.
        salt: Tells pools of different seeds apart.
    """

    def __init__(self, columns: Columns, rows: Ints, salt: int = 0) -> None:
        self._columns, self.rows, self._salt = columns, rows, salt
        drawn = columns.draws[rows]
        self.draws = mixed(drawn, 1 + salt) if salt else drawn

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Ints) -> Pool:
        """Some of its samples; ``places`` ascend."""
        return Pool(self._columns, self.rows[places], self._salt)

    def values(self, indicator: str) -> Floats:
        """Values of an indicator, shape (len,); NaN where there is none."""
        return self._columns.values[indicator][self.rows]

    def groups(self, name: str) -> Groups:
        """Groups of an indicator, or by task, source, paradigm.

        Raises:
            VlitError: When samples cannot be grouped like that.
        """
        if name not in self._columns.groups:
            raise VlitError(
                f"nothing here has a {name!r} to group by", todo=nearest(name, self._columns.groups)
            )
        return self._columns.groups[name].take(self.rows)

    def vectors(self, space: Space, places: Ints) -> npt.NDArray[np.float32]:
        """Vectors of some of its samples, shape (len(places), d); zero where there is none.

        Raises:
            VlitError: When nothing was embedded.
        """
        return self._source.vectors(space, self.rows[places])

    def texts(self) -> Iterator[tuple[str, str]]:
        """Instruction and response of each sample."""
        return self._source.texts(self.rows)

    @property
    def _source(self) -> Source:
        if self._columns.source is None:
            raise VlitError("only columns are known here", todo="choose by random, stratified or weighted")
        return self._columns.source


def crossed(groups: Sequence[Groups]) -> Groups:
    """Groups of samples that are alike in everything: counting x coco x cluster 3."""
    codes = groups[0].codes.astype(np.int64)
    names: list[str] = [*groups[0].names, "none"]
    codes = np.where(codes == NONE, len(names) - 1, codes)
    for other in groups[1:]:
        width = len(other.names) + 1
        right = np.where(other.codes == NONE, width - 1, other.codes)
        found, codes = np.unique(codes * width + right, return_inverse=True)
        right_names = [*other.names, "none"]
        names = [f"{names[pair // width]}, {right_names[pair % width]}" for pair in found.tolist()]
    return Groups(codes.astype(np.int32), names)
