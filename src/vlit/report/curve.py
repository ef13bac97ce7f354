"""The loss curve of a stage of tuning as points of a chart; the template only draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlit.report.charts import Tick, short

#: Points of a curve at most: a long run is drawn by the means of as many stretches.
POINTS = 160


@dataclass(frozen=True)
class Point:
    """A measured loss, weighted by the label tokens that it is the mean of."""

    step: int
    loss: float
    weight: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A measurement as the chart marks it: where, and what it says."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Curve:
    """Training and held-out loss; x and y in per cent of the frame, y downwards."""

    training: str  #: points of a polyline
    held_out: str
    dots: tuple[Dot, ...]  #: held-out measurements
    rows: tuple[Tick, ...]  #: values of the loss and their heights, as ``x``
    columns: tuple[Tick, ...]  #: steps
    summary: str


def curve(training: Sequence[Point], held_out: Sequence[Point]) -> Curve | None:
    """The chart, or ``None`` where there are not two measurements to draw a line between."""
    training, held_out = _finite(training), _finite(held_out)
    drawn = _means(training)
    if len(drawn) < 2 and len(held_out) < 2:
        return None
    every = [*drawn, *held_out]
    first, last = min(p.step for p in every), max(p.step for p in every)
    top = _round_up(max(p.loss for p in every))

    def place(p: Point) -> tuple[float, float]:
        return 100 * (p.step - first) / max(1, last - first), 100 - 100 * p.loss / top

    return Curve(
        training=_line([place(p) for p in drawn]),
        held_out=_line([place(p) for p in held_out]),
        dots=tuple(Dot(*place(p), f"held out: {short(p.loss)} at step {p.step:,}") for p in held_out),
        rows=tuple(Tick(100 - 25 * i, short(top * i / 4)) for i in range(5)),
        columns=tuple(Tick(x, f"{round(first + x / 100 * (last - first)):,}") for x in (0, 25, 50, 75, 100)),
        summary=_summary(drawn, held_out),
    )


def _finite(points: Sequence[Point]) -> list[Point]:
    """In the order of the steps, without what is no number."""
    return sorted((p for p in points if math.isfinite(p.loss)), key=lambda p: p.step)


def _means(points: Sequence[Point]) -> list[Point]:
    """Means of equal stretches of steps, so that a curve of any length has at most ``POINTS`` points."""
    size = -(-len(points) // POINTS)
    found = []
    for start in range(0, len(points), size or 1):
        part = points[start : start + size]
        weight = sum(p.weight for p in part)
        total = sum(p.loss * p.weight for p in part)
        loss = total / weight if weight else sum(p.loss for p in part) / len(part)
        found.append(Point(part[len(part) // 2].step, loss, weight))
    return found


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten: its quarters are short numbers."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * n for n in (1, 2, 4, 6, 8, 10, 20) if power * n >= value * (1 - 1e-9))


def _line(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)


def _summary(training: Sequence[Point], held_out: Sequence[Point]) -> str:
    said = [
        f"{name} from {short(points[0].loss)} to {short(points[-1].loss)}"
        for name, points in (("training loss", training), ("held-out loss", held_out))
        if points
    ]
    return ", ".join(said)
