"""A run that is killed and started again ends with the same bytes as one that was never killed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import demo_data_recipe

TABLES = (
    "scenes", "samples", "pictures", "embeddings", "scores", "set_scores", "verdicts", "selected", "quarantine"
)  # fmt: skip
KILLS = 20


@functools.cache
def recipe() -> Path:
    """One file for all runs: where it lies stands in run.json."""
    return demo_data_recipe(Path(tempfile.mkdtemp(prefix="vlit-demo-")))


def start(runs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vlit", "run", str(recipe()), "--runs", str(runs)]
    command += ["--set", "collect.shard_size=4"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finish(runs: Path) -> None:
    process = start(runs)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()


def digest(runs: Path) -> dict[str, str]:
    files = [p for t in (*TABLES, "exports", "report") for p in sorted((runs / "demo" / t).glob("*"))]
    files.append(runs / "demo" / "run.json")
    return {str(p.relative_to(runs)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """Digests of a run that was left alone, and how long it took."""
    runs = tmp_path_factory.mktemp("unbroken")
    started = time.monotonic()
    finish(runs)
    found = digest(runs)
    assert {name.split("/")[1] for name in found} >= {"scenes", "samples", "scores", "selected", "exports"}
    return found, time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(KILLS))
def test_killed_and_resumed(trial: int, unbroken: tuple[dict[str, str], float], tmp_path: Path) -> None:
    expected, seconds = unbroken
    process = start(tmp_path)
    # A tenth of the trials each in a tenth of the run, at a random moment of it.
    moment = (trial + random.Random(trial).random()) / KILLS
    time.sleep(moment * seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finish(tmp_path)
    assert digest(tmp_path) == expected


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "demo").glob("scenes/*.parquet")):
        assert time.monotonic() < deadline, "no part was written"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _alive(process.pid):
        assert time.monotonic() < deadline, f"orphans: {_alive(process.pid)}"
        time.sleep(0.1)


def _alive(session: int) -> list[int]:
    """Processes of a session that are not zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
def test_ctrl_c_stops_with_a_word_and_the_run_goes_on(
    tmp_path: Path, unbroken: tuple[dict[str, str], float]
) -> None:
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "demo").glob("scenes/*.parquet")):
        assert time.monotonic() < deadline, "no part was written"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output.decode()
    assert b"the same command goes on from there" in output
    assert b"Traceback" not in output
    finish(tmp_path)
    assert digest(tmp_path) == unbroken[0]


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(8))
def test_stopped_at_any_moment_it_says_so_and_nothing_else(trial: int, tmp_path: Path) -> None:
    """Also while workers are being started, which is when they used to print tracebacks."""
    number, code = ((signal.SIGINT, 130), (signal.SIGTERM, 143))[trial % 2]
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "demo" / "log.jsonl").exists():
        assert time.monotonic() < deadline, "the run did not start"
        time.sleep(0.01)
    time.sleep(0.2 * trial * random.Random(trial).random())
    os.killpg(process.pid, number)
    time.sleep(0.03)
    if trial >= 4:  # an impatient user
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output.decode()
    assert output.endswith(b"the same command goes on from there.\n"), output.decode()
    assert b"Traceback" not in output
