"""Geometry of the charts, in per cent of their frame; the template only draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlit.report.distributions import Distribution
from vlit.report.totals import TaskCount

#: A bar that counts something is never lower than this, in per cent: one sample in a million can be seen.
LOWEST = 2.0


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram."""

    x: float
    width: float
    height: float
    cut: bool  #: lies outside what a gate lets through
    title: str


@dataclass(frozen=True)
class Line:
    """A vertical line with its label; the label stands left of the line where ``left`` is set."""

    x: float
    label: str
    left: bool


@dataclass(frozen=True)
class Histogram:
    """A histogram with the bounds of its gate and the median."""

    bars: tuple[Bar, ...]
    gates: tuple[Line, ...]
    median: float
    start: str
    end: str
    summary: str


@dataclass(frozen=True)
class TaskBar:
    """Generated and kept samples of a task, as widths."""

    task: str
    generated: int
    kept: int | None
    generated_width: float
    kept_width: float


def histogram(found: Distribution) -> Histogram:
    """Bars from ``found.start`` to ``found.end``."""
    top = max(found.counts, default=0) or 1
    number = len(found.counts)
    width = 100 / number if number else 100.0
    step = (found.end - found.start) / number if number else 0.0
    bars = []
    for place, count in enumerate(found.counts):
        if not count:
            continue
        middle = found.start + (place + 0.5) * step if step else found.start
        label = (
            f"{count:,} from {short(found.start + place * step)} to {short(found.start + (place + 1) * step)}"
        )
        height = max(LOWEST, 100 * count / top)
        bars.append(Bar(place * width, width, height, _outside(middle, found), label))
    gates = []
    for value, word in ((found.bounds.low, "at least"), (found.bounds.high, "at most")):
        if value is not None:
            x = _place(value, found)
            gates.append(Line(x, f"{word} {short(value)}", left=x > 60))
    median = f"median {short(found.median)}"
    summary = f"{found.scored:,} samples from {short(found.low)} to {short(found.high)}, {median}"
    for gate in gates:
        summary += f", kept {gate.label}"
    return Histogram(
        tuple(bars), tuple(gates), _place(found.median, found), short(found.start), short(found.end), summary
    )


def task_bars(tasks: Sequence[TaskCount]) -> list[TaskBar]:
    """Bars relative to the largest task."""
    top = max((t.generated for t in tasks), default=0) or 1
    return [
        TaskBar(t.task, t.generated, t.kept, 100 * t.generated / top, 100 * (t.kept or 0) / top) for t in tasks
    ]


def short(value: float | None) -> str:
    """A number with three significant digits, thousands separated."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1e-3 else f"{value:.{max(0, 2 - _magnitude(value))}f}"


def percent(part: float, whole: float) -> str:
    """A share in per cent; only a true none and a true all are written as 0 and 100."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"


def words(name: str) -> str:
    """An identifier as words: ``text_readability`` -> ``Text readability``."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _outside(value: float, found: Distribution) -> bool:
    low, high = found.bounds.low, found.bounds.high
    return (low is not None and value < low) or (high is not None and value > high)


def _place(value: float, found: Distribution) -> float:
    if found.end <= found.start:
        return 50.0
    return min(100.0, max(0.0, 100 * (value - found.start) / (found.end - found.start)))
