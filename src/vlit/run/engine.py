"""The engine: runs a recipe's stages, skips what is done, goes on where a killed run stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import vlit
from vlit.data.errors import VlitError
from vlit.data.schema import to_table
from vlit.data.store import atomic, count_rows, is_sound, part_path, unwritable, write_part
from vlit.run.executor import collecting_rarely, let_go, run_jobs, workers_kept
from vlit.run.fingerprint import code_digest, fingerprint
from vlit.run.folder import TABLES, RunFolder, kind_of
from vlit.run.log import RunLog
from vlit.run.progress import Progress
from vlit.run.recipe import Recipe
from vlit.run.record import StageRecord, read_record, write_record
from vlit.run.stage import Output, Shard, Stage
from vlit.run.tidy import drop_outdated, refuse_leftovers, remove_half_written, remove_stale, undo, unfinish

#: Key of the parts that ``finish`` writes.
SET_KEY = "set"

State = Literal["complete", "partly done", "to do"]


@dataclass(frozen=True)
class StagePlan:
    """What a run would do with one stage."""

    stage: Stage[Any]
    fingerprint: str
    state: State
    parts: int  #: parts that are already there
    rows: dict[str, int] | None  #: rows of each table, when complete


@dataclass(frozen=True)
class ShardResult:
    """What a worker reports of one shard."""

    key: str
    rows: dict[str, int]
    quarantined: int
    seconds: float


def fingerprints(recipe: Recipe) -> list[str]:
    """The fingerprint of each stage: config, seed, code, files from outside, and the stages it reads from."""
    prints: list[str] = []
    writers: dict[str, str] = {}
    for stage in recipe.stages:
        # Every stage writes to the quarantine.
        upstream = prints.copy() if "quarantine" in stage.reads else []
        print_ = fingerprint(
            stage.name,
            stage.config.model_dump(mode="json", exclude=set(stage.free)),
            recipe.seed,
            [code_digest(package) for package in (*stage.code, *sorted(set(stage.plugins())))],
            sorted(stage.outside()),
            upstream + [writers[table] for table in stage.reads if table in writers],
        )
        prints.append(print_)
        writers.update(dict.fromkeys(stage.writes, print_))
    return prints


def plan(recipe: Recipe, run: RunFolder) -> list[StagePlan]:
    """State of each stage. Reads the run folder, changes nothing.

    Raises:
        VlitError: When the folder holds a table of another recipe that a stage would read.
    """
    refuse_leftovers(recipe, run)
    return _plan(recipe, run, fingerprints(recipe))


def _plan(recipe: Recipe, run: RunFolder, prints: Sequence[str]) -> list[StagePlan]:
    record = read_record(run.record)
    plans: list[StagePlan] = []
    for stage, print_ in zip(recipe.stages, prints, strict=True):
        done = record.stages.get(stage.name)
        parts = len(_parts(stage, run, print_))
        if done and done.fingerprint == print_ and all(_there(run.path / f) for f in done.files):
            plans.append(StagePlan(stage, print_, "complete", parts, done.rows))
        else:
            plans.append(StagePlan(stage, print_, "partly done" if parts else "to do", parts, None))
    return plans


def _there(path: Path) -> bool:
    return is_sound(path) if path.suffix == ".parquet" else path.exists()


def execute(
    recipe: Recipe,
    run: RunFolder,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    until: str | None = None,
    again: str | None = None,
) -> None:
    """Run what is not done yet.

    Args:
        recipe: A checked recipe.
        run: Its folder; made when absent.
        workers: Processes; all cores by default.
        progress: Told of everything that happens; silent by default.
        until: The last stage to run; all by default.
        again: A stage to run also where it is complete; failures that it remembers are forgotten.

    Raises:
        VlitError: When the folder is in use or cannot be written, the disk is full, or a stage cannot go on.
    """
    progress = progress or Progress()
    workers = workers or len(os.sched_getaffinity(0))
    with _locked(run), collecting_rarely(), workers_kept():
        refuse_leftovers(recipe, run)
        prints = fingerprints(recipe)
        with atomic(run.recipe) as temporary:
            temporary.write_text(recipe.text, encoding="utf-8")
        # The folder that the recipe's paths start at is needed also where the first stage does not end.
        write_record(run.record, recipe.name, recipe.seed, recipe.base, read_record(run.record).stages)
        log = RunLog(run.log)
        log.event("run started", name=recipe.name, seed=recipe.seed, workers=workers, version=vlit.__version__)
        remove_half_written(run)
        for stage in recipe.stages:
            if stage.name == again:
                undo(stage, recipe, run)
                stage.again(run)
        steps = _plan(recipe, run, prints)
        _check(steps, until)
        for place, step in enumerate(steps, start=1):
            if step.state == "complete":
                progress.skipped(step.stage.name, step.rows or {})
                log.event("stage skipped", stage=step.stage.name)
            else:
                _run_stage(step, recipe, run, workers, progress, log)
                for later in steps[place:]:
                    drop_outdated(later.stage, recipe, run, later.fingerprint)
            if step.stage.name == until:
                break
        log.event("run finished")


def _check(steps: Sequence[StagePlan], until: str | None) -> None:
    """Refuse what a stage could only find out after those before it have worked for hours."""
    for step in steps:
        if step.state != "complete":
            step.stage.check()
        if step.stage.name == until:
            return


def _run_stage(
    step: StagePlan, recipe: Recipe, run: RunFolder, workers: int, progress: Progress, log: RunLog
) -> None:
    stage, started = step.stage, time.monotonic()
    log.event("stage started", stage=stage.name, fingerprint=step.fingerprint, parts_there=step.parts)
    progress.started(stage.name)
    unfinish(stage, recipe, run, step.fingerprint)
    remove_stale(stage, run, step.fingerprint)
    stage.workers = stage.processes(workers)
    context = stage.prepare(run)
    stage.ask(run, context, progress)
    shards = stage.shards(run)
    progress.total(len(shards) if isinstance(shards, Sized) else None)

    def missing() -> Iterator[Shard]:
        for shard in shards:
            if _is_done(stage, run, shard.key, step.fingerprint):
                progress.advanced()
            else:
                yield shard

    shared = (stage, context, run.path, step.fingerprint)
    for result in run_jobs(_work, shared, missing(), stage.workers):
        progress.advanced()
        log.event("shard done", stage=stage.name, shard=result.key, rows=result.rows,
                  quarantined=result.quarantined, seconds=round(result.seconds, 3))  # fmt: skip
    if type(stage).drive is not Stage.drive:
        let_go()
        stage.drive(run, progress)
    _commit(stage, stage.finish(run), run, SET_KEY, step.fingerprint)
    rows = _complete(stage, recipe, run, step.fingerprint)
    seconds = time.monotonic() - started
    log.event("stage finished", stage=stage.name, rows=rows, seconds=round(seconds, 3))
    progress.finished(stage.name, rows, seconds)


def _work(shared: tuple[Stage[Any], Any, Path, str], shard: Shard) -> ShardResult:
    stage, context, path, print_ = shared
    started = time.monotonic()
    output = stage.work(shard, context)
    _commit(stage, output, RunFolder(path), shard.key, print_)
    rows = {table: len(output.tables.get(table, ())) for table in stage.writes}
    return ShardResult(shard.key, rows, len(output.quarantine), time.monotonic() - started)


def _commit(stage: Stage[Any], output: Output, run: RunFolder, key: str, print_: str) -> None:
    """Write a shard's parts. The last table of ``stage.writes`` comes last: it says that the shard is done."""
    unknown = set(output.tables) - set(stage.writes)
    if unknown:
        raise ValueError(f"stage {stage.name!r} returned tables that it does not declare: {sorted(unknown)}")
    if output.quarantine:
        path = part_path(run.folder("quarantine"), f"{stage.name}-{key}", print_)
        write_part(path, to_table(output.quarantine, TABLES["quarantine"]))
    for table in stage.writes:
        if table in output.tables or (table == stage.writes[-1] and key != SET_KEY):
            path = part_path(run.folder(table), key, print_)
            write_part(path, to_table(output.tables.get(table, ()), kind_of(table)))


