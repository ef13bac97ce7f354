"""What can be told of a choice: for each sample its quota and the value that decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vlit.select.method import Choice
from vlit.select.quotas import Ints


@dataclass(frozen=True)
class Told:
    """Why samples were chosen or not, for each sample of the set."""

    by: str  #: the method
    codes: npt.NDArray[Any] | None = None  #: into ``quotas``; one more than there are where there is none
    quotas: tuple[str, ...] = ()  #: "counting, coco: 12 of 430"
    values: npt.NDArray[np.float32] | None = None  #: NaN where there is none
    label: str = ""  #: what the values are
    cut: float | None = None  #: the lowest value that was chosen
    remark: str = ""  #: of the whole choice

    def slice(self, start: int, end: int) -> Told:
        """Of a part of the set."""
        codes = None if self.codes is None else self.codes[start:end]
        return replace(self, codes=codes, values=None if self.values is None else self.values[start:end])

    def why(self, place: int) -> str:
        """How the choice came about for one sample."""
        said = []
        if self.codes is not None and self.codes[place] < len(self.quotas):
            said.append(self.quotas[self.codes[place]])
        if self.values is not None and not np.isnan(value := self.values[place]):
            cut = "" if self.cut is None else f", the cut is {self.cut:.4g}"
            said.append(f"{self.label} {value:.4g}{cut}")
        said += [self.remark] if self.remark else []
        return self.by + (f": {'; '.join(said)}" if said else "")


def told_of(choice: Choice, rows: Ints, size: int, by: str) -> Told:
    """What a choice tells.

    Args:
        choice: Among the samples of a pool.
        rows: Where these stand in the set.
        size: Samples of the set.
        by: Name of the method.
    """
    told = Told(by, label=choice.label, remark=choice.remark)
    if choice.values is not None:
        values = np.full(size, np.nan, np.float32)
        values[rows] = choice.values
        told = replace(told, values=values, cut=choice.cut if choice.groups is None else None)
    if choice.groups is not None:
        names = choice.groups.names
        sizes = np.bincount(choice.groups.codes, minlength=len(names)).tolist()
        given = np.bincount(choice.groups.codes[choice.chosen], minlength=len(names)).tolist()
        quotas = tuple(f"{name}: {g:,} of {s:,}" for name, g, s in zip(names, given, sizes, strict=False))
        codes = np.full(size, len(quotas), np.min_scalar_type(len(quotas)))
        codes[rows] = choice.groups.codes
        told = replace(told, codes=codes, quotas=quotas)
    return told


def lack(number: int, passing: int, by: str) -> Told:
    """All that pass are chosen; where that is fewer than were asked for, everyone says so."""
    return Told(by, remark=f"only {passing:,} pass, and {number:,} were asked for" if passing < number else "")
