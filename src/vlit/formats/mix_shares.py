"""How many samples each set of a mixture gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vlit.data.errors import VlitError


@dataclass(frozen=True)
class Demand:
    """What the recipe wants of one set, and what the set has.

    Args:
        name: Of the set, for errors.
        size: Samples that it gives when everything in it is taken once.
        weight: Times its size, or a share of the total.
        floor: At least so many.
        cap: At most so many.
        copies: How often each sample may be used.
    """

    name: str
    size: int
    weight: float = 1.0
    floor: int = 0
    cap: int | None = None
    copies: int = 1

    @property
    def most(self) -> int:
        """What it can give at most."""
        has = self.size * self.copies
        return has if self.cap is None else min(has, self.cap)

    @property
    def exact_weight(self) -> Fraction:
        """The weight as it is written, not as the nearest binary fraction."""
        return Fraction(repr(self.weight))


def shares(sets: Sequence[Demand], total: int | None = None) -> list[int]:
    """Samples that each set gives.

    Without a total, a set gives weight x size, rounded half up, then at least its floor and at most its cap and
    size x copies. With a total, the numbers are proportional to the weights, as far as floors, caps and sizes
    allow: what one set cannot give is shared out among those that still have samples. They add up to the total;
    fractions go by largest remainder, and among equals to the set that is named first.

    Raises:
        VlitError: When a floor or the total is more than there is.
    """
    for s in sets:
        if s.floor > s.most:
            copies = f", or set its copies to {-(-s.floor // s.size):,}" if s.size else ""
            times = f", each used {s.copies:,} times" if s.copies > 1 else ""
            raise VlitError(
                f"the set {s.name!r} is to give at least {s.floor:,} samples and has {s.size:,}{times}",
                where="mix.sets",
                todo="lower its floor" + copies,
            )
    if total is None:
        return [min(max(int(s.exact_weight * s.size + Fraction(1, 2)), s.floor), s.most) for s in sets]
    there = sum(s.most for s in sets)
    if there < total:
        raise VlitError(
            f"the mixture is to have {total:,} samples, and its sets can give {there:,}",
            where="mix.total",
            todo="lower it, raise caps, or give some sets more copies",
        )
    return _rounded(_filled(sets, total))


def _filled(sets: Sequence[Demand], total: int) -> list[Fraction]:
    """Exact shares between floor and most.

    Shares that are out of their bounds are set to the bound, those on the side that weighs more first, and the
    rest is shared out anew, until all are within.
    """
    found: dict[int, Fraction] = {}
    while len(found) < len(sets):
        open_ = [i for i in range(len(sets)) if i not in found]
        rest, weights = total - sum(found.values()), sum(sets[i].exact_weight for i in open_)
        wanted = {i: rest * sets[i].exact_weight / weights for i in open_}
        within = {i: min(max(wanted[i], Fraction(sets[i].floor)), Fraction(sets[i].most)) for i in open_}
        excess = sum(within.values()) - rest
        for i in open_:
            if excess == 0 or (within[i] - wanted[i]) * excess > 0:
                found[i] = within[i]
    return [found[i] for i in range(len(sets))]


def _rounded(exact: Sequence[Fraction]) -> list[int]:
    whole = [int(x) for x in exact]
    missing = int(sum(exact)) - sum(whole)
    by_remainder = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], i))
    return [n + (i in by_remainder[:missing]) for i, n in enumerate(whole)]
