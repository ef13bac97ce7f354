"""A page with sets side by side, as the review's Table 3."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from vlit.assess.compare import Cell, Comparison, Line
from vlit.data.store import atomic
from vlit.report.charts import short, words

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
        return ShownCell("–", cell.why or "no sample has a value")
    margin = f" ± {cell.margin:.2g}" if cell.margin else ""
    return ShownCell(f"{short(cell.value)}{margin}", f"{cell.n:,} samples", best)


def _best(line: Line) -> int | None:
    """The set that is better than all others by more than both margins; ``None`` where none is.

    Numbers of a whole set have no margin: how far another draw would move them is not known, so none is best.
    """
    sign = {"higher is better": 1, "lower is better": -1}.get(line.direction)
    found = [(place, cell) for place, cell in enumerate(line.cells) if cell.value is not None]
    if sign is None or len(found) < 2 or any(cell.margin is None for _, cell in found):
        return None
    ranked = sorted(found, key=lambda item: -sign * (item[1].value or 0.0))
    (place, first), (_, second) = ranked[:2]
    gap = sign * ((first.value or 0.0) - (second.value or 0.0))
    return place if gap > (first.margin or 0) + (second.margin or 0) else None


def published() -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the review's Table 3."""
    lines = (_HERE / "published" / "table3.csv").read_text("utf-8").splitlines()
    head, *rows = csv.reader(line for line in lines if not line.startswith("#"))
    return [words(name) for name in head], rows


def write_page(found: Comparison, path: Path) -> None:
    """Write the comparison as one HTML file that asks for nothing outside itself."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    head, rows = published()
    text = environment.get_template("compare.html").render(
        found=found,
        rows=list(table_rows(found)),
        details=[
            (words(line.indicator), found.names[place], cell.detail)
            for line in found.lines
            for place, cell in enumerate(line.cells)
            if cell.detail
        ],
        head=head,
        published=rows,
        style=Markup((_HERE / "template" / "page.css").read_text("utf-8")),
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
