"""A run with a teacher, killed and started again: the same bytes, and no answered request asked again."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.generate.instruct.runs import faulty, recipe_text
from tests.teacher.server import ScriptedTeacher
from vlit.run.folder import RunFolder
from vlit.teacher.journal import JournalView
from vlit.teacher.records import Call, Fail, Reply

RECIPES = ["llava_conversation", "llava_detail", "svit_complex", "review_region"]
TABLES = ("scenes", "exchanges", "samples", "quarantine", "marked")
KILLS = 20
#: Outcomes in which the last request has no reply.
FAILED = ("filtered", "refused", "unreachable", "malformed", "too_long")


def teacher() -> ScriptedTeacher:
    return faulty(latency=0.02, seed=5)


def write_recipe(folder: Path, url: str, demo: Path) -> Path:
    source = {"kind": "auto", "path": str(demo), "name": "demo"}
    options = {"endpoints": [{"url": url, "concurrency": 16}], "timeout": 5, "deadline": 60}
    text = recipe_text(url, source, RECIPES, teacher=options, instruct={"scenes": 5})
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def start(recipe: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vlit", "run", str(recipe), "--runs", str(recipe.parent / "runs")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finish(recipe: Path) -> None:
    process = start(recipe)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()


def digest(folder: Path) -> dict[str, str]:
    run = folder / "runs" / "x"
    files = [run / "run.json", *(path for table in TABLES for path in sorted((run / table).glob("*")))]
    return {str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one place of all runs: samples name files by their path."""
    return tmp_path_factory.mktemp("taught")


@pytest.fixture(scope="module")
def unbroken(folder: Path, demo: Path) -> tuple[dict[str, str], float]:
    """Digests of a run that was left alone, and how long it took."""
    with teacher() as server:
        started = time.monotonic()
        finish(write_recipe(folder, server.url, demo))
        return digest(folder), time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(KILLS))
def test_killed_and_resumed(
    trial: int, unbroken: tuple[dict[str, str], float], folder: Path, demo: Path
) -> None:
    expected, seconds = unbroken
    shutil.rmtree(folder / "runs")
    with teacher() as server:
        recipe = write_recipe(folder, server.url, demo)
        process = start(recipe)
        time.sleep((trial + random.Random(trial).random()) / KILLS * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        finish(recipe)
        log = list(server.log)
    assert digest(folder) == expected
    # Two generations may draw the same examples: then one request is asked for two replies.
    rows = list(RunFolder(folder / "runs" / "x").exchanges)
    uses = Counter(key for row in rows if row.outcome not in FAILED for key in row.requests)
    uses.update(key for row in rows if row.outcome in FAILED for key in row.requests[:-1])
    journal = JournalView(folder / "runs" / "x" / "journal")
    calls: dict[str, Call] = {}
    ended: dict[str, Reply | Fail] = {}
    answered: dict[str, list[Call]] = defaultdict(list)
    for record in journal.records():
        match record:
            case Call():
                assert record.id not in calls, "an id twice"
                before = len(answered[record.key])
                assert not before or before < uses[record.key], "asked again what was answered"
                calls[record.id] = record
            case Reply():
                ended[record.id] = record
                answered[record.key].append(calls[record.id])
            case Fail():
                ended[record.id] = record
    chats = {call.id: call for call in log if call.path.endswith("/chat/completions")}
    assert len(chats) == sum(call.path.endswith("/chat/completions") for call in log), "a call without its id"
    assert set(chats) <= set(calls), "the server saw a call that the journal does not know"
    for name, seen in chats.items():
        end = ended.get(name)
        if isinstance(end, Reply):
            assert seen.status == 200 and tuple(c.text for c in end.choices) == tuple(
                t or "" for t in seen.texts
            )
        elif isinstance(end, Fail):
            assert not (seen.whole and seen.status == 200 and seen.fault is None and any(seen.texts))
    assert {key: len(found) for key, found in answered.items() if found} == dict(uses)
