"""``vlit leaderboard``: scores of runs beside published ones."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="Example: vlit leaderboard runs/mine --format html --out leaderboard.html")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="RUN...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "csv", "html"]),
    default="md",
    show_default=True,
    help="Of the table.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File; by default it is printed.")
@click.option(
    "--published/--no-published", default=True, show_default=True, help="Rows of papers and model zoos."
)
def command(runs: tuple[Path, ...], form: str, out: Path | None, published: bool) -> None:
    """Scores of runs beside published ones, by benchmark and protocol. Without a RUN those alone."""
    from vlit.data.store import atomic
    from vlit.evaluate import leaderboard_pages as pages
    from vlit.evaluate.leaderboard import board, read_runs

    found = board(read_runs(runs), None if published else ())
    text = {"md": pages.markdown, "csv": pages.as_csv, "html": pages.html}[form](found)
    if out is None:
        click.echo(text, nl=False)
        return
    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(str(out))
