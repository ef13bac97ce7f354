from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlit.teacher.journal import Journal
from vlit.teacher.records import Call, Fail, Reply
from vlit.teacher.reply import Choice

CHILD = """
import asyncio, json, sys
from pathlib import Path
from vlit.teacher.journal import Journal
from vlit.teacher.message import Message, Request
from vlit.teacher.reply import Choice, Usage
import vlit.teacher.index
vlit.teacher.index.RECENT = 40

async def work(journal, name):
    for number in range(100_000):
        request = Request(model="m", messages=(Message.of("user", f"{name} {number}"),))
        call = journal.sent(request, n=1, endpoint="http://localhost/v1", most=10)
        print("sent", call, request.key, flush=True)
        await journal.answered(call, request.key, (Choice(request.key * 20),), Usage(1, 1), model="m")
        print("answered", call, request.key, flush=True)

async def main(journal):
    print("ready", flush=True)
    await asyncio.gather(*(work(journal, name) for name in "abcdefgh"), return_exceptions=False)

with Journal(Path(sys.argv[1])) as journal:
    asyncio.run(main(journal))
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[list[str]]:
    (tmp_path / "child.py").write_text(CHILD)
    yield [sys.executable, str(tmp_path / "child.py"), str(tmp_path / "journal")]


def said(output: str, word: str) -> dict[str, str]:
    """Call -> key of each line that the child said whole."""
    lines = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return {line[1]: line[2] for line in lines if line[0] == word}


@pytest.mark.slow
def test_no_kill_loses_what_was_answered_or_hides_what_was_sent(tmp_path: Path, child: list[str]) -> None:
    moments = random.Random(7)
    sent: dict[str, str] = {}
    answered: dict[str, str] = {}
    for _ in range(8):
        process = subprocess.Popen(child, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        output = process.stdout.read()
        process.wait()
        sent |= said(output, "sent")
        answered |= said(output, "answered")
        with Journal(tmp_path / "journal") as journal:  # the lock went with the process
            assert journal.damaged == ()
            for call, key in answered.items():
                assert journal.outcomes(key)[call] == "answered"
                assert journal.choices(key)[0] == Choice(key * 20)
            assert all(call in journal.outcomes(key) for call, key in sent.items())
            records = list(journal.records())
            calls = [record.id for record in records if isinstance(record, Call)]
            replies = [record.id for record in records if isinstance(record, Reply | Fail)]
            assert len(calls) == len(set(calls)), "ids are unique over all runs"
            assert set(replies) <= set(calls)
            assert len(replies) == len(set(replies))
            total = journal.totals["m"]
            assert (total.calls, total.replies) == (len(calls), len(replies))
            assert total.unknown == 10 * (len(calls) - len(replies))
    assert len(answered) > 50


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
"""


@pytest.mark.slow
def test_a_disk_that_is_full_stops_all_and_confirms_nothing_that_is_not_there(
    tmp_path: Path, child: list[str]
) -> None:
    Path(child[1]).write_text(FULL + CHILD)
    done = subprocess.run(child, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "VlitError: cannot write here: File too large" in done.stderr
    answered = said(done.stdout, "answered")
    assert answered
    with Journal(tmp_path / "journal") as journal:
        assert journal.damaged == ()
        assert (tmp_path / "journal" / "00001.jsonl").read_bytes().endswith(b"}\n")
        for key in answered.values():
            assert journal.choices(key) == (Choice(key * 20),)
