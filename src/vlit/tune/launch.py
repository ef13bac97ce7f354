"""Carry out a job: in this process, or in several that torch starts."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vlit.data.errors import VlitError
from vlit.tune.job import OUTCOME, Job, outcome_of, work
from vlit.tune.metrics import Tell
from vlit.tune.worker import ERROR, NEWS, PARENT

if TYPE_CHECKING:
    from vlit.tune.loop import Outcome

#: Seconds between two looks at the processes, and until one that was told to end is killed.
_LOOK, _GRACE = 0.2, 10.0


def launch(job: Job, tell: Tell = lambda row: None) -> Outcome:
    """Carry out a job, and tell of every line of metrics as it comes.

    Several processes end with this one: when it is interrupted, or killed.

    Raises:
        VlitError: What stopped the job, whichever process it stopped; or that one ended without a word.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / OUTCOME).unlink(missing_ok=True)
    path = job.write()
    if job.config.processes == 1:
        return work(job, tell)
    for name in (ERROR, NEWS):
        (job.folder / name).unlink(missing_ok=True)
    log = job.folder / "workers.log"
    with log.open("wb") as file:
        agent = subprocess.Popen(
            _command(job.config.processes, path),
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, PARENT: str(os.getpid())},
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others in order
        )
    news = _news(job.folder / NEWS)
    try:
        while agent.poll() is None:
            time.sleep(_LOOK)
            for row in next(news):
                tell(row)
    finally:
        _end(agent)
    for row in next(news):
        tell(row)
    (job.folder / NEWS).unlink(missing_ok=True)
    _raise_error(job.folder, agent.returncode, log)
    return outcome_of(job)  # written before the first process ends well


def _command(processes: int, path: Path) -> list[str]:
    """Start the workers on this machine; they find each other at a free port of the loopback."""
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", "1", "--nproc-per-node", str(processes)),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"),
        *("-m", "vlit.tune.worker", str(path)),
    ]


def _news(path: Path) -> Iterator[list[Mapping[str, Any]]]:
    """At each turn the whole lines that a file has got since the last."""
    place = 0
    while True:
        rows: list[Mapping[str, Any]] = []
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(place)
            while (line := file.readline()).endswith(b"\n"):
                place += len(line)
                rows.append(orjson.loads(line))
        yield rows


def _end(agent: subprocess.Popen[bytes]) -> None:
    """End the workers where they still run: asked first, then killed."""
    if agent.poll() is None:
        agent.send_signal(signal.SIGTERM)
        try:
            agent.wait(_GRACE)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()


def _raise_error(folder: Path, code: int, log: Path) -> None:
    told = folder / ERROR
    if told.exists():
        error = orjson.loads(told.read_bytes())
        raise VlitError(error["what"], where=error["where"], todo=error["todo"])
    if code != 0:
        raise VlitError(
            f"a process of tuning {_end_of_first(log.read_text(encoding='utf-8', errors='replace'), code)}",
            where=str(log),
            todo="this file holds what the processes wrote; run again to go on from the last checkpoint",
        )


def _end_of_first(log: str, code: int) -> str:
    """What ended the process that failed first: others fail after it, since they wait for it."""
    written, _, summary = log.partition("ChildFailedError")
    root = re.search(r"\brank +: (\d+).*\n *exitcode +: (-?\d+)", summary.rpartition("Root Cause")[2])
    number, code = (root[1], int(root[2])) if root else (r"\d+", code)
    if code == -signal.SIGKILL:
        return "was killed: the system does this when main memory runs out; lower tune.readers or tune.row"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    raised = re.findall(rf"^(?:\[rank{number}\]: )?([\w.]+Error\b.*)$", written, re.MULTILINE)
    return f"ended with {code}" + (f": {raised[-1].strip()}" if raised else "")
