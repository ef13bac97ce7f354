"""A server that was not written here: `transformers serve` with a tiny LLaVA of random weights.

It ignores ``n`` and ``response_format``, refuses unknown fields with 422, and answers 400 to another model's
name. The weights are random: what is said makes no sense, what is tested is the protocol.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlit.data.errors import VlitError
from vlit.teacher.config import TeacherConfig
from vlit.teacher.message import Message, Picture, Request, Sampling
from vlit.teacher.reply import Choice, Failure

_NEEDED = ("torch", "transformers", "accelerate", "fastapi", "uvicorn", "openai")
_MISSING = [name for name in _NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(_MISSING), reason=f"transformers serve needs {', '.join(_MISSING)}"),
]


class Serving:
    """The server, and what it wrote."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.model, self.log = str(folder), log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "transformers.cli.transformers", "serve", self.model]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu"]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        with self.log.open("wb") as out:
            return subprocess.Popen(command, stdout=out, stderr=out, env=environment)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    from tests.teacher.tiny import build

    folder = tmp_path_factory.mktemp("serve")
    build(folder / "tiny")
    server = Serving(folder / "tiny", folder / "log.txt")
    process = server.start()
    try:
        server.wait(process)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def ask(
    serving: Serving, journal: Path, request: Request, n: int = 1, **config: object
) -> tuple[Choice, ...] | Failure:
    """Ask through the whole client, journal and all."""
    from vlit.teacher.client import Teacher
    from vlit.teacher.journal import Journal

    given = TeacherConfig.model_validate(
        {"model": serving.model, "endpoints": [{"url": serving.url, "concurrency": 4}], "timeout": 60} | config
    )

    async def go() -> tuple[Choice, ...] | Failure:
        with Journal(journal) as kept:
            async with Teacher(given, kept) as teacher:
                return await teacher.ask(request, n)

    return asyncio.run(go())


def request(serving: Serving, *pictures: Picture, schema: str | None = None, extra: str = "") -> Request:
    return Request(
        model=serving.model,
        messages=(
            Message.of("system", "You see a picture."),
            Message.of("user", "What does it show?", *pictures),
        ),
        sampling=Sampling(temperature=0.9, max_tokens=12, seed=None),
        schema=schema,
        extra=extra,
    )


def test_n_choices_come_from_a_server_that_ignores_n(serving: Serving, tmp_path: Path) -> None:
    from vlit.teacher.journal import JournalView

    asked = request(serving)
    choices = ask(serving, tmp_path / "journal", asked, n=3)
    assert not isinstance(choices, Failure), choices
    assert len(choices) == 3
    assert all(choice.text and choice.finish in ("length", "stop") for choice in choices)
    assert len({choice.text for choice in choices}) > 1
    assert JournalView(tmp_path / "journal").choices(asked.key) == choices
    assert serving.log.read_text().count("Request received") >= 3
    usage = JournalView(tmp_path / "journal").usage(asked.key)
    assert usage.measured and usage.prompt > 0 and 3 <= usage.completion <= 36


def test_it_sees_pictures(serving: Serving, tmp_path: Path, demo: Path) -> None:
    import hashlib

    photo = sorted((demo / "images").glob("*.jpg"))[0]
    shown = Picture(str(photo), hashlib.sha256(photo.read_bytes()).hexdigest(), longest_side=64)
    blind, seeing = request(serving), request(serving, shown)
    choices = ask(serving, tmp_path / "journal", seeing)
    assert not isinstance(choices, Failure), choices
    assert choices[0].text

    from vlit.teacher.journal import JournalView

    ask(serving, tmp_path / "blind", blind)
    tokens = [
        JournalView(tmp_path / name).usage(r.key).prompt for name, r in (("journal", seeing), ("blind", blind))
    ]
    assert tokens[0] > tokens[1], "the photo's tokens were not counted: it did not arrive"


def test_optional_fields_that_it_ignores_do_no_harm(serving: Serving, tmp_path: Path) -> None:
    schema = '{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}'
    choices = ask(serving, tmp_path / "journal", request(serving, schema=schema))
    assert not isinstance(choices, Failure), choices
    assert len(choices) == 1


def test_a_field_that_it_refuses_with_422_is_named(serving: Serving, tmp_path: Path) -> None:
    from vlit.data.errors import VlitError

    try:
        told = ask(serving, tmp_path / "journal", request(serving, extra='{"repetition_penalty": 1.1}'))
    except VlitError as error:
        assert "repetition_penalty" in str(error)
    else:
        assert isinstance(told, Failure)
        assert "repetition_penalty" in told.reason


def test_another_models_name_stops_with_what_the_server_says(serving: Serving, tmp_path: Path) -> None:
    from vlit.data.errors import VlitError

    other = Request(model="another", messages=(Message.of("user", "Hi"),), sampling=Sampling(max_tokens=4))
    try:
        told = ask(serving, tmp_path / "journal", other, model="another")
    except VlitError as error:
        assert "another" in str(error)
    else:
        assert isinstance(told, Failure)
        assert "another" in told.reason


def test_a_whole_recipe_runs_and_nothing_is_made_of_nonsense(
    serving: Serving, tmp_path: Path, demo: Path
) -> None:
    from tests.generate.instruct.runs import recipe_text
    from vlit.run.engine import execute
    from vlit.run.folder import RunFolder
    from vlit.run.recipe import parse_recipe
    from vlit.teacher.journal import JournalView

    short = {
        "generations": 2,
        "rounds": 1,
        "sampling": {"max_tokens": 8},
        "clues": {"most": 300},
        "examples": None,
    }
    teacher = {"model": serving.model, "endpoints": [{"url": serving.url, "concurrency": 4}]}
    source = {"kind": "auto", "path": str(demo), "name": "demo"}
    text = recipe_text(
        serving.url, source, {"llava_conversation": short}, teacher=teacher, instruct={"scenes": 2}
    )
    run = RunFolder(tmp_path / "x")
    with pytest.raises(VlitError, match="no sample"):
        execute(parse_recipe(text, base=tmp_path), run, workers=1)
    rows = list(run.exchanges)
    assert len(rows) == 4 and all(len(row.flaws) == 2 and not row.samples for row in rows)
    assert {row.id for row in rows} == {q.record for q in run.quarantine if q.stage == "generate"}
    journal = JournalView(run.path / "journal")
    assert all(journal.choices(key) for row in rows for key in row.requests)
    assert sum(row.completion_tokens for row in rows) > 0
