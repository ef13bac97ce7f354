from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from tests.run.stages import Double, DoubleConfig, Numbers, NumbersConfig, recipe
from vlit.data.errors import VlitError
from vlit.run.engine import execute, plan
from vlit.run.folder import RunFolder
from vlit.run.progress import Progress
from vlit.run.recipe import Recipe
from vlit.run.record import read_record
from vlit.run.stage import Output, Setting, Shard


def states(folder: RunFolder, **changes: int) -> list[str]:
    return [p.state for p in plan(recipe(**changes), folder)]


def content(folder: RunFolder) -> dict[str, bytes]:
    tables = ("scenes", "samples", "quarantine")
    return {str(p.relative_to(folder.path)): p.read_bytes() for t in tables for p in folder.folder(t).iterdir()}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    before = {p: p.stat().st_mtime_ns for p in folder.path.rglob("*.parquet")}
    execute(recipe(), folder, workers=1)
    assert {p: p.stat().st_mtime_ns for p in folder.path.rglob("*.parquet")} == before
    events = [orjson.loads(line)["event"] for line in (folder.path / "log.jsonl").read_bytes().splitlines()]
    assert events.count("stage skipped") == 2


def test_a_changed_config_redoes_that_stage_and_what_follows(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    assert states(folder, factor=3) == ["complete", "to do"]
    assert states(folder, shards=5) == ["to do", "to do"]
    assert states(folder, seed=2) == ["to do", "to do"]
    execute(recipe(factor=3), folder, workers=1)
    assert len(folder.samples.parts()) == 4, "parts of the earlier config are gone"


@pytest.mark.slow
def test_processes_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    execute(recipe(shards=9), one, workers=1)
    execute(recipe(shards=9), two, workers=2)
    assert content(one) == content(two)
    assert any(name.startswith("quarantine/numbers-") for name in content(one))


def test_a_failed_run_keeps_its_parts_and_goes_on(tmp_path: Path) -> None:
    folder, whole = RunFolder(tmp_path / "r"), RunFolder(tmp_path / "w")
    with pytest.raises(VlitError, match="shard 2 cannot be made"):
        execute(recipe(fail_at=2), folder, workers=1)
    assert len(folder.scenes.parts()) == 2
    execute(recipe(), folder, workers=1)
    execute(recipe(), whole, workers=1)
    assert content(folder) == content(whole)


def test_a_lost_part_is_made_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    whole = content(folder)
    folder.scenes.parts()[1].unlink()
    assert states(folder)[0] == "partly done"
    execute(recipe(), folder, workers=1)
    assert content(folder) == whole


def test_a_lost_file_of_finish_is_made_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    (folder.path / "double.txt").unlink()
    assert states(folder) == ["complete", "partly done"]
    execute(recipe(), folder, workers=1)
    assert (folder.path / "double.txt").read_text() == "4"


def test_half_written_files_are_cleared_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    folder.scenes.parts()[0].unlink()
    left = folder.folder("scenes") / ".00000-abc.parquet.123.tmp"
    left.write_bytes(b"half")
    execute(recipe(), folder, workers=1)
    assert not left.exists()


def test_two_processes_cannot_work_in_one_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    code = """if True:
        import fcntl, sys
        handle = open(sys.argv[1], "w")
        fcntl.flock(handle, fcntl.LOCK_EX)
        print("held", flush=True)
        sys.stdin.read()
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    with pytest.raises(VlitError, match="another process is working"):
        execute(recipe(), folder, workers=1)
    holder.communicate()
    execute(recipe(), folder, workers=1)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    folder.record.write_text('{"stages": 1}')
    with pytest.raises(VlitError, match="record is damaged"):
        plan(recipe(), folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VlitError, match=r"cannot write here[\s\S]*choose another with --runs"):
        execute(recipe(), RunFolder(tmp_path / "file" / "r"), workers=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    folder = RunFolder(disk / "r")
    try:
        with pytest.raises(VlitError, match=r"the disk is full[\s\S]*free some space"):
            execute(recipe(shards=40), folder, workers=1)
        assert 0 < len(folder.scenes.parts()) < 40
        assert not list(folder.path.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        execute(recipe(shards=40), folder, workers=1)
        assert len(folder.samples) == 40
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_run_can_stop_after_a_stage(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1, until="numbers")
    assert states(folder) == ["complete", "to do"]


def made_of(*stages: Any) -> Recipe:
    return Recipe(name="test", seed=1, text="name: test\n", base=Path.cwd(), stages=stages)


SETTING = Setting(seed=1, base=Path.cwd())


def test_stages_after_a_changed_one_leave_nothing_behind(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    execute(recipe(seed=2), folder, workers=1, until="numbers")
    assert not folder.samples.parts(), "samples of scenes that are no more"
    assert not (folder.path / "double.txt").exists()
    assert list(read_record(folder.record).stages) == ["numbers"]


class Doubtful(Double):
    optional: ClassVar[tuple[str, ...]] = ("scenes",)


def test_what_another_recipe_left_is_not_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    alone = made_of(Doubtful(DoubleConfig(), SETTING))
    for attempt in (lambda: execute(alone, folder, workers=1), lambda: plan(alone, folder)):
        with pytest.raises(VlitError, match="'scenes', which this recipe does not make"):
            attempt()
    assert states(folder) == ["complete", "complete"], "nothing was touched"
    execute(alone, RunFolder(tmp_path / "fresh"), workers=1)


class Outnumbers(Numbers):
    name: ClassVar[str] = "outnumbers"
    writes: ClassVar[tuple[str, ...]] = ("verdicts",)

    def work(self, shard: Shard, context: Any) -> Output:
        return Output({}, super().work(shard, context).quarantine)


def test_stages_with_like_names_keep_their_quarantine(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(made_of(Outnumbers(NumbersConfig(), SETTING), Numbers(NumbersConfig(), SETTING)), folder, workers=1)
    names = [p.name.split("-")[0] for p in folder.quarantine.parts()]
    assert names.count("numbers") == names.count("outnumbers") > 0


def test_the_record_has_the_order_of_the_recipe(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    whole = folder.record.read_bytes()
    folder.scenes.parts()[1].unlink()
    execute(recipe(), folder, workers=1)
    assert folder.record.read_bytes() == whole


def test_what_a_killed_finish_left_half_done_is_cleared_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    left = [folder.path / ".double.txt.123.tmp", folder.path / ".run.json.9.tmp"]
    for path in left:
        path.write_text("half")
    execute(recipe(), folder, workers=1)
    assert not any(path.exists() for path in left)


class Breaking(Progress):
    def advanced(self) -> None:
        raise OSError("the terminal is gone")


def test_an_error_in_this_process_ends_the_workers(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="terminal") as caught:
        execute(recipe(shards=50), RunFolder(tmp_path / "r"), workers=2, progress=Breaking())
    deadline = time.monotonic() + 10
    while multiprocessing.active_children():
        assert time.monotonic() < deadline, caught
        time.sleep(0.05)


@pytest.mark.parametrize("table", ["samples", "quarantine"])
@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_a_part_of_any_table_that_is_lost_or_cut_is_made_again(tmp_path: Path, table: str, damage: str) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    whole = content(folder)
    part = folder.table(table).parts()[0]
    part.unlink() if damage == "lost" else part.write_bytes(b"PAR1")
    execute(recipe(), folder, workers=1)
    assert content(folder) == whole
    assert states(folder) == ["complete", "complete"]


def test_files_of_the_user_in_a_run_folder_stay(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "r")
    execute(recipe(), folder, workers=1)
    mine = [folder.path / "scenes" / "mine" / "a.txt", folder.path / "scenes" / "notes.txt"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    execute(recipe(shards=5), folder, workers=1)
    assert all(path.read_text() == "mine" for path in mine)


def test_a_folder_that_holds_something_else_is_not_taken_for_a_run(tmp_path: Path) -> None:
    photo = tmp_path / "r" / "samples" / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"mine")
    with pytest.raises(VlitError, match="is there already and is no run"):
        execute(recipe(), RunFolder(tmp_path / "r"), workers=1)
    assert photo.exists()


@pytest.mark.parametrize("name", ["scenes", "recipe.yaml", "log.jsonl", "run.json"])
def test_a_folder_in_the_place_of_a_file_or_the_other_way_round_is_named(tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    (folder.path / ".lock").touch()
    (folder.path / name).touch() if name == "scenes" else (folder.path / name).mkdir()
    with pytest.raises(VlitError, match=r"cannot (write here|read the run's record)[\s\S]*do: "):
        execute(recipe(), folder, workers=1)
