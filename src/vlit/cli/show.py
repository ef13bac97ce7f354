"""``vlit show``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from vlit.cli.common import console, runs_option, short_path
from vlit.data.boxes import Box
from vlit.data.errors import VlitError, nearest
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.run.folder import RunFolder

_ROLES = {"user": "cyan", "assistant": "green", "system": "yellow"}


@click.command(epilog="Example: vlit show demo:790/presence/0 --run runs/demo")
@click.argument("id")
@click.option("--run", type=click.Path(path_type=Path), help="Run folder; by default the one that ran last.")
@runs_option
def command(id: str, run: Path | None, runs: Path) -> None:
    """Show the sample, scene or exchange ID: its text, scores, verdict, and what it was made from.

    An exchange is shown with all its requests and raw replies; the quarantine names those that gave nothing.
    """
    folder = RunFolder(run or _latest(runs)).check()
    sample = next(folder.samples.find(id=id), None)
    if sample is not None:
        _show_sample(sample, folder)
        return
    row = next(folder.exchanges.find(id=id), None)
    if row is not None:
        from vlit.cli.exchange import show_exchange

        show_exchange(row, folder)
        return
    scene = next(folder.scenes.find(id=id), None)
    if scene is None:
        raise VlitError(
            f"no sample, scene or exchange {id!r}",
            where=str(folder.path),
            todo=nearest(id, _some_ids(folder, id)),
        )
    _show_scene(scene)


def _latest(runs: Path) -> Path:
    found = sorted(runs.glob("*/run.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise VlitError("there is no run yet", where=str(runs), todo="vlit demo, or name one with --run")
    return found[-1].parent


def _some_ids(folder: RunFolder, id: str) -> list[str]:
    """Ids of the same scene, so that the hint stays short; else the first few."""
    known = (i for table in (folder.samples, folder.exchanges) for i in table.ids())
    near = [i for i in known if i.startswith(id.split("/")[0] + "/")][:40]
    return near or [i for i, _ in zip(folder.samples.ids(), range(10), strict=False)]


def _show_sample(sample: Sample, folder: RunFolder) -> None:
    console.print(f"[bold]{escape(sample.id)}[/]  {sample.task}  [dim]in {folder.path}[/]")
    for image in sample.images:
        size = f"{image.width} x {image.height}" if image.width else "of unknown size"
        _line("image", f"{escape(short_path(image.uri))} [dim]({size})[/]")
    said = Table.grid(padding=(0, 1))
    said.add_column(width=10)
    said.add_column(overflow="fold")
    for turn in sample.turns:
        said.add_row(f"[{_ROLES[turn.role]}]{turn.role}[/]", escape(turn.text))
    console.print(said, soft_wrap=False)
    for verdict in folder.verdicts.find(sample=sample.id):
        _line("verdict", f"{'[green]kept[/]' if verdict.keep else '[red]dropped[/]'}: {escape(verdict.reason)}")
    _show_scores(sample, folder)
    origin = sample.provenance
    made = sample.paradigm.replace("_", " ")
    made += (
        f" ({origin.recipe}, seed {origin.seed})" if origin.recipe else f" from {origin.source or 'unknown'}"
    )
    _line("made by", escape(made))
    for template in origin.templates:
        _line("", f"[dim]{escape(template)}[/]")
    if origin.teacher:
        _line("teacher", f"{escape(origin.teacher)} [dim](vlit show {escape(sample.id.rpartition('/')[0])})[/]")
    _line("licence", escape(origin.licence or "unknown"))
    for scene_id in origin.scenes:
        for scene in folder.scenes.find(id=scene_id):
            _show_scene(scene, set(origin.annotations))


def _show_scores(sample: Sample, folder: RunFolder) -> None:
    table = Table.grid(padding=(0, 1))
    for column in ({"width": 10}, {}, {"justify": "right"}, {"style": "dim"}):
        table.add_column(**column)
    for number, score in enumerate(folder.scores.find(sample=sample.id)):
        value = "-" if score.value is None else f"{score.value:.3f}"
        told = "; ".join(filter(None, [score.group and f"group {score.group}", score.reason]))
        table.add_row("scores" if number == 0 else "", score.indicator, value, escape(told))
    if table.row_count:
        console.print(table, soft_wrap=False)


def _show_scene(scene: Scene, only: set[str] | None = None) -> None:
    _line("scene", f"[bold]{escape(scene.id)}[/] from {escape(scene.source)}")
    if only is None:
        _line("image", escape(short_path(scene.image.uri)))
        _line("licence", escape(scene.licence or "unknown"))
    if scene.attribution:
        _line("", f"[dim]{escape(scene.attribution)}[/]")
    lines = [(c.id, f'"{c.text}"') for c in scene.captions]
    lines += [(o.id, f"{o.label}{' (crowd)' if o.crowd else ''} at {_text(o.box)}") for o in scene.objects]
    lines += [(r.id, f'"{r.phrase}" at {_text(r.box)}') for r in scene.regions]
    lines += [(r.id, f"{r.subject} {r.predicate} {r.object}") for r in scene.relations]
    lines += [(t.id, f'reads "{t.text}"') for t in scene.texts]
    lines += [
        (q.id, f"{q.text} - {', '.join(f'{a.text} x{a.count}' for a in q.answers)}") for q in scene.questions
    ]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=10)
    table.add_column(style="dim", overflow="fold")
    table.add_column(overflow="fold")
    for id, line in lines:
        if only is None or id in only:
            table.add_row("" if table.row_count else "from", escape(id), escape(line))
    if table.row_count:
        console.print(table, soft_wrap=False)


def _line(label: str, text: str) -> None:
    console.print(f"{label:<10} {text}")


def _text(box: Box) -> str:
    return f"({box.x1:.0f}, {box.y1:.0f}, {box.x2:.0f}, {box.y2:.0f})"
