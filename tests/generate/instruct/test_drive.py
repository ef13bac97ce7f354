"""Drivers: what is asked again by a later run, and that paid replies are used beside failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.generate.instruct.test_exchange import GOOD, asker, drive, start
from tests.teacher.server import ScriptedTeacher
from vlit.generate.instruct.exchange import Exchanging, Outcome
from vlit.run.progress import Progress
from vlit.teacher.ask import ask
from vlit.teacher.config import TeacherConfig
from vlit.teacher.exchange import Wanted
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Message, Request
from vlit.teacher.reply import Choice, Failure

REQUESTS = [Request(model="m", messages=(Message.of("user", f"Tell about number {i}."),)) for i in range(4)]


def exchanges() -> Iterator[Exchanging]:
    for request in REQUESTS:
        yield exchanging(request)


def exchanging(request: Request) -> Exchanging:
    yield Wanted(request, 1)
    return Outcome()


@pytest.mark.parametrize("batch", [None, {"poll": 0.01}])
def test_what_a_server_did_not_answer_in_one_run_is_asked_in_the_next(
    tmp_path: Path, batch: dict[str, Any] | None
) -> None:
    def settings(server: ScriptedTeacher) -> TeacherConfig:
        endpoints = [{"url": server.url}]
        return TeacherConfig.model_validate(
            {"model": "m", "endpoints": endpoints, "attempts": 2, "batch": batch}
        )

    with ScriptedTeacher(faults={"500": 1.0}) as server:
        ask(settings(server), exchanges, tmp_path, Progress())
        assert len(server.log) == 8
    failures = [JournalView(tmp_path).failure(request.key) for request in REQUESTS]
    assert [failure and failure.kind for failure in failures] == ["unreachable"] * 4
    with ScriptedTeacher() as server:
        ask(settings(server), exchanges, tmp_path, Progress())
        assert len(server.log) == 4
    assert all(JournalView(tmp_path).choices(request.key) for request in REQUESTS)


def test_replies_that_came_before_a_failure_are_used() -> None:
    """Three generations share a request; the server gave two replies and then refused."""
    failure = Failure("filtered", "400: no")
    both = (Choice(GOOD), Choice(GOOD))
    wanted, outcome = drive(start(asker(generations=3)), failure, both, failure, both, failure)
    assert [each.n for each in wanted] == [3, 1, 3, 2, 3]
    assert [row.outcome for row in outcome.exchanges] == ["kept", "kept", "filtered"]
    assert [len(row.requests) for row in outcome.exchanges] == [1, 1, 1]
