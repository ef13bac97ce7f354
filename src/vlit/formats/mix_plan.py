"""The plan of a mixture: which piece of which set stands where. Arithmetic on columns, no text is read.

Every draw is a number that depends on the seed, the set's name and the record's id alone. So neither the order
of the records nor other sets change which samples of a set are drawn, and asking for more keeps what was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlit.data.ingredient import Ingredient
from vlit.formats.mix_config import MixConfig, MixSet
from vlit.formats.mix_read import Columns, Reading
from vlit.formats.mix_shares import Demand, shares

Numbers = npt.NDArray[np.int64]
Draws = npt.NDArray[np.uint64]

#: What a draw is for; draws of different salts are independent.
_OF_IMAGE, _IN_CONVERSATION, _IN_SET, _IN_MIXTURE = 1, 2, 3, 4


def spread(draws: Draws, salt: int, layer: npt.NDArray[Any] | int = 0) -> Draws:
    """Further uniform draws from uniform draws (the finaliser of splitmix64).

    Args:
        draws: Uniform 64-bit numbers.
        salt: What the new draws are for.
        layer: Tells copies of the same piece apart.
    """
    x = draws + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = x + np.asarray(layer).astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class Units:
    """The samples that a set has: each a conversation of one or several pieces, with its choices turned on.

    ``pieces[starts[u] : starts[u + 1]]`` are the pieces of unit ``u``, in the order of the conversation.
    """

    pieces: Numbers
    starts: Numbers
    turned: npt.NDArray[np.uint8]
    draw: Draws
    subject: Draws
    rounds: Numbers
    words: Numbers

    def __len__(self) -> int:
        return len(self.draw)


def units_of(columns: Columns, config: MixSet, lost: npt.NDArray[np.bool_]) -> Units:
    """Everything of a set taken once: limited per image, repeated by its choices, joined.

    Args:
        columns: Of the set's pieces.
        config: Of the set.
        lost: True for pieces that turned out to be unusable.
    """
    pieces = np.flatnonzero(~lost)
    if config.per_image is not None:
        pieces = _some_of_each(pieces, columns["photo"], columns["draw"], config.per_image)
    times = columns["times"][pieces].astype(np.int64)
    turned = _counted_up(times).astype(np.uint8)
    pieces = np.repeat(pieces, times)
    draw = columns["draw"][pieces]
    order, starts = conversations(
        columns["subject"][pieces] if config.join else np.zeros(len(pieces), np.uint64),
        turned.astype(np.int64),
        spread(draw, _IN_CONVERSATION),
        columns["rounds"][pieces],
        columns["words"][pieces],
        config.max_rounds,
        config.max_words,
    )
    pieces, turned, first = pieces[order], turned[order], starts[:-1]
    return Units(
        pieces=pieces,
        starts=starts,
        turned=turned[first],
        draw=spread(columns["draw"][pieces[first]], _IN_SET, turned[first]),
        subject=columns["subject"][pieces[first]],
        rounds=_sums(columns["rounds"][pieces], first),
        words=_sums(columns["words"][pieces], first),
    )


def _some_of_each(pieces: Numbers, photo: Draws, draw: Draws, most: int) -> Numbers:
    """At most so many pieces of each photo, those with the lowest draws; pieces without a photo all stay."""
    order = pieces[np.lexsort((spread(draw[pieces], _OF_IMAGE), photo[pieces]))]
    place = _counted_up(np.diff(_bounds(photo[order])))
    return np.sort(order[(place < most) | (photo[order] == 0)])


def conversations(
    subject: Draws,
    layer: Numbers,
    rank: Draws,
    rounds: npt.NDArray[Any],
    words: npt.NDArray[Any],
    max_rounds: int | None,
    max_words: int | None,
) -> tuple[Numbers, Numbers]:
    """Put together what has the same subject, in the order of the ranks.

    Args:
        subject: Equal numbers can be joined; 0 never.
        layer: Only what has the same layer is joined.
        rank: Order within a conversation.
        rounds: Of each item.
        words: Of each item.
        max_rounds: A conversation that would have more goes on as another one.
        max_words: Likewise.

    Returns:
        The items in a new order, and where each conversation starts in it, with the end as the last number. The
        conversations are in the order of their earliest items.
    """
    count = len(subject)
    if not subject.any():
        return np.arange(count), np.arange(count + 1)
    order = np.lexsort((rank, layer, subject))
    starts_new = np.ones(count, bool)
    same = (subject[order][1:] == subject[order][:-1]) & (layer[order][1:] == layer[order][:-1])
    starts_new[1:] = ~same | (subject[order][1:] == 0)
    if max_rounds is not None or max_words is not None:
        limits = (max_rounds or np.inf, max_words or np.inf)
        _limit(starts_new, rounds[order].tolist(), words[order].tolist(), limits)
    starts = np.append(np.flatnonzero(starts_new), count)
    by_first = np.argsort(np.minimum.reduceat(order, starts[:-1]))
    lengths = np.diff(starts)[by_first]
    return order[_ranges(starts[by_first], lengths)], np.append(0, np.cumsum(lengths))


def _limit(
    starts_new: npt.NDArray[np.bool_], rounds: list[int], words: list[int], limits: tuple[float, float]
) -> None:
    """Start a new conversation where the next item would make one too long."""
    r = w = 0
    for i, joins in enumerate((~starts_new).tolist()):
        r, w = r + rounds[i], w + words[i]
        if not joins or r > limits[0] or w > limits[1]:
            starts_new[i] = True
            r, w = rounds[i], words[i]


@dataclass(frozen=True)
class Mixture:
    """The samples of a mixture in their order, as slots that are filled with pieces.

    ``starts[s]`` to ``starts[s + 1]`` are the slots of sample ``s``.
    """

    of_set: npt.NDArray[np.int32]  #: for each slot, the number of the set
    piece: Numbers  #: number within the set
    turned: npt.NDArray[np.uint8]  #: places that the choices are moved up
    copy: npt.NDArray[np.int32]  #: 1 for the first use of a sample
    starts: Numbers
    sizes: tuple[int, ...]  #: of each set: samples when everything in it is taken once

    def __len__(self) -> int:
        return len(self.starts) - 1


def plan(readings: Sequence[Reading], lost: Sequence[npt.NDArray[np.bool_]], config: MixConfig) -> Mixture:
    """Draw from each set what it is to give, join across sets, and put all in order.

    Args:
        readings: The sets.
        lost: For each set and piece, whether it turned out to be unusable.
        config: Of the mixture.

    Raises:
        VlitError: When the sets have less than the recipe asks for.
    """
    units = [units_of(r.columns, r.config, gone) for r, gone in zip(readings, lost, strict=True)]
    demands = [_demand(len(u), r.config, config) for u, r in zip(units, readings, strict=True)]
    numbers = shares(demands, config.total)
    drawn = [_drawn(u.draw, n) for u, n in zip(units, numbers, strict=True)]
    of_set = np.repeat(np.arange(len(units)), [len(unit) for unit, _ in drawn])
    unit, copy = (np.concatenate(part) for part in zip(*drawn, strict=True))

    def each(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([v[u] for v, (u, _) in zip(values, drawn, strict=True)])

    turned, draw = each([u.turned for u in units]), each([u.draw for u in units])
    lengths = each([np.diff(u.starts) for u in units])
    order, starts = conversations(
        each([u.subject for u in units]) if config.join else np.zeros(len(unit), np.uint64),
        copy.astype(np.int64) * 256 + turned,
        spread(draw, _IN_CONVERSATION, copy),
        each([u.rounds for u in units]),
        each([u.words for u in units]),
        config.max_rounds,
        config.max_words,
    )
    if config.order == "shuffled":
        place = np.argsort(spread(draw, _IN_MIXTURE, copy)[order[starts[:-1]]], kind="stable")
        size = np.diff(starts)[place]
        order, starts = order[_ranges(starts[place], size)], np.append(0, np.cumsum(size))
    # From drawn units to their pieces: the pieces of all sets lie one set after another.
    before = np.cumsum([0, *(len(u.pieces) for u in units)])
    at = each([u.starts[:-1] for u in units]) + before[of_set]
    slots = _ranges(at[order], lengths[order])
    again = np.repeat(order, lengths[order])
    return Mixture(
        of_set=of_set[again].astype(np.int32),
        piece=np.concatenate([u.pieces for u in units])[slots],
        turned=turned[again],
        copy=copy[again].astype(np.int32),
        starts=np.append(0, np.cumsum(lengths[order]))[starts],
        sizes=tuple(map(len, units)),
    )


def _demand(size: int, config: MixSet, mix: MixConfig) -> Demand:
    copies = config.allowed_copies(mix.total)
    return Demand(config.name, size, config.weight, config.floor, config.cap, copies)


def _drawn(draw: Draws, n: int) -> tuple[Numbers, Numbers]:
    """Units and the number of their copy: whole copies in the set's order, then those with the lowest draws."""
    whole, rest = divmod(n, len(draw)) if len(draw) else (0, 0)
    some = np.sort(np.argsort(draw, kind="stable")[:rest])
    units = np.concatenate([np.tile(np.arange(len(draw)), whole), some])
    return units, np.concatenate([np.repeat(np.arange(whole) + 1, len(draw)), np.full(rest, whole + 1)])


