"""``vlit compare``: sets side by side at equal size."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from vlit.cli.assess import is_run, set_recipe
from vlit.cli.common import console, run_recipe, run_stage, runs_option, workers_option
from vlit.cli.principles import ARROWS
from vlit.run.folder import RunFolder


@click.command(epilog="Example: vlit compare runs/llava runs/ours ours-filtered.json")
@click.argument("sets", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN|SET...")
@click.option(
    "--n", type=click.IntRange(min=1), help="Samples of each; by default the size of the smallest set."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("compare.html"), show_default=True, help="The page."
)
@runs_option
@workers_option
def command(sets: tuple[Path, ...], n: int | None, out: Path, runs: Path, workers: int | None) -> None:
    """Measure two sets or more at equal size and set their indicators side by side, as the review's Table 3."""
    from vlit.assess.compare import compare
    from vlit.report.compare import missing, table_rows, write_page

    found = compare([_assessed(path, runs, workers) for path in sets], n=n)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("principle", "indicator", ""):
        table.add_column(name)
    for name in found.names:
        table.add_column(escape(name), justify="right")
    for row in table_rows(found):
        cells = (f"[bold]{escape(cell.text)}[/]" if cell.best else escape(cell.text) for cell in row.cells)
        table.add_row(row.principle, escape(row.indicator), ARROWS.get(row.direction, ""), *cells)
    console.print(table)
    console.print(f"[dim]{found.n:,} samples of each; ± is the 95 % interval of a mean[/]")
    for name, why, indicators in missing(found):
        console.print(f"[dim]– {escape(name)}: {escape(why)}: {escape(', '.join(indicators))}[/]")
    for note in found.notes:
        console.print(f"[yellow]{escape(note)}[/]")
    write_page(found, out)
    console.print(f"  {'page':<10} [bold]{escape(str(out.resolve()))}[/]")


def _assessed(path: Path, runs: Path, workers: int | None) -> RunFolder:
    """A run with scores: one that was made, or a set that is measured now."""
    if is_run(path):
        run = RunFolder(path)
        return run if run.scores.parts() else run_stage("assess", path, (), workers)
    recipe = set_recipe(path, runs)
    return run_recipe(recipe, runs / recipe.name, workers, until="assess")
