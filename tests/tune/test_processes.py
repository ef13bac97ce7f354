"""Several processes: the curve of one, errors that reach the user, and an end for all when one ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny
from tests.tune.jobs import job
from tests.tune.photos import example
from vlit.data.errors import VlitError
from vlit.tune.job import Job
from vlit.tune.launch import launch

torch = pytest.importorskip("torch")

#: Waits for the workers of a job.
PARENT = """
import signal, sys
from pathlib import Path
from vlit.tune.job import Job
from vlit.tune.launch import launch
signal.signal(signal.SIGINT, signal.default_int_handler)
launch(Job.read(Path(sys.argv[1])))
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the workers and here: sums in another order grow apart over the steps, far beyond rounding."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mixed(folder: Path, order: list[int]) -> list[Any]:
    """Examples in which those numbers of every four are text alone: there are micro-batches without images."""
    model = tiny.llava(folder / "parts")
    return [example(model, i, images=() if i % 4 in order else None) for i in range(20)]


def curve(own: Job) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (own.folder / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row.get("loss", row.get("held_out_loss"))) for row in rows]


def weights(own: Job) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = load_file(own.result / "model.safetensors")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sharding", "trainable"),
    [
        ("none", {"vision": "full", "connector": "full", "llm": "full"}),
        ("fsdp2", {"vision": "frozen", "connector": "full", "llm": "lora"}),
    ],
)
def test_two_have_the_curve_of_one(sharding: str, trainable: dict[str, str], tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "own": mixed(tmp_path, [1, 2, 3]),
        "stage": {"trainable": trainable, "batch": 7, "epochs": 3},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.0},
        "row": 96,  # many micro-batches, most of them text alone
    }
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = job(tmp_path / "one", **settings)
    two = job(tmp_path / "two", processes=2, sharding=sharding, **settings)
    told: list[Any] = []
    launch(one)
    outcome = launch(two, told.append)
    assert [step for step, _ in curve(one)] == [step for step, _ in curve(two)]
    assert [loss for _, loss in curve(two)] == pytest.approx([loss for _, loss in curve(one)], rel=1e-5)
    assert [(row["step"], row.get("loss", row.get("held_out_loss"))) for row in told] == curve(two)
    assert outcome.steps == told[-1]["steps"] == 9
    found, wanted = weights(two), weights(one)
    assert found.keys() == wanted.keys()
    # A bias of keys changes no attention: its gradient is rounding alone, which AdamW makes as large as any.
    assert all(torch.allclose(found[n], wanted[n], atol=1e-3) for n in wanted if not n.endswith("k_proj.bias"))


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_users_error(tmp_path: Path) -> None:
    own = job(tmp_path, processes=2)
    (tmp_path / "model/preprocessor_config.json").unlink(missing_ok=True)
    (tmp_path / "model/processor_config.json").unlink(missing_ok=True)
    with pytest.raises(VlitError) as error:
        launch(own)
    assert "a process of tuning ended" not in error.value.what
    assert error.value.todo and error.value.where


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_they_end_with_the_parent(how: int, tmp_path: Path) -> None:
    own = job(tmp_path, processes=2, stage={"epochs": 2000}, save_every=3)
    own.folder.mkdir()
    path = own.write()
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(path)], cwd=Path(__file__).parents[2])
    wait_for(lambda: len(list(own.folder.glob("checkpoints/step-*"))) > 0, 120)
    workers = working_on(path)
    assert len(workers) >= 2
    parent.send_signal(how)
    assert parent.wait(60) != 0
    wait_for(lambda: not working_on(path), 30)


def wait_for(what: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def working_on(path: Path) -> list[int]:
    """Processes that have this job in their command line, but for those that wait for their parents."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\x00")
            except OSError:
                continue
            if str(path).encode() in words and b"vlit.tune.worker" in words:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_sharded_processes_that_were_interrupted_end_with_the_same_bits(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "processes": 2,
        "sharding": "fsdp2",
        "stage": {"trainable": {"connector": "full", "llm": "lora"}, "epochs": 6},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.2},
        "save_every": 2,
    }
    (tmp_path / "peace").mkdir()
    (tmp_path / "broken").mkdir()
    peace, broken = job(tmp_path / "peace", **settings), job(tmp_path / "broken", **settings)
    launch(peace)

    def interrupt(row: Any) -> None:
        if row["step"] >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(broken, interrupt)
    if not (broken.folder / "outcome.json").exists():  # else it was too quick to be interrupted
        told: list[Any] = []
        resumed_at = launch(broken, told.append).resumed_at
        assert resumed_at >= 4
        assert [row["step"] for row in told if "samples" in row] == list(range(resumed_at + 1, 19))
    found, wanted = weights(broken), weights(peace)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
