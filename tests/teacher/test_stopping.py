"""Runs that stop: what is in flight is kept, what waits is told, and nothing is left reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.teacher.answering import Answer, Answering, Heard, completion, error
from tests.teacher.asking import config, request, texts, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.generate.instruct.exchange import Exchanging, Outcome
from vlit.teacher import caller
from vlit.teacher.budget import most_of
from vlit.teacher.client import Teacher
from vlit.teacher.drive import converse_all
from vlit.teacher.exchange import Wanted
from vlit.teacher.index import Index
from vlit.teacher.journal import Journal
from vlit.teacher.reply import BudgetSpent, Choice, Usage

GUARD = 30.0  # seconds after which a test that hangs fails


def exchanging(text: str, rounds: int = 1) -> Exchanging:
    """An exchange of one request a round."""
    for i in range(rounds):
        yield Wanted(request(f"{text} {i}"), 1)
    return Outcome()


def late(heard: Heard, seconds: float = 0.5) -> Answer:
    answer = completion("paid")
    answer.after = seconds
    return answer


def test_paid_replies_that_are_in_flight_are_kept_when_the_run_stops(tmp_path: Path) -> None:
    """The one call that finds the account empty must not cost the replies of all others."""

    def script(heard: Heard) -> Answer:
        return error(402, "Insufficient Balance") if heard.order == 8 else late(heard)

    warned: list[str] = []
    with Answering(script) as server:

        async def do(teacher: Teacher, journal: Journal) -> None:
            exchanges = (exchanging(f"{i}", rounds=3) for i in range(1000))
            with pytest.raises(VlitError, match="account is empty"):
                async with asyncio.timeout(GUARD):
                    await converse_all(exchanges, teacher, in_flight=10)
            await journal.sync()
            assert journal.totals["scripted"].replies == len(server.heard) - 1
            assert journal.totals["scripted"].unknown == 0

        with_teacher(tmp_path, config(server.url, concurrency=10), do, warn=warned.append)
    assert len(server.heard) <= 10, "it went on asking"
    assert len(warned) == 1


def test_a_wrong_key_leaves_nothing_reserved(tmp_path: Path) -> None:
    """Or a budget would be used up by runs that never got a reply."""
    with Answering(lambda heard: error(401, "no")) as server:

        async def do(teacher: Teacher, journal: Journal) -> None:
            with pytest.raises(VlitError, match="wants a key"):
                await converse_all((exchanging(f"{i}") for i in range(200)), teacher, in_flight=64)
            await journal.sync()
            assert journal.totals["scripted"].calls > 1
            assert journal.totals["scripted"].most == 0

        with_teacher(tmp_path, config(server.url), do)


def test_what_is_wrong_with_an_exchange_keeps_the_replies_of_others(tmp_path: Path) -> None:
    def exchanges() -> Iterator[Exchanging]:
        yield exchanging("a")
        yield exchanging("b")
        raise VlitError("a scene is bad")

    with Answering(late) as server:

        async def do(teacher: Teacher, journal: Journal) -> None:
            with pytest.raises(VlitError, match="a scene is bad"):
                await converse_all(exchanges(), teacher, in_flight=4)
            assert [len(journal.choices(request(f"{text} 0").key)) for text in "ab"] == [1, 1]

        with_teacher(tmp_path, config(server.url), do)


def test_a_mistake_in_a_worker_ends_all(tmp_path: Path) -> None:
    def mistaken() -> Exchanging:
        yield Wanted(request("x"), 1)
        raise ZeroDivisionError

    with ScriptedTeacher() as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            every = (mistaken() if i == 5 else exchanging(f"{i}") for i in range(50))
            with pytest.raises(ExceptionGroup) as group:
                async with asyncio.timeout(GUARD):
                    await converse_all(every, teacher, in_flight=4)
            assert isinstance(group.value.exceptions[0], ZeroDivisionError)

        with_teacher(tmp_path, config(server.url), do)


def test_a_wait_before_the_next_attempt_ends_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "backoff", lambda *_: 1000.0)
    with Answering(lambda _: Answer(500, b"oops")) as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            asked = asyncio.create_task(teacher.ask(request("x")))
            while not teacher.progress.failed:
                await asyncio.sleep(0.01)
            teacher.stop(VlitError("enough"))
            with pytest.raises(VlitError, match="enough"):
                async with asyncio.timeout(GUARD):
                    await asked

        with_teacher(tmp_path, config(server.url, deadline=5000), do)
    assert len(server.heard) == 1


def test_who_waits_for_the_budget_sends_nothing_after_the_run_stopped(tmp_path: Path) -> None:
    with Answering(late) as server:
        first, second = request("first"), request("second")
        most = most_of(first, 0)

        async def do(teacher: Teacher, _: Journal) -> None:
            asked = asyncio.create_task(teacher.ask(first))
            while not teacher.progress.flying:
                await asyncio.sleep(0.01)
            waits = asyncio.create_task(teacher.ask(second))
            await asyncio.sleep(0.1)
            teacher.stop(VlitError("enough"))
            assert texts(await asked) == ("paid",)
            with pytest.raises(VlitError, match="enough"):
                async with asyncio.timeout(GUARD):
                    await waits

        tokens = most.prompt + most.completion + 40  # for one call in flight; its reply costs 15
        with_teacher(tmp_path, config(server.url, budget={"tokens": tokens}), do)
    assert len(server.heard) == 1


def test_a_failure_beside_a_spent_budget_is_recorded(tmp_path: Path) -> None:
    """Of three calls for one request one is refused, one answered, and one does not fit the budget any more."""
    asked = request("abc")

    def script(heard: Heard) -> Answer:
        if heard.body["max_tokens"] == 5:
            return completion("warm")  # one reply, though two were asked for
        return error(400, "messages are odd") if heard.order == 2 else completion("a")

    most = most_of(asked, 0)
    with Answering(script) as server:

        async def do(teacher: Teacher, journal: Journal) -> None:
            await teacher.ask(request("warm", max_tokens=5), 2)
            with pytest.raises(BudgetSpent):
                await teacher.ask(asked, 3)
            await journal.sync()
            assert journal.totals["scripted"].unknown == 0
            failure = journal.failure(asked.key)
            assert failure and failure.kind == "refused"
            assert [choice.text for choice in journal.choices(asked.key)] == ["a"]

        tokens = 30 + most.prompt + most.completion + 5
        with_teacher(tmp_path, config(server.url, budget={"tokens": tokens}), do)
    assert len(server.heard) == 4


def test_no_call_is_made_after_the_deadline(tmp_path: Path) -> None:
    """Also where an endpoint is free at once: what it answered would come too late, and may be paid."""

    async def do(teacher: Teacher, _: Journal) -> None:
        first = asyncio.get_running_loop().time() - 21
        attempts = caller._Attempts(first=first)
        assert await teacher._caller._endpoint(attempts, 10) is None
        attempts = caller._Attempts(first=first + 10)
        assert await teacher._caller._endpoint(attempts, 10) is not None

    with_teacher(tmp_path, config("http://127.0.0.1:9/v1", deadline=20), do)


def test_a_mistake_in_the_journals_thread_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*_: object) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        journal = Journal(tmp_path)
        asked = [request(f"{i}") for i in range(50)]
        calls = [journal.sent(each, n=1, endpoint="http://x", most=9) for each in asked]
        monkeypatch.setattr(Index, "take", take)

        async def answer(i: int) -> None:
            await asyncio.sleep(i * 0.001)  # some come while the thread fails, some after
            key = asked[i].key
            await journal.answered(calls[i], key, (Choice("a"),), Usage(1, 1), model="scripted")

        async with asyncio.timeout(GUARD):
            told = await asyncio.gather(*map(answer, range(50)), return_exceptions=True)
        assert all(isinstance(each, VlitError) for each in told)
        assert "ZeroDivisionError" in str(told[0])
        with pytest.raises(VlitError):
            journal.close()

    asyncio.run(run())
