"""``vlit show``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from vlit.cli.common import console, runs_option
from vlit.data.boxes import Box
from vlit.data.errors import VlitError, nearest
from vlit.data.sample import Sample
from vlit.data.scene import Scene
from vlit.run.folder import RunFolder


@click.command(epilog="Example: vlit show demo:790/presence/0 --run runs/demo")
@click.argument("id")
@click.option("--run", type=click.Path(path_type=Path), help="Run folder; by default the one that ran last.")
@runs_option
def command(id: str, run: Path | None, runs: Path) -> None:
    """Show the sample (or scene) ID: its text, scores, verdict, and the annotations that it was made from."""
    folder = RunFolder(run or _latest(runs))
    sample = next(folder.samples.find(id=id), None)
    if sample is not None:
        _show_sample(sample, folder)
        return
    scene = next(folder.scenes.find(id=id), None)
    if scene is None:
        raise VlitError(
            f"no sample or scene {id!r}", where=str(folder.path), todo=nearest(id, _some_ids(folder, id))
        )
    _show_scene(scene)


def _latest(runs: Path) -> Path:
    found = sorted(runs.glob("*/run.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise VlitError("there is no run yet", where=str(runs), todo="vlit demo, or name one with --run")
    return found[-1].parent


def _some_ids(folder: RunFolder, id: str) -> list[str]:
    """Ids of the same scene, so that the hint stays short; else the first few."""
    near = [i for i in folder.samples.ids() if i.startswith(id.split("/")[0] + "/")][:40]
    return near or [i for i, _ in zip(folder.samples.ids(), range(10), strict=False)]


def _show_sample(sample: Sample, folder: RunFolder) -> None:
    console.rule(f"[bold]{escape(sample.id)}[/]  {sample.task}", align="left")
    for turn in sample.turns:
        colour = {"user": "cyan", "assistant": "green", "system": "yellow"}[turn.role]
        console.print(f"[{colour}]{turn.role:>9}[/]  {escape(turn.text)}")
    for image in sample.images:
        console.print(f"    image  {escape(image.uri)} ({image.width}x{image.height})", soft_wrap=True)
    for verdict in folder.verdicts.find(sample=sample.id):
        console.print(
            f"  verdict  {'[green]kept[/]' if verdict.keep else '[red]dropped[/]'}: {escape(verdict.reason)}"
        )
    for score in folder.scores.find(sample=sample.id):
        value = "  -  " if score.value is None else f"{score.value:.3f}"
        console.print(f"    score  {score.indicator:<22} {value}  [dim]{escape(score.reason or '')}[/]")
    origin = sample.provenance
    templates = ", ".join(origin.templates) or "none"
    console.print(f"     made  {sample.paradigm}, {origin.recipe}, templates {templates}, seed {origin.seed}")
    console.print(f"  licence  {escape(origin.licence or 'unknown')}")
    for scene_id in origin.scenes:
        for scene in folder.scenes.find(id=scene_id):
            _show_scene(scene, set(origin.annotations))


def _show_scene(scene: Scene, only: set[str] | None = None) -> None:
    attribution = escape(scene.attribution or "no attribution")
    console.print(f"    scene  [bold]{escape(scene.id)}[/] from {escape(scene.source)}, {attribution}")
    lines = [(c.id, f'"{c.text}"') for c in scene.captions]
    lines += [(o.id, f"{o.label}{' (crowd)' if o.crowd else ''} at {_text(o.box)}") for o in scene.objects]
    lines += [(r.id, f'"{r.phrase}" at {_text(r.box)}') for r in scene.regions]
    lines += [(r.id, f"{r.subject} {r.predicate} {r.object}") for r in scene.relations]
    lines += [(t.id, f'reads "{t.text}"') for t in scene.texts]
    lines += [
        (q.id, f"{q.text} - {', '.join(f'{a.text} x{a.count}' for a in q.answers)}") for q in scene.questions
    ]
    for id, line in lines:
        if only is None or id in only:
            console.print(f"     from  {escape(id):<20} {escape(line)}")


def _text(box: Box) -> str:
    return f"({box.x1:.0f}, {box.y1:.0f}, {box.x2:.0f}, {box.y2:.0f})"
