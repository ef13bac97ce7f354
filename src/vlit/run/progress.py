"""Progress: what a run tells while it works."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import rich.progress
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from vlit.run.folder import outcome

#: Columns of the terminal that the name of a stage, a short bar and the times take.
_BESIDE = 44


class Progress:
    """Is told of everything that happens in a run. This one keeps it to itself."""

    def started(self, stage: str) -> None:
        """A stage begins."""

    def total(self, shards: int | None) -> None:
        """How many shards it has; None where that shows only at its end."""

    def advanced(self) -> None:
        """One more shard is done."""

    def said(self, text: str) -> None:
        """What it is doing, where that is not counted in shards."""

    def warned(self, text: str) -> None:
        """Something that the user should know when the run is over."""

    def finished(self, stage: str, rows: Mapping[str, int], seconds: float) -> None:
        """The stage is complete."""

    def skipped(self, stage: str, rows: Mapping[str, int]) -> None:
        """The stage was complete before."""


class _Left(rich.progress.ProgressColumn):
    """The time that is left, as soon as it can be told."""

    max_refresh = 0.5

    def render(self, task: rich.progress.Task) -> Text:
        seconds = task.time_remaining
        return Text("" if seconds is None else f"{timedelta(seconds=int(seconds))} left", style="cyan")


class Bars(Progress):
    """A bar for the stage at work, and one line for each that is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("  {task.description:<10}"),
            rich.progress.BarColumn(bar_width=24),
            rich.progress.TextColumn("{task.fields[parts]}"),
            rich.progress.TimeElapsedColumn(),
            _Left(),
            console=console,
            transient=True,
            disable=not console.is_terminal,  # in a log file a bar is but an empty line
        )
        self._task = rich.progress.TaskID(0)
        self._done, self._total, self._said = 0, 0, ""

    def __enter__(self) -> Bars:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def started(self, stage: str) -> None:
        """Show a new bar."""
        self._done, self._total, self._said = 0, 0, ""
        self._task = self._bar.add_task(stage, total=None, parts="")

    def total(self, shards: int | None) -> None:
        """Give the bar its length; it only moves to and fro where the length is not known or nothing counts."""
        self._done, self._total, self._said = 0, shards or 0, ""
        self._show()

    def advanced(self) -> None:
        """Move the bar."""
        self._done += 1
        self._show()

    def said(self, text: str) -> None:
        """Show it in place of the number of parts, until there is another total."""
        room = self._console.width - _BESIDE
        while len(text) > room and ", " in text:  # else the columns beside it are broken into lines
            text = text.rpartition(", ")[0]
        self._said = text
        self._show()

    def warned(self, text: str) -> None:
        """Print it above the bar."""
        self._console.print(f"[yellow]![/] {escape(text)}")

    def finished(self, stage: str, rows: Mapping[str, int], seconds: float) -> None:
        """Replace the bar by a line."""
        self._bar.remove_task(self._task)
        self._line("[green]✓[/]", stage, rows, f"{seconds:.1f} s")

    def skipped(self, stage: str, rows: Mapping[str, int]) -> None:
        """Say that nothing had to be done."""
        self._line("[dim]=[/]", stage, rows, "already done")

    def _show(self) -> None:
        whole = f" of {self._total:,}" if self._total else ""
        parts = self._said or (f"{self._done:,}{whole} parts" if self._done or self._total else "")
        self._bar.update(self._task, total=self._total or None, completed=self._done, parts=parts)

    def _line(self, mark: str, stage: str, rows: Mapping[str, int], note: str) -> None:
        self._console.print(f"{mark} {stage:<10} {outcome(rows)} [dim]({note})[/]")
