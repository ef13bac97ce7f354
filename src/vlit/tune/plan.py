"""Which samples each optimiser step holds, how they share rows, and which process computes them.

Source of the packing: best-fit decreasing (Johnson, 1974), at most 11/9 of the fewest rows plus one.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from vlit.data.seeds import draw

Row = list[int]  #: samples that share a row, by their place in the source
MicroBatch = list[Row]  #: rows that are computed together


@dataclass(frozen=True)
class Step:
    """One optimiser step. All processes have equally many micro-batches, some of which may have no rows."""

    rows: tuple[tuple[MicroBatch, ...], ...]  #: ``rows[process][micro-batch][row]``

    @property
    def samples(self) -> list[int]:
        """Its samples, by process, micro-batch and row."""
        return [index for process in self.rows for micro in process for row in micro for index in row]

    @property
    def micro_batches(self) -> int:
        """Of each process."""
        return len(self.rows[0])


def count_steps(samples: int, *, batch: int, epochs: float, steps: int | None = None) -> int:
    """Optimiser steps of a stage: ``steps`` where they are given, else those of so many epochs.

    A part of an epoch is rounded up to a step. There are none without samples.
    """
    if samples == 0:
        return 0
    return steps if steps is not None else max(1, ceil(round(epochs * ceil(samples / batch), 6)))


def epoch_steps(
    lengths: NDArray[np.integer], *, seed: int, epoch: int, batch: int, row: int, processes: int, pack: bool
) -> list[Step]:
    """The steps of an epoch: each sample once, in an order drawn from seed and epoch. Depends on nothing else.

    Args:
        lengths: (n,) tokens of each sample.
        seed: Of the stage.
        epoch: From 0. Epoch 0 begins with its heaviest step, so that memory runs out at once or not at all.
        batch: Samples of a step, over all processes; the last step holds what is left.
        row: Tokens of a row of several documents, and of a padded micro-batch. A sample that is longer stands
            alone.
        processes: That share the work. Their tokens differ by about one sample, of many.
        pack: Whether documents share rows, a row to a micro-batch. Else samples of like length are padded.

    Raises:
        ValueError: When ``batch``, ``row`` or ``processes`` is below 1.
    """
    if min(batch, row, processes) < 1:
        raise ValueError(f"batch, row and processes are at least 1; found {batch}, {row} and {processes}")
    tokens = lengths.tolist()
    order = shuffled(len(tokens), seed, epoch).tolist()
    share = _packed if pack else _padded
    found = [
        share(order[start : start + batch], tokens, row, processes) for start in range(0, len(order), batch)
    ]
    if epoch == 0 and found:
        heaviest = max(range(len(found)), key=lambda i: _weight(found[i], tokens))
        found.insert(0, found.pop(heaviest))
    return found


def shuffled(count: int, seed: int, epoch: int) -> NDArray[np.intp]:
    """A permutation of ``range(count)`` that is the same in every version of numpy."""
    bits = np.random.PCG64(draw(seed, "order", str(epoch)))  # its raw stream is guaranteed, shuffle() is not
    return np.argsort(bits.random_raw(count), kind="stable")


def best_fit(samples: Sequence[int], tokens: Sequence[int], row: int) -> list[Row]:
    """Samples in as few rows as best-fit decreasing finds: from the longest on, where least room is left."""
    rows: list[Row] = []
    room: list[tuple[int, int]] = []  # (tokens left, row), ascending
    for index in sorted(samples, key=lambda i: (-tokens[i], i)):
        length = tokens[index]
        at = bisect_left(room, (length, -1))
        if at < len(room):
            left, number = room.pop(at)
            rows[number].append(index)
        else:
            left, number = row, len(rows)
            rows.append([index])
        insort(room, (left - length, number))
    return rows


def spread(items: Sequence[int], weights: Sequence[int], bins: int, most: int | None = None) -> list[list[int]]:
    """Items dealt to bins of nearly equal weight: each, from the heaviest on, to the lightest bin.

    Args:
        items: Places in ``weights``.
        weights: Of all.
        bins: How many.
        most: Items of a bin.
    """
    found: list[list[int]] = [[] for _ in range(bins)]
    heap = [(0, number) for number in range(bins)]
    for item in sorted(items, key=lambda i: (-weights[i], i)):
        weight, number = heap[0]
        found[number].append(item)
        if most is not None and len(found[number]) == most:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (weight + weights[item], number))
    return found


def efficiency(steps: Sequence[Step], lengths: NDArray[np.integer]) -> float:
    """Share of computed places that hold a token, between 0 and 1: what is missing is padding."""
    tokens = lengths.tolist()
    micros = [micro for step in steps for process in step.rows for micro in process]
    area = sum(_area(micro, tokens) for micro in micros)
    return sum(tokens[i] for step in steps for i in step.samples) / area if area else 1.0


def filled(steps: Sequence[Step], lengths: NDArray[np.integer], row: int) -> float:
    """Share of the budget of ``row`` tokens that micro-batches use; the rest is room that nothing fitted."""
    tokens = lengths.tolist()
    room = sum(step.micro_batches * len(step.rows) for step in steps) * row
    return sum(tokens[i] for step in steps for i in step.samples) / room if room else 1.0


def _packed(samples: list[int], tokens: list[int], row: int, processes: int) -> Step:
    tight = best_fit(samples, tokens, row)
    each = ceil(len(tight) / processes)
    # As many rows as there are places, of equal length: no process waits, and the peak of memory is lowest.
    # Where equal rows do not fit, which is when they are nearly full, the tight ones are dealt out.
    even = [found for found in spread(samples, tokens, each * processes) if found]
    rows = even if max(sum(tokens[i] for i in r) for r in even) <= row else tight
    weights = [sum(tokens[i] for i in r) for r in rows]
    shares = spread(range(len(rows)), weights, processes, most=each)
    return Step(tuple(_filled_up([[rows[i]] for i in share], each) for share in shares))


def _padded(samples: list[int], tokens: list[int], row: int, processes: int) -> Step:
    shares = spread(samples, tokens, processes, most=ceil(len(samples) / processes))
    groups = [_groups(share, tokens, row) for share in shares]
    each = max(len(found) for found in groups)
    for found in groups:  # rather two smaller ones than one and an empty one
        while len(found) < each and len(largest := max(found, key=len, default=[])) > 1:
            at, half = found.index(largest), len(largest) // 2
            found[at : at + 1] = [largest[:half], largest[half:]]
    return Step(tuple(_filled_up([[[i] for i in group] for group in found], each) for found in groups))


def _groups(samples: list[int], tokens: list[int], row: int) -> list[list[int]]:
    """Samples of like length, at most ``row`` tokens to a group when all are as long as its first."""
    found: list[list[int]] = []
    for index in sorted(samples, key=lambda i: (-tokens[i], i)):
        if found and (len(found[-1]) + 1) * tokens[found[-1][0]] <= row:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def _filled_up(micros: list[MicroBatch], count: int) -> tuple[MicroBatch, ...]:
    return (*micros, *([] for _ in range(count - len(micros))))


def _area(micro: MicroBatch, tokens: Sequence[int]) -> int:
    return len(micro) * max((sum(tokens[i] for i in row) for row in micro), default=0)


def _weight(step: Step, tokens: Sequence[int]) -> tuple[int, int]:
    """What takes memory, then what takes time: its largest micro-batch, then all its tokens."""
    areas = [_area(micro, tokens) for process in step.rows for micro in process]
    return max(areas), sum(areas)
