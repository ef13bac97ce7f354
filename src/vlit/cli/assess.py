"""``vlit assess``: the samples of a run, or any set."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Any

import click

from vlit.cli.common import console, run_recipe, run_stage, runs_option, set_option, short_path, workers_option
from vlit.cli.principles import show_principles
from vlit.data.errors import VlitError
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe, kept_recipe, parse_recipe
from vlit.run.recipe_text import dump

#: Photos that are looked for to tell whether the photos of a set are at hand: a few may be missing.
_LOOKED_FOR = 100


@click.command(epilog="Example: vlit assess llava_instruct_150k.json --images coco/train2017")
@click.argument("what", type=click.Path(path_type=Path), metavar="RUN|SET")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that the set's image paths are relative to.",
)
@click.option(
    "--annotations",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of annotations of the same images, against which claims are checked.",
)
@click.option("--format", "layout", help="Format of the set's file; by default it is recognised.")
@click.option("--name", help="Name of the run; by default that of the file.")
@set_option
@runs_option
@workers_option
def command(
    what: Path,
    images: Path | None,
    annotations: Path | None,
    layout: str | None,
    name: str | None,
    overrides: tuple[str, ...],
    runs: Path,
    workers: int | None,
) -> None:
    """Judge a set by the ten principles: the samples of the run folder RUN, or the training-data file SET.

    A set may have no annotations, no images at hand, and no model: what could be judged is said.
    """
    if is_run(what):
        run = run_stage("assess", what, overrides, workers)
    else:
        recipe = set_recipe(what, runs, images, annotations, layout, name, overrides)
        run = run_recipe(recipe, runs / recipe.name, workers)
    show_principles(run)


def is_run(path: Path) -> bool:
    """Whether a path is a run folder."""
    return path.is_dir() and any((path / mark).exists() for mark in RunFolder.MARKS)


def set_recipe(
    path: Path,
    runs: Path,
    images: Path | None = None,
    annotations: Path | None = None,
    layout: str | None = None,
    name: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Recipe:
    """The recipe that reads a set, assesses it and writes the report.

    Without a name it has that of the file, with the folders above it where another set has a run of that name.

    Raises:
        VlitError: When the path is neither a set nor a run, or its layout is not known.
    """
    if not path.exists():
        raise VlitError(
            "there is no run in this folder, and no such file", where=str(path), todo="correct the path"
        )
    from vlit.formats.recognise import recognise

    file, found = (path, layout) if layout and path.is_file() else recognise(path)
    root = images or file.parent
    look = images is not None or _photos_lie_in(root, file, layout or found)
    if not look:
        console.print(
            f"[dim]no photos under {short_path(root)}: texts alone are judged; give --images FOLDER[/]"
        )
    load = {"format": layout or found, "path": str(file.resolve()), "image_root": str(root.resolve())}
    values: dict[str, Any] = {"name": name or _free_name(file, runs)}
    if annotations is not None:
        values["collect"] = {"sources": [{"kind": "auto", "path": str(annotations.resolve())}]}
    values |= {"load": {**load, "images": "check" if look else "skip"}, "assess": None, "report": None}
    return parse_recipe(dump(values), base=Path.cwd(), where=str(path), overrides=overrides)


def _free_name(file: Path, runs: Path) -> str:
    name, *folders = (re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in _up_from(file))
    name = name or "set"
    for folder in folders:
        if not is_run(runs / name) or _loaded(runs / name) == file.resolve():
            break
        name = f"{folder}-{name}"
    return name


def _up_from(file: Path) -> list[str]:
    *folders, _ = file.resolve().parts[1:]
    return [file.stem, *reversed(folders)]


def _loaded(run: Path) -> Path | None:
    """The file that a run was loaded from."""
    values, base = kept_recipe(RunFolder(run))
    load = values.get("load")
    return (base / load["path"]).resolve() if isinstance(load, dict) and "path" in load else None


def _photos_lie_in(root: Path, file: Path, layout: str) -> bool:
    """Whether one of the first photos that the set names is there."""
    from vlit.data.sample import Sample
    from vlit.formats.registry import FORMATS

    records = FORMATS.load(layout).read(file, str(root.resolve()), open_images=False)
    images = (i for found in records if isinstance(found, Sample) for i in found.images)
    return any(Path(image.uri).exists() for image in islice(images, _LOOKED_FOR))
