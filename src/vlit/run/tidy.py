"""Keeping a run folder true: what no longer belongs to the recipe, or to the tables as they are, goes away.

Only files with a part's name, or the name of a half-written file, are ever removed, and files that a stage
has recorded inside the run folder; whatever else a user keeps there stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vlit.data.errors import VlitError
from vlit.data.store import is_sound, part_key, part_path
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.run.record import StageRecord, read_record, write_record
from vlit.run.stage import Stage

#: A part as ``part_path`` names it, or what ``atomic`` leaves when it is killed.
_PART = re.compile(r".+-[0-9a-f]{12}\.parquet")
_HALF = re.compile(r"\..+\.\d+\.tmp")


def remove_stale(stage: Stage[Any], run: RunFolder, print_: str) -> None:
    """Remove a stage's parts of an earlier config or code, and files that a killed writer left half done."""
    keep = part_path(Path(), "", print_).name
    for table in stage.writes:
        _remove(p for p in run.folder(table).glob("*") if not p.name.endswith(keep))
    rows = run.folder("quarantine").glob("*")
    mine = (p for p in rows if p.name.removeprefix(".").startswith(f"{stage.name}-"))
    _remove(p for p in mine if p.name.startswith(".") or not p.name.endswith(keep))
    for file in stage.files(run):
        _remove(file.parent.glob(f".{file.name}.*.tmp"))


def remove_half_written(run: RunFolder) -> None:
    """Remove what killed writers left half done anywhere in the run folder."""
    _remove(run.path.rglob(".*.tmp"))


def unfinish(stage: Stage[Any], recipe: Recipe, run: RunFolder, print_: str) -> None:
    """Take a stage from the record before any of its parts is touched.

    Where a part of it was lost or damaged, its shard is opened again: a shard counts as done by its part in
    the last table, and the lost one may be of another.
    """
    done = read_record(run.record).stages.get(stage.name)
    if done is None:
        return
    for file in done.files if done.fingerprint == print_ and stage.writes else ():
        path = run.path / file
        if path.suffix == ".parquet" and not is_sound(path):
            key = part_key(path)
            if path.parent == run.folder("quarantine"):
                key = key.removeprefix(f"{stage.name}-")
            part_path(run.folder(stage.writes[-1]), key, print_).unlink(missing_ok=True)
    _forget(stage.name, recipe, run)


def undo(stage: Stage[Any], recipe: Recipe, run: RunFolder) -> None:
    """Remove everything that a stage has made, so that it is run again."""
    done = read_record(run.record).stages.get(stage.name)
    if done is not None:
        _forget(stage.name, recipe, run)
        _remove_files(done, run)
    remove_stale(stage, run, "none")


def drop_outdated(stage: Stage[Any], recipe: Recipe, run: RunFolder, print_: str) -> None:
    """Remove what a later stage made of tables that have changed, also where it is not run again now."""
    done = read_record(run.record).stages.get(stage.name)
    if done is not None and done.fingerprint != print_:
        _forget(stage.name, recipe, run)
        _remove_files(done, run)
    remove_stale(stage, run, print_)


def refuse_leftovers(recipe: Recipe, run: RunFolder) -> None:
    """A table that another recipe left here would be read by stages to which it is optional.

    It is not removed: it may have cost money or a night.

    Raises:
        VlitError: When there is such a table.
    """
    made = {"quarantine", *(table for stage in recipe.stages for table in stage.writes)}
    for stage in recipe.stages:
        for table in stage.optional:
            if table not in made and run.table(table).parts():
                raise VlitError(
                    f"{stage.name!r} would read {table!r}, which this recipe does not make, from another one",
                    where=str(run.folder(table)),
                    todo="delete that folder, add its stage, or give this run another name with --set name=...",
                )


def _forget(name: str, recipe: Recipe, run: RunFolder) -> None:
    stages = read_record(run.record).stages
    del stages[name]
    write_record(run.record, recipe.name, recipe.seed, recipe.base, stages)


def _remove_files(done: StageRecord, run: RunFolder) -> None:
    """Files that a stage has recorded; those that it wrote elsewhere belong to the user."""
    root = run.path.resolve()
    for file in done.files:
        if (run.path / file).resolve().is_relative_to(root):
            (run.path / file).unlink(missing_ok=True)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if (_PART.fullmatch(path.name) or _HALF.fullmatch(path.name)) and path.is_file():
            path.unlink()
