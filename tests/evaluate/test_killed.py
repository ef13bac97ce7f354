"""An evaluation that is killed (SIGKILL) at any moment and started again ends as one that was left in peace."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tests.evaluate.toy import FileToy
from tests.tune import tiny
from vlit.data.seeds import rng
from vlit.evaluate.answers import read_answers
from vlit.evaluate.registry import BENCHMARKS

pytest.importorskip("torch")

PHOTOS = ("000000000790.jpg", "000000078499.jpg", "000000084284.jpg", "000000107438.jpg")
SLOW = (
    "torch._dynamo",
    "transformers.generation.utils",
    *(f"transformers.models.{name}.modeling_{name}" for name in ("clip", "llama", "llava")),
    "vlit.cli.evaluate",
    "vlit.evaluate.stage",
    "vlit.evaluate.contamination",
    "vlit.tune.models.registry",
)
ASKED = 240
KILLS = 5


def evaluate(model: Path, asked: Path, photos: Path, runs: Path) -> None:
    """The command, in a process of its own."""
    import torch

    from vlit.cli import group

    os.setsid()
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    BENCHMARKS._builtin["file_toy"] = f"{FileToy.__module__}:{FileToy.__name__}"
    benchmark = f"file_toy={asked}"
    arguments = ["evaluate", model, "--benchmark", benchmark, "--images", photos, "--runs", runs, "--name", "t"]
    group.main([*map(str, arguments)], standalone_mode=False)


def test_killed_five_times_it_ends_with_the_same_answers_and_scores(tmp_path: Path, demo: Path) -> None:
    # The server imports what takes long once; each process is a fork of it, in which nothing has run yet.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *SLOW])
    tiny.llava(tmp_path).save(tmp_path / "tiny")
    records = [
        {"id": f"q{n}", "question": f"What is number {n}?", "answer": str(n), "image": PHOTOS[n % 4]}
        for n in range(ASKED)
    ]
    (tmp_path / "toy.json").write_text(json.dumps(records))
    results = []
    for name in ("peaceful", "killed"):
        path = tmp_path / name / "t" / "evaluation" / "tiny" / "file_toy" / "answers.jsonl"
        drawn, kills = rng(7, "kills"), 0
        while True:
            process = context.Process(
                target=evaluate,
                args=(tmp_path / "tiny", tmp_path / "toy.json", demo / "images", tmp_path / name),
            )
            before, wait = lines(path), drawn.randrange(1, ASKED // KILLS)
            process.start()
            while process.is_alive() and (name == "peaceful" or kills == KILLS or lines(path) - before < wait):
                time.sleep(0.001)
            time.sleep(drawn.uniform(0, 0.02) * (process.is_alive()))
            if not process.is_alive():
                process.join()
                assert process.exitcode == 0
                break
            assert process.pid is not None
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
            assert not path.with_name("scores.json").exists()
            assert lines(path) > before  # what was answered before is kept
            with path.open("ab") as handle:  # as a power cut leaves it
                handle.write(b'{"question":{"id":"q'[: drawn.randrange(20)])
        assert kills == (KILLS if name == "killed" else 0)
        found = read_answers(path)
        ids = [json.loads(line)["question"]["id"] for line in path.read_bytes().splitlines()[1:]]
        assert ids == [record["id"] for record in records] and not found.damaged  # none twice, none lost
        results.append((found.rows, path.with_name("scores.json").read_bytes()))
    assert results[0] == results[1]


def lines(path: Path) -> int:
    """Whole lines of a file, the header among them."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
