"""A page with sets side by side, as the review's Table 3."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlit.assess.compare import Cell, Comparison, Line
from vlit.data.store import atomic
from vlit.report.charts import short, words
from vlit.report.page import templates

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ShownCell:
    """A cell as it is read: the number with its margin, or a dash and why."""

    text: str
    title: str
    best: bool = False


@dataclass(frozen=True)
class ShownRow:
    """A line of the table; the principle is named once."""

    principle: str
    indicator: str
    form: str
    direction: str
    cells: tuple[ShownCell, ...]


def table_rows(found: Comparison) -> Iterator[ShownRow]:
    """The lines of the comparison, ready to be printed."""
    before = ""
    for line in found.lines:
        principle, before = ("" if line.principle == before else line.principle), line.principle
        best = _best(line)
        cells = tuple(_shown(cell, place == best) for place, cell in enumerate(line.cells))
        yield ShownRow(principle, words(line.indicator), line.form, line.direction, cells)


def _shown(cell: Cell, best: bool) -> ShownCell:
    if cell.value is None:
        return ShownCell("–", _why(cell))
    value = short(cell.value)
    margin = f" ± {_as_exact(cell.margin, value)}" if cell.margin else ""
    return ShownCell(f"{value}{margin}", f"{cell.n:,} samples", best)


def _as_exact(margin: float, value: str) -> str:
    """A margin with the decimals of its value, and at least one digit that is not 0."""
    decimals = len(value.partition(".")[2]) if "e" not in value else 0
    needed = 1 - math.floor(math.log10(margin)) if margin < 1 else 1
    return short(round(margin, min(max(decimals, needed - 1), needed)))


def _best(line: Line) -> int | None:
    """The set that is better than each other one by more than the margins of both; ``None`` where none is.

    Numbers of a whole set have no margin: how far another draw would move them is not known, so none is best.
    """
    sign = {"higher is better": 1, "lower is better": -1}.get(line.direction)
    found = [(place, cell) for place, cell in enumerate(line.cells) if cell.value is not None]
    if sign is None or len(found) < 2 or any(cell.margin is None for _, cell in found):
        return None
    (place, first), *others = sorted(found, key=lambda item: -sign * (item[1].value or 0.0))
    gaps = (
        sign * ((first.value or 0.0) - (c.value or 0.0)) - (first.margin or 0) - (c.margin or 0)
        for _, c in others
    )
    return place if min(gaps) > 0 else None


def missing(found: Comparison) -> list[tuple[str, str, list[str]]]:
    """Why numbers are missing: a set, a reason, and the indicators that it holds for."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for place, name in enumerate(found.names):
        for line in found.lines:
            cell = line.cells[place]
            if cell.value is None:
                reasons.setdefault((name, _why(cell)), []).append(words(line.indicator))
    return [(name, why, indicators) for (name, why), indicators in reasons.items()]


def _why(cell: Cell) -> str:
    return cell.why or "no sample has a value"


def published() -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the review's Table 3."""
    lines = (_HERE / "published" / "table3.csv").read_text("utf-8").splitlines()
    head, *rows = csv.reader(line for line in lines if not line.startswith("#"))
    return [words(name) for name in head], rows


def write_page(found: Comparison, path: Path) -> None:
    """Write the comparison as one HTML file that asks for nothing outside itself."""
    head, rows = published()
    text = (
        templates()
        .get_template("compare.html")
        .render(
            found=found,
            rows=list(table_rows(found)),
            missing=missing(found),
            details=[
                (words(line.indicator), found.names[place], cell.detail)
                for line in found.lines
                for place, cell in enumerate(line.cells)
                if cell.detail
            ],
            head=head,
            published=rows,
        )
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
