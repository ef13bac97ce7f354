from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.teacher.batching import REQUESTS, states
from tests.teacher.server import ScriptedTeacher
from vlit.teacher.budget import most_of
from vlit.teacher.journal import Journal, JournalView
from vlit.teacher.message import Request

#: Forks a process for each run, which kills itself before or after the given thing that leaves a trace.
ZYGOTE = """
import asyncio, functools, os, signal, sys
from pathlib import Path
import vlit.teacher.batch, vlit.teacher.batch_watch
from tests.teacher.batching import REQUESTS, config_of, run
from vlit.teacher.batch_files import Folder, OpenFile
from vlit.teacher.batch_service import Service
from vlit.teacher.journal import Journal

def deadly(owner, name, counter):
    real = getattr(owner, name)
    def tick():
        counter[0] -= 1
        if counter[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    if asyncio.iscoroutinefunction(real):
        @functools.wraps(real)
        async def run_it(*args, **named):
            tick()
            result = await real(*args, **named)
            tick()
            return result
    else:
        @functools.wraps(real)
        def run_it(*args, **named):
            tick()
            result = real(*args, **named)
            tick()
            return result
    setattr(owner, name, run_it)

for line in sys.stdin:
    folder, url, moment = line.split()
    child = os.fork()
    if not child:
        counter = [int(moment)]
        for owner, names in (
            (Folder, ("save", "clear")), (OpenFile, ("add", "finish")), (Service, ("_call",)),
            (Journal, ("sent", "answered", "failed", "sync")),
        ):
            for name in names:
                deadly(owner, name, counter)
        status = 1
        try:
            run(Path(folder), config_of(url, batch={"size": 2}), REQUESTS[:3], rounds=2)
            status = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(status)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture
def zygote() -> Iterator[Any]:
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))},
    )

    def run_it(folder: Path, url: str, moment: int) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        print(folder, url, moment, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    yield run_it
    assert process.stdin is not None
    process.stdin.close()
    process.wait(10)


def bound(request: Request) -> int:
    """What a call costs at most: nobody tells what the one that was filtered did cost."""
    most = most_of(request, 0)
    return most.prompt + most.completion


@pytest.mark.slow
def test_no_kill_submits_twice_pays_twice_or_loses_a_reply(tmp_path: Path, zygote: Any) -> None:
    moment, killed = 0, True
    while killed:
        moment += 1
        folder = tmp_path / str(moment)
        with ScriptedTeacher(faults={"filter_400": 0.3}, seed=3) as server:
            status = zygote(folder, server.url, moment)
            killed = status == 9
            assert status in (0, 9), moment
            assert zygote(folder, server.url, 0) == 0, moment
            assert len(server.batches.batches) == 2, f"event {moment}: a file was submitted twice"
            uploads = [name for name in server.batches._names.values() if name.startswith("vlit-")]
            assert len(uploads) == 2, f"event {moment}: a file was uploaded twice"
            assert len(server.log) == 3, f"event {moment}: a request was asked twice"
            texts = {call.prompt: call.texts for call in server.log if call.status == 200}
            assert len(texts) in (1, 2), "both kinds of outcomes are wanted"
        view = JournalView(folder / "journal")
        for request in REQUESTS[:3]:
            text = request.messages[0].text
            assert tuple(c.text for c in view.choices(request.key)) == texts.get(text, ()), moment
            failure = view.failure(request.key)
            assert (failure.kind if failure else None) == (None if text in texts else "filtered"), moment
        with Journal(folder / "journal") as journal:
            totals = journal.totals["m"]
            assert (totals.calls, totals.replies, totals.failed, totals.unknown) == (
                3,
                len(texts),
                3 - len(texts),
                sum(bound(request) for request in REQUESTS[:3] if not view.choices(request.key)),
            ), moment
        assert [state["step"] for state in states(folder)] == ["done", "done"], moment
        assert not list((folder / "batches").glob("*.jsonl")), moment
    assert moment > 60, "too few moments to prove anything"
