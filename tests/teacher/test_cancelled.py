"""Callers that give up while what came for them is still on its way to the disk."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from tests.teacher.answering import Answering, error
from tests.teacher.asking import Outcome, config, request, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.teacher.client import Teacher
from vlit.teacher.journal import Journal
from vlit.teacher.reply import Failure


class SlowDisk:
    """Syncs of files end only when they are let through; that is all that a slow disk changes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.syncing, self._through, self._fsync = threading.Event(), threading.Event(), os.fsync
        patch.setattr("vlit.teacher.writer.os.fsync", self._wait)

    def _wait(self, file: int) -> None:
        if threading.current_thread().name == "journal":
            self.syncing.set()
            assert self._through.wait(10.0)
        self._fsync(file)

    def let_through(self) -> None:
        """From now on the disk is as quick as ever."""
        self._through.set()


async def cancelled_while_writing(teacher: Teacher, disk: SlowDisk, n: int, *, again: int = 1) -> Outcome:
    """What a second caller is told, who asks the same when the first one has given up."""
    first = asyncio.create_task(teacher.ask(request("x"), n))
    assert await asyncio.to_thread(disk.syncing.wait, 10.0)
    for _ in range(again):  # a second time: as a run that is stopped while it is stopping
        first.cancel()
        await asyncio.sleep(0)
    second = asyncio.create_task(teacher.ask(request("x"), n))
    await asyncio.sleep(0.2)  # time in which it could ask again
    disk.let_through()
    with pytest.raises(asyncio.CancelledError):
        await first
    return await second


@pytest.mark.parametrize("again", [1, 2])
def test_a_reply_on_its_way_to_the_disk_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: int
) -> None:
    disk = SlowDisk(monkeypatch)
    with ScriptedTeacher(vary=True) as server:

        async def do(teacher: Teacher, journal: Journal) -> None:
            told = await cancelled_while_writing(teacher, disk, 2, again=again)
            assert told == journal.choices(request("x").key)[:2]

        with_teacher(tmp_path, config(server.url), do)
        assert [call.n for call in server.log] == [2]


def test_a_failure_on_its_way_to_the_disk_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    with Answering(lambda _: error(400, "too long", code="context_length_exceeded")) as server:

        async def do(teacher: Teacher, journal: Journal) -> None:
            told = await cancelled_while_writing(teacher, disk, 1)
            assert isinstance(told, Failure)
            assert told == journal.failure(request("x").key)

        with_teacher(tmp_path, config(server.url), do)
        assert len(server.heard) == 1


def test_who_gives_up_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SlowDisk(monkeypatch)
    with ScriptedTeacher() as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            first = asyncio.create_task(teacher.ask(request("x")))
            assert await asyncio.to_thread(disk.syncing.wait, 10.0)
            first.cancel()
            await asyncio.wait([first], timeout=5.0)
            assert first.cancelled()
            disk.let_through()

        with_teacher(tmp_path, config(server.url), do)
