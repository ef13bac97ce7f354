"""The ten principles as a table on the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from vlit.cli.common import console
from vlit.report.charts import short, words
from vlit.report.principles import PrincipleRow, principles
from vlit.run.folder import RunFolder

#: What a reader should see first of each direction.
ARROWS = {"higher is better": "↑", "lower is better": "↓"}


def show_principles(run: RunFolder) -> None:
    """Print which principles the run could judge, with what, and why not the others."""
    rows = principles(run)
    if not rows:
        return
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim")
    for name, justify in (
        ("principle", "left"),
        ("indicator", "left"),
        ("value", "right"),
        ("", "left"),
        ("n", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        _add(table, row)
    judged = sum(bool(row.numbers) for row in rows if row.name != "hygiene")
    console.print(table)
    console.print(
        f"[dim]{judged} of {len(rows) - 1} principles judged; the report tells parameters and samples[/]"
    )


def _add(table: Table, row: PrincipleRow) -> None:
    if not row.numbers:
        table.add_row(row.name, f"[dim]not judged: {escape(row.why)}[/]", "", "", "")
        return
    for place, judged in enumerate(row.numbers):
        arrow = ARROWS.get(judged.row.direction, "")
        name = row.name if place == 0 else ""
        table.add_row(
            name, escape(words(judged.indicator)), short(judged.row.value), arrow, f"{judged.row.n:,}"
        )
