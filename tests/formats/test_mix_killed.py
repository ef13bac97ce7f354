"""A mixture that is killed and started again ends with the bytes of one that was never killed."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 6
RECIPE = """
name: mixed
seed: 3
mix:
  images: skip
  shard_size: 40
  join: image
  max_rounds: 6
  sets:
    - {name: a, path: a.json, join: image, max_rounds: 4, choices: repeat}
    - {name: b, path: a.json, weight: 1.6}
"""


def start(folder: Path, runs: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "vlit",
        "run",
        str(folder / "mix.yaml"),
        "--runs",
        str(runs),
        "--workers",
        "2",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finish(folder: Path, runs: Path) -> None:
    process = start(folder, runs)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()


def digest(runs: Path) -> dict[str, str]:
    files = [
        p for t in ("samples", "ingredients", "quarantine") for p in sorted((runs / "mixed" / t).glob("*"))
    ]
    files.append(runs / "mixed" / "run.json")
    return {str(p.relative_to(runs)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    records = []
    for n in range(3_000):
        talk = [("human", f"<image>\nWhich is {n}?\nA. this\nB. that\nC. those"), ("gpt", "ABC"[n % 3])]
        said = [{"from": who, "value": text} for who, text in talk[: 1 + (n % 50 > 0)]]
        records.append({"id": n, "image": f"{n * 7 % 900}.jpg", "conversations": said})
    (folder / "a.json").write_text(json.dumps(records))
    (folder / "mix.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def unbroken(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """Digests of a run that was left alone, and how long it took."""
    runs = tmp_path_factory.mktemp("unbroken")
    started = time.monotonic()
    finish(recipe, runs)
    found = digest(runs)
    assert sum("/samples/" in name for name in found) > 20
    return found, time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(KILLS))
def test_killed_and_resumed(
    trial: int, recipe: Path, unbroken: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    expected, seconds = unbroken
    process = start(recipe, tmp_path)
    time.sleep((trial + random.Random(trial).random()) / KILLS * seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finish(recipe, tmp_path)
    assert digest(tmp_path) == expected
    assert not list((tmp_path / "mixed").glob(".mix*"))
