"""The budget: an upper bound for each call, and that it is never passed."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tests.teacher.answering import Answer, Answering, Heard, completion
from tests.teacher.asking import ask_until_spent, config, request, texts, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.budget import Budget, most_of
from vlit.teacher.client import Teacher
from vlit.teacher.index import Totals
from vlit.teacher.journal import Journal
from vlit.teacher.message import Message, Picture, Request, Sampling
from vlit.teacher.reply import BudgetSpent

PRICES = {"scripted": {"prompt": 1.0, "completion": 4.0}}


@given(st.text(), st.integers(0, 3))
def test_no_text_has_more_tokens_than_its_bound(text: str, pictures: int) -> None:
    parts = [Picture(f"{i}.jpg", "0" * 64) for i in range(pictures)]
    asked = Request(model="m", messages=(Message.of("user", text, *parts),), sampling=Sampling(max_tokens=9))
    most = most_of(asked, picture_tokens=700)
    assert most.prompt >= len(text.encode("utf-8", "replace")) + 700 * pictures
    assert most.completion == 9


def test_what_the_server_is_told_beside_the_messages_counts_too() -> None:
    plain = Request(model="m", messages=(Message.of("user", "x"),))
    more = Request(
        model="m",
        messages=(Message.of("user", "x"),),
        schema="{}" * 50,
        extra='{"max_completion_tokens": 5000}',
    )
    assert most_of(more, 0).prompt >= most_of(plain, 0).prompt + 100
    assert most_of(more, 0).completion == 5000


@settings(deadline=None)
@given(
    st.integers(0, 3000),
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.integers(0, 2**32),
)
def test_a_budget_is_never_passed_and_nobody_waits_for_ever(
    tokens: int, calls: list[tuple[int, float, bool]], seed: int
) -> None:
    """Calls cost a share of what they may; some are lost, and nobody knows what those cost."""
    shuffled = random.Random(seed)

    async def run() -> None:
        budget = Budget(config("http://x/v1", budget={"tokens": tokens}), {})
        real = 0

        async def call(most: int, share: float, lost: bool) -> bool:
            nonlocal real
            try:
                await budget.admit("m", most)
            except BudgetSpent:
                return False
            budget.sent("m", most)
            assert budget.totals["m"].most <= tokens
            for _ in range(shuffled.randint(0, 5)):
                await asyncio.sleep(0)
            real += (cost := int(most * share))
            if lost:
                budget.failed("m", most, None)
            else:
                budget.answered("m", most, cost, 0)
            return True

        async with asyncio.timeout(5):
            made = await asyncio.gather(*(call(*each) for each in calls))
        assert real <= tokens
        assert budget.flying == budget.reserved == 0
        left = tokens - (budget.totals["m"].most if "m" in budget.totals else 0)
        assert all(most > left for (most, _, _), was in zip(calls, made, strict=True) if not was)

    asyncio.run(run())


def test_money_is_counted_by_the_price_of_each_kind() -> None:
    settings = config("http://x/v1", prices=PRICES, budget={"money": 1.0})
    budget = Budget(settings, {"scripted": Totals(prompt=100_000, completion=50_000, unknown=10_000)})
    assert budget.money == pytest.approx(0.1 + 0.2 + 0.04)
    asyncio.run(budget.admit("scripted", 165_000))
    with pytest.raises(BudgetSpent, match=r"160,000 tokens \(0\.34 in money\)"):
        asyncio.run(budget.admit("scripted", 166_000))


def test_a_model_without_a_price_cannot_be_held_against_money() -> None:
    budget = Budget(config("http://x/v1", prices=PRICES, budget={"money": 1.0}), {})
    with pytest.raises(VlitError, match="'other' has no price"):
        asyncio.run(budget.admit("other", 1))


def test_the_budget_holds_and_the_run_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    asked = [request(f"Describe photo {i}.") for i in range(60)]
    with ScriptedTeacher(latency=0.01) as server:

        async def do(teacher: Teacher, journal: Journal) -> tuple[int, int]:
            told = await ask_until_spent(teacher, asked)
            assert sum(totals.most for totals in journal.totals.values()) <= tokens
            return told

        seen = 0
        for tokens in (100, 1000, 2500):
            made, spent = with_teacher(tmp_path, config(server.url, budget={"tokens": tokens}), do)
            assert made + spent == 60
            assert spent > 0
            assert made >= seen
            cost = sum(call.prompt_tokens + call.completion_tokens for call in server.answered)
            assert cost <= tokens
            # As far as it goes: what is left does not suffice for one more call.
            assert cost > tokens - most_of(asked[-1], 0).prompt - 50
            seen = made
        assert with_teacher(tmp_path, config(server.url), do_all(asked)) == 60
        assert len(server.answered) == 60


def do_all(asked: list[Request]):  # type: ignore[no-untyped-def]
    async def do(teacher: Teacher, _: Journal) -> int:
        return sum(len(texts(outcome)) for outcome in await asyncio.gather(*map(teacher.ask, asked)))

    return do


_ASKING = """
import sys
from pathlib import Path
from tests.teacher.asking import ask_until_spent, config, request, with_teacher
asked = [request(f"Describe photo {i}.") for i in range(100)]
settings = config(sys.argv[1], concurrency=4, budget={"tokens": int(sys.argv[3])})
with_teacher(Path(sys.argv[2]), settings, lambda teacher, journal: ask_until_spent(teacher, asked))
"""


@pytest.mark.slow
def test_the_budget_holds_over_kills(tmp_path: Path) -> None:
    """A call that was in flight when its process was killed may have been paid, and counts at its most."""
    with ScriptedTeacher(latency=0.05) as server:
        command = [sys.executable, "-c", _ASKING, server.url, str(tmp_path), "6000"]
        for calls in (3, 20, 25):
            child = subprocess.Popen(command, cwd=REPOSITORY)
            while len(server.log) < calls and child.poll() is None:
                time.sleep(0.01)
            child.kill()
            child.wait()
        subprocess.run(command, cwd=REPOSITORY, check=True)
        seen = [call for call in server.log if call.texts]
        assert sum(call.prompt_tokens + call.completion_tokens for call in seen) <= 6000
    with Journal(tmp_path) as journal:
        totals = journal.totals["scripted"]
        assert totals.calls >= len(server.log)  # some were killed before they arrived
        assert 0 < totals.unknown <= 3 * 4 * 250
        assert 6000 - 250 < totals.most <= 6000


def test_a_smaller_request_may_still_fit(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a")) as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            with pytest.raises(BudgetSpent):
                await teacher.ask(request("x", max_tokens=5000))
            assert texts(await teacher.ask(request("x"))) == ("a",)

        with_teacher(tmp_path, config(server.url, budget={"tokens": 1000}), do)
        assert len(server.heard) == 1


def test_the_budget_holds_under_faults_with_what_may_have_been_paid(tmp_path: Path) -> None:
    faults = dict.fromkeys(("500", "503", "reset", "reset_body", "bad_json"), 0.1)
    with ScriptedTeacher(faults=faults) as server:
        settings = config(server.url, budget={"tokens": 8000})

        async def do(teacher: Teacher, journal: Journal) -> None:
            await ask_until_spent(teacher, [request(f"Describe photo {i}.") for i in range(100)])

        with_teacher(tmp_path, settings, do)
        lost = [call for call in server.log if call.fault in ("reset", "reset_body", "bad_json")]
        assert lost
        paid = sum(c.prompt_tokens + c.completion_tokens for c in (*server.answered, *lost))
        assert paid <= 8000
    with Journal(tmp_path) as journal:
        assert journal.totals["scripted"].most <= 8000
        assert journal.totals["scripted"].unknown >= 50 * len(lost)


def test_a_call_that_was_never_sent_costs_nothing(tmp_path: Path) -> None:
    async def do(teacher: Teacher, journal: Journal) -> None:
        with pytest.raises(VlitError, match="not answered"):
            await teacher.ask(request("x"))

    with_teacher(tmp_path, config("http://127.0.0.1:9/v1", deadline=2, budget={"tokens": 300}), do)
    with Journal(tmp_path) as journal:
        assert journal.totals["scripted"].most == 0
        assert journal.totals["scripted"].calls > 1


def test_calls_that_cost_more_than_their_bound_teach_to_reserve_more(tmp_path: Path) -> None:
    """A picture or a hidden prompt may cost more than anybody could know; but only the first time."""
    dear = {"prompt_tokens": 900, "completion_tokens": 50, "total_tokens": 950}
    with Answering(lambda _: completion("a", usage=dear)) as server:

        async def do(teacher: Teacher, journal: Journal) -> int:
            for i in range(10):
                try:
                    await teacher.ask(request(f"{i}"))
                except BudgetSpent:
                    return i
            return 10

        made = with_teacher(tmp_path, config(server.url, budget={"tokens": 3000}), do)
        assert made == len(server.heard) == 3
        assert made * 950 <= 3000


def test_the_reserve_is_told_to_the_journal_before_the_call_leaves(tmp_path: Path) -> None:
    journals: list[Journal] = []
    known: list[int] = []

    def script(heard: Heard) -> Answer:
        known.append(journals[0].totals["scripted"].unknown)
        return completion("a", "b", "c")

    async def do(teacher: Teacher, journal: Journal) -> None:
        journals.append(journal)
        await teacher.ask(request("x"), 3)

    with Answering(script) as server:
        with_teacher(tmp_path, config(server.url), do)
    assert known == [most_of(request("x"), 0).prompt + 3 * 50]