def _is_done(stage: Stage[Any], run: RunFolder, key: str, print_: str) -> bool:
    return bool(stage.writes) and part_path(run.folder(stage.writes[-1]), key, print_).exists()


def _parts(stage: Stage[Any], run: RunFolder, print_: str) -> list[Path]:
    folders = [(t, "*") for t in stage.writes] + [("quarantine", f"{stage.name}-*")]
    return sorted(p for t, keys in folders for p in run.folder(t).glob(part_path(Path(), keys, print_).name))


def _complete(stage: Stage[Any], recipe: Recipe, run: RunFolder, print_: str) -> dict[str, int]:
    """Record the stage as complete; returns the rows of its tables."""
    rows = {table: len(run.table(table)) for table in stage.writes}
    parts = _parts(stage, run, print_)
    rows["quarantine"] = sum(count_rows(p) for p in parts if p.parent.name == "quarantine")
    files = [os.path.relpath(f, run.path) for f in (*parts, *stage.files(run))]
    stages = read_record(run.record).stages | {stage.name: StageRecord(print_, rows, files)}
    order = [s.name for s in recipe.stages]
    stages = dict(sorted(stages.items(), key=lambda item: order.index(item[0]) if item[0] in order else -1))
    write_record(run.record, recipe.name, recipe.seed, recipe.base, stages)
    return rows


@contextlib.contextmanager
def _locked(run: RunFolder) -> Iterator[None]:
    """One process at a time in a run folder; the lock goes with the process, also when it is killed."""
    try:
        _refuse_strange(run)
        run.path.mkdir(parents=True, exist_ok=True)
        handle = (run.path / ".lock").open("w")
    except OSError as error:
        raise unwritable(error, run.path) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VlitError(
                "another process is working in this run folder",
                where=str(run.path),
                todo="wait for it, or give this run another name with --set name=...",
            ) from None
        yield


def _refuse_strange(run: RunFolder) -> None:
    """Refuse a folder that holds something else: stages clear away old parts in folders such as ``samples``."""
    if not run.path.is_dir() or any((run.path / mark).exists() for mark in (".lock", "run.json", "log.jsonl")):
        return
    if any(not found.name.startswith(".") for found in run.path.iterdir()):
        raise VlitError(
            "this folder is there already and is no run",
            where=str(run.path),
            todo="give the run another name with --set name=..., or choose another folder with --runs",
        )