def account(
    readings: Sequence[Reading], lost: Sequence[npt.NDArray[np.bool_]], mix: Mixture
) -> list[Ingredient]:
    """What each set brought into the mixture, and where the rest of it went."""
    first = np.zeros(len(mix.piece), bool)
    first[mix.starts[:-1]] = True
    rows = []
    for number, (reading, gone) in enumerate(zip(readings, lost, strict=True)):
        here, record = mix.of_set == number, reading.columns["record"]
        pieces = np.unique(mix.piece[here])
        kept, lost_later = len(np.unique(record[pieces])), len(np.unique(record[gone]))
        begun = int(np.count_nonzero(first & here))
        config = reading.config
        rows.append(
            Ingredient(
                name=config.name,
                path=str(config.run or config.path),
                format=reading.table,
                licence=config.licence,
                weight=config.weight,
                read=reading.usable + reading.dropped,
                quarantined=reading.dropped + lost_later,
                left_out=reading.usable - lost_later - kept,
                kept=kept,
                size=mix.sizes[number],
                split=len(pieces) - kept,
                repeated=int(np.count_nonzero(here)) - len(pieces),
                joined=int(np.count_nonzero(here)) - begun,
                samples=begun,
                share=begun / len(mix) if len(mix) else 0.0,
            )
        )
    return rows


def _bounds(values: npt.NDArray[Any]) -> Numbers:
    """Where runs of equal values begin, and the end."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate([[0], changes, [len(values)]]) if len(values) else np.zeros(1, np.int64)


def _counted_up(lengths: npt.NDArray[Any]) -> Numbers:
    """0, 1, 2 ... anew for each length."""
    return _ranges(np.zeros(len(lengths), np.int64), lengths)


def _ranges(starts: Numbers, lengths: npt.NDArray[Any]) -> Numbers:
    """``start, start + 1 ...`` as many as each length says, one after another."""
    ends = np.cumsum(lengths)
    count = int(ends[-1]) if len(ends) else 0
    found: Numbers = np.arange(count) + np.repeat(starts - (ends - lengths), lengths)
    return found


def _sums(values: npt.NDArray[Any], starts: Numbers) -> Numbers:
    return np.add.reduceat(values, starts).astype(np.int64) if len(starts) else np.zeros(0, np.int64)
