"""What came of a run, in a few lines: kept and dropped, quarantined, and the files to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any, get_args

import msgspec
from rich.markup import escape

from vlit.cli.common import console, program, short_path
from vlit.report.charts import percent, plural
from vlit.report.quarantine import quarantine
from vlit.report.teacher import teaching
from vlit.report.totals import verdict_counts
from vlit.run.folder import RunFolder
from vlit.run.stage import Stage
from vlit.teacher.reply import FailureKind

#: Reasons that are named; the report tells all of them.
_REASONS = 3


def show_summary(stages: Sequence[Stage[Any]], run: RunFolder) -> None:
    """Print what these stages, all of them done, made of the run."""
    by_name = {stage.name: stage for stage in stages}
    if "generate" in by_name:
        _teacher(run)
    if "select" in by_name:
        _selection(run)
    _quarantine(run, by_name)
    if "tune" in by_name:
        _tuning(run, [own.name for own in by_name["tune"].config.stages])
    if "evaluate" in by_name:
        _scores(run)
    if "export" in by_name:
        for file in by_name["export"].files(run):
            _line("export", f"{_linked(file, short_path(file))} [dim]({_size(file)})[/]")
    if "report" in by_name:
        for file in by_name["report"].files(run):
            _line("report", f"[bold]{_linked(file, str(file.resolve()))}[/]")


def _selection(run: RunFolder) -> None:
    counts = verdict_counts(run)
    total, kept = counts.total(), counts.pop("kept", 0)
    colour = "bold" if kept else "bold yellow"
    _line("kept", f"[{colour}]{kept:,}[/] of {plural(total, 'sample')} ({percent(kept, total)})")
    reasons = [
        f"{n:,} by " + {"cap": "the cap on their task", "keep": "the choice"}.get(rule, escape(rule))
        for rule, n in counts.most_common()
    ]
    if reasons:
        _line("dropped", ", ".join(reasons))
    variants = [f"{escape(name)} {len(run.variant(name).selected):,}" for name in run.variants()]
    if variants:
        _line("variants", ", ".join(variants))


def _tuning(run: RunFolder, stages: Sequence[str]) -> None:
    """Where the tuned model is, and what each of its stages did to the loss on what was held out."""
    _line("model", f"{_linked(run.path / 'model', short_path(run.path / 'model'))}")
    for name in stages:  # beside them may lie what was tuned with other settings
        path = run.path / "model" / "stages" / name / "outcome.json"
        if not path.is_file():
            continue
        found = msgspec.json.decode(path.read_bytes())
        before, after = found.get("held_out_before"), found.get("held_out_after")
        loss = "" if before is None or after is None else f"; held-out loss {before:.2f} to {after:.2f}"
        _line("", f"[dim]{escape(name)}:[/] {plural(found.get('steps', 0), 'step')}{loss}")


def _scores(run: RunFolder) -> None:
    """The number that counts of each benchmark."""
    from vlit.cli.score import one_line
    from vlit.evaluate.scores import read_scores

    for number, path in enumerate(sorted(run.path.glob("evaluation/*/*/scores.json"))):
        _line(
            "" if number else "scores",
            f"[dim]{escape(path.parts[-3])}:[/] {escape(one_line(read_scores(path)))}",
        )


def _teacher(run: RunFolder) -> None:
    """What a teacher made, what it cost, and what can be asked again."""
    taught = teaching(run)
    if not taught.models:
        return
    total = taught.totals
    lost = dict(taught.lost)
    money = "" if taught.money is None else f", {taught.money:,.2f} at the prices of the recipe"
    tokens = f"{total.prompt_tokens + total.completion_tokens:,} tokens{money}"
    _line(
        "teacher",
        f"{total.kept:,} of {plural(total.asked, 'exchange')} kept, {total.at_once:,} at once; {tokens}",
    )
    if silent := sum(lost.get(kind, 0) for kind in get_args(FailureKind)):
        again = f"{program()} generate {quote(short_path(run.path))} --retry"
        _line("", f"[dim]{silent:>6,} ×[/] no reply; to ask again: {escape(again)}")
    if unasked := lost.get("not_asked", 0):
        _line("", f"[dim]{unasked:>6,} ×[/] not asked; to go on: raise teacher.budget and run again")


def _quarantine(run: RunFolder, stages: dict[str, Stage[Any]]) -> None:
    found = [group for group in quarantine(run, limit=0).groups if group.stage in stages]
    if not found:
        return
    put_right = sum(group.count for group in found if group.action == "repaired")
    repaired = f", {put_right:,} of them put right" if put_right else ""
    _line("quarantine", f"{plural(sum(group.count for group in found), 'row')}{repaired}")
    groups = sorted(found, key=lambda g: -g.count)
    for group in groups[:_REASONS]:
        _line("", f"[dim]{group.count:>6,} ×[/] {escape(group.reason)}")
    if len(groups) > _REASONS:
        where = "the report" if "report" in stages else short_path(run.folder("quarantine"))
        _line("", f"[dim]{sum(g.count for g in groups[_REASONS:]):>6,} × other reasons: see {where}[/]")


def _line(label: str, text: str) -> None:
    console.print(f"  {label:<10} {text}")


def _linked(file: Path, text: str) -> str:
    """The text as a link in terminals that know links, else as it is."""
    return f"[link={file.resolve().as_uri()}]{escape(text)}[/link]"


def _size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
