"""Trains in children that are killed, and goes on in others: a program of its own, warm once for all of them.

``python -m tests.tune.killed FOLDER SEED...`` prints one line of JSON for each seed: the step at which the
child was killed, the one that was gone on from, and whether weights and lines ended equal to a run in peace.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.tune.jobs import job
from vlit.tune.job import Job, work

#: Dropout in the adapters, so that the state of the generators matters; three epochs of five steps.
SETTINGS = {
    "stage": {"trainable": {"connector": "full", "llm": "lora"}, "batch": 8, "epochs": 3, "lr": 1e-2},
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.2},
    "save_every": 2,
    "held_out": {"every": 4},
}


def child(own: Job) -> int:
    """Start to work on a job; returns the process."""
    process = os.fork()
    if process == 0:
        try:
            work(own)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return process


def at(own: Job, seed: int) -> Job:
    """The same job in a folder of its own."""
    folder = own.folder.with_name(f"stage-{seed}")
    return own.model_copy(update={"folder": folder})


def lines(own: Job) -> list[dict[str, object]]:
    """Metrics, without what the clock and the memory say."""
    rows = [json.loads(line) for line in (own.folder / "metrics.jsonl").read_text().splitlines()]
    clocks = {"seconds", "label_tokens_per_second", "tokens_per_second", "waited", "memory_gb", "mfu"}
    return [{k: v for k, v in row.items() if k not in clocks} for row in rows]


def digest(own: Job) -> str:
    """Of the result's weights."""
    return hashlib.sha256((own.result / "model.safetensors").read_bytes()).hexdigest()


def killed_at(own: Job, seed: int) -> int:
    """Start a child, kill it at a random moment after a random step, and say how many steps it had made."""
    wanted, pause = random.Random(seed).randint(1, 14), random.Random(seed + 1).random() * 0.02
    metrics = own.folder / "metrics.jsonl"
    process = child(own)
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if metrics.exists() and metrics.read_bytes().count(b'"grad_norm"') >= wanted:
            time.sleep(pause)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            break
        time.sleep(0.001)
    return metrics.read_bytes().count(b'"grad_norm"')


def main(folder: Path, seeds: list[int]) -> None:
    own = job(folder, count=36, measured=4, **SETTINGS)
    peace = at(own, 0)
    os.waitpid(child(peace), 0)
    for seed in seeds:
        mine = at(own, seed)
        step = killed_at(mine, seed)
        left = sorted((mine.folder / "checkpoints").glob("step-*"))
        assert os.waitpid(child(mine), 0)[1] == 0
        told = {
            "killed": step,
            "from": int(left[-1].name.removeprefix("step-")) if left else 0,
            "weights": digest(mine) == digest(peace),
            "lines": lines(mine) == lines(peace),
            "resumed_at": json.loads((mine.folder / "outcome.json").read_bytes())["resumed_at"],
        }
        print(json.dumps(told), flush=True)
        shutil.rmtree(mine.folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])
