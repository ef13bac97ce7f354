"""Geometry of the charts, in per cent of their frame; the template only draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlit.report.distributions import Distribution
from vlit.report.totals import TaskCount

#: A bar that towers over all others by this factor is drawn broken, so that the others can be read.
TOWER = 6

#: A bar that counts something is never lower than this, in per cent: one sample in a million can be seen.
LOWEST = 2.0

#: Words of identifiers that are written in capitals.
ACRONYMS = frozenset({"clip", "llm", "lm", "ocr", "qa", "vlit", "vqa"})


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram."""

    x: float
    width: float
    height: float
    cut: bool  #: lies outside what a gate lets through
    title: str
    note: str = ""  #: count beside a bar that is drawn lower than it is
    above: str = ""  #: count over the bar, where there are only a few bars


@dataclass(frozen=True)
class Line:
    """A vertical line with its label; the label stands left of the line where ``left`` is set."""

    x: float
    label: str
    left: bool


@dataclass(frozen=True)
class Tick:
    """A label under the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """A histogram with the bounds of its gate and the median."""

    bars: tuple[Bar, ...]
    gates: tuple[Line, ...]
    median: float
    ticks: tuple[Tick, ...]
    summary: str
    same: str = ""  #: the value of all samples, where they have but one: nothing to draw


@dataclass(frozen=True)
class TaskBar:
    """Generated and kept samples of a task, as widths."""

    task: str
    generated: int
    kept: int | None
    generated_width: float
    kept_width: float
    share: float  #: of all kept samples, or of all where nothing was selected, in per cent


def histogram(found: Distribution) -> Histogram:
    """Bars from ``found.start`` to ``found.end``, or one for each value where there are only a few."""
    bars, gates, median = _by_value(found) if found.steps else _by_bin(found)
    summary = f"{found.scored:,} samples from {short(found.low)} to {short(found.high)}"
    summary += f", median {short(found.median)}" + "".join(f", kept {gate.label}" for gate in gates)
    ticks = [
        Tick(bar.x + bar.width / 2, short(value)) for bar, (value, _) in zip(bars, found.steps, strict=False)
    ]
    tallest = f"tallest bar: {plural(max(found.counts, default=0), 'sample')}"
    ticks = ticks or [Tick(0, short(found.start)), Tick(50, tallest), Tick(100, short(found.end))]
    same = short(found.low) if found.low == found.high else ""
    return Histogram(tuple(bars), tuple(gates), median, tuple(ticks), summary, same)


def _by_bin(found: Distribution) -> tuple[list[Bar], list[Line], float]:
    second, top = sorted(found.counts)[-2:]
    scale = 1.6 * second if 0 < TOWER * second < top else top
    width = 100 / len(found.counts)
    step = (found.end - found.start) / len(found.counts)
    bars = []
    for place, count in enumerate(found.counts):
        low = found.start + place * step
        if count:
            label = f"{count:,} from {short(low)} to {short(low + step)}"
            height = min(100.0, max(LOWEST, 100 * count / scale))
            note = f"{count:,}" if count > scale else ""
            bars.append(Bar(place * width, width, height, _outside(low, low + step, found), label, note))
    gates = []
    for value, word in _bounds(found):
        beyond = "← " if value < found.start else "→ " if value > found.end else ""
        gates.append(_line(_place(value, found), beyond + word, value))
    return bars, gates, _place(found.median, found)


def _by_value(found: Distribution) -> tuple[list[Bar], list[Line], float]:
    top = max(count for _, count in found.steps)
    slot = 100 / len(found.steps)
    width = min(0.6 * slot, 22.0)
    bars = [
        Bar(
            (i + 0.5) * slot - width / 2,
            width,
            max(LOWEST, 100 * n / top),
            _outside(v, v, found),
            f"{n:,} at {short(v)}",
            above=compact(n),
        )
        for i, (v, n) in enumerate(found.steps)
    ]
    # A gate stands between the last value that passes and the first that does not.
    gates = []
    for value, word in _bounds(found):
        below = sum(v < value if word == "at least" else v <= value for v, _ in found.steps)
        gates.append(_line(below * slot, word, value))
    nearest = min(range(len(found.steps)), key=lambda i: abs(found.steps[i][0] - found.median))
    return bars, gates, (nearest + 0.5) * slot


def _bounds(found: Distribution) -> list[tuple[float, str]]:
    both = ((found.bounds.low, "at least"), (found.bounds.high, "at most"))
    return [(value, word) for value, word in both if value is not None]


def _line(x: float, word: str, value: float) -> Line:
    return Line(x, f"{word} {short(value)}", left=x > 50)


def task_bars(tasks: Sequence[TaskCount]) -> list[TaskBar]:
    """Bars relative to the largest task."""
    top = max((t.generated for t in tasks), default=0) or 1
    whole = sum(_chosen(t) for t in tasks) or 1
    return [
        TaskBar(
            t.task,
            t.generated,
            t.kept,
            100 * t.generated / top,
            100 * _chosen(t) / top,
            100 * _chosen(t) / whole,
        )
        for t in tasks
    ]


def _chosen(task: TaskCount) -> int:
    return task.generated if task.kept is None else task.kept


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
    if abs(value) < 1e-3:
        return f"{value:.3g}"
    return f"{value:.{2 - _magnitude(value)}f}".rstrip("0").rstrip(".")


def compact(count: int) -> str:
    """A count in at most five characters: ``9,999``, ``12.3k``, ``4.6M``."""
    if count >= 999_500:
        return f"{count / 1e6:.3g}M"
    return f"{count / 1e3:.3g}k" if count >= 10_000 else f"{count:,}"


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


def plural(number: int, word: str) -> str:
    """``1 photo``, ``2 photos``, ``1,000 boxes``."""
    if number == 1:
        return f"1 {word}"
    ending = "es" if word.endswith(("x", "s")) else "s"
    return f"{number:,} {word}{ending}"


def words(name: str) -> str:
    """An identifier as words: ``text_readability`` -> ``Text readability``, ``open_vqa`` -> ``Open VQA``."""
    text = " ".join(w.upper() if w in ACRONYMS else w for w in name.replace("_", " ").replace("-", " ").split())
    return text[:1].upper() + text[1:]


def rule_words(rule: str) -> str:
    """What a verdict's rule is called in a sentence."""
    return {"cap": "cap on the task", "keep": "not chosen"}.get(rule, words(rule).lower())


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _outside(low: float, high: float, found: Distribution) -> bool:
    """Whether nothing from ``low`` to ``high`` passes; a value on a bound passes."""
    least, most = found.bounds.low, found.bounds.high
    under = least is not None and (high <= least if high > low else high < least)
    return under or (most is not None and low > most)


def _place(value: float, found: Distribution) -> float:
    if found.end <= found.start:
        return 50.0
    return min(100.0, max(0.0, 100 * (value - found.start) / (found.end - found.start)))
