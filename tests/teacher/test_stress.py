"""Everything at once, at random: what must hold, whatever happens in whichever order.

Faults of all kinds, two endpoints, rates, a budget, equal requests, several replies, servers that ignore ``n``,
callers that give up, and runs that are stopped in the middle; then the same journal again by a second session.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.teacher.asking import config, request, with_teacher
from tests.teacher.faults import FLAWS, STEADY, TRANSPORT, spread
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.client import Teacher
from vlit.teacher.journal import Journal
from vlit.teacher.message import Request
from vlit.teacher.records import Call, Fail, Reply
from vlit.teacher.reply import BudgetSpent, Failure

SEEDS = range(8)
GUARD = 60.0  # seconds after which a test that hangs fails


def servers(random: Random, stack: ExitStack) -> list[ScriptedTeacher]:
    """One or two that fail in all ways, now and then one that ignores ``n``."""
    faults = spread(random.choice((0.0, 0.2, 0.5)), TRANSPORT) | spread(0.1, STEADY)
    flaws = spread(0.3, tuple(flaw for flaw in FLAWS if flaw != "overrun"))
    return [
        stack.enter_context(
            ScriptedTeacher(
                faults=faults | flaws,
                seed=random.randrange(1000),
                latency=random.choice((0.0, 0.01)),
                retry_after=0.05,
                ignore_n=random.random() < 0.4,
                refuses=random.choice(((), (), ("seed",), ("n",))),
                capacity=random.choice((None, None, 4)),
            )
        )
        for _ in range(random.choice((1, 2)))
    ]


def settings(random: Random, urls: list[str], tokens: int | None) -> dict[str, Any]:
    """Endpoints with rates, few attempts, and a budget."""
    endpoints = [
        {
            "url": url,
            "concurrency": random.choice((1, 8, 64)),
            "requests_per_minute": random.choice((None, 60_000)),
            "tokens_per_minute": random.choice((None, 3_000_000)),
        }
        for url in urls
    ]
    more = {"timeout": 0.3, "deadline": random.choice((2.0, 20.0)), "attempts": random.choice((2, 8))}
    return {"endpoints": endpoints, "budget": {"tokens": tokens}, **more}


async def ask_all(teacher: Teacher, asked: list[tuple[Request, int]], random: Random) -> list[Any]:
    """What came of each; some callers give up, and now and then the run is stopped."""
    tasks = [asyncio.create_task(teacher.ask(*each)) for each in asked]
    loop = asyncio.get_running_loop()
    for task in random.sample(tasks, random.choice((0, len(tasks) // 5))):
        loop.call_later(random.uniform(0, 0.5), task.cancel)
    stop = loop.call_later(random.uniform(0.05, 1), teacher.stop, VlitError("stopped"))
    if random.random() < 0.7:
        stop.cancel()
    async with asyncio.timeout(GUARD):
        told = await asyncio.gather(*tasks, return_exceptions=True)
    stop.cancel()
    return told


def check_outcomes(asked: list[tuple[Request, int]], told: list[Any], journal: Journal) -> None:
    for (each, n), outcome in zip(asked, told, strict=True):
        kept = journal.choices(each.key)
        if isinstance(outcome, tuple):
            assert outcome == kept[:n] and len(outcome) == n
        elif isinstance(outcome, Failure):
            assert len(kept) < n and journal.failure(each.key) == outcome
        else:
            assert isinstance(outcome, BudgetSpent | VlitError | asyncio.CancelledError), repr(outcome)


def check_rest(teacher: Teacher, journal: Journal) -> None:
    """Nothing is held any more, and budget and journal have counted the same."""
    caller = teacher._caller
    assert not teacher._flights
    assert caller._route.waiting == 0
    assert [endpoint.active for endpoint in caller._route.endpoints] == [0] * len(caller._route.endpoints)
    assert (caller._budget.flying, caller._budget.reserved) == (0, 0)
    counted, written = caller._budget.totals, journal.totals
    for model in counted.keys() | written.keys():
        assert counted[model].most == written[model].most
        assert counted[model].unknown == written[model].unknown >= 0


def check_log(journal: Journal, seen: dict[str, Any]) -> int:
    """The servers' logs agree with the journal call by call; what was paid at least."""
    calls: dict[str, Call] = {}
    ended: Counter[str] = Counter()
    paid = 0
    for record in journal.records():
        if isinstance(record, Call):
            assert record.id not in calls
            calls[record.id] = record
        elif isinstance(record, Reply):
            ended[record.id] += 1
            assert seen[record.id].status == 200
            told = Counter(text or "" for text in seen[record.id].texts)
            assert not Counter(choice.text for choice in record.choices) - told
        elif isinstance(record, Fail) and record.most:
            ended[record.id] += 1
    assert not ended or max(ended.values()) == 1, "two outcomes of one call"
    assert set(seen) <= set(calls), "a call that the journal does not know"
    for name, call in seen.items():
        cost = call.prompt_tokens + call.completion_tokens
        assert cost <= calls[name].most
        paid += cost if call.status == 200 and call.whole else 0
    return paid


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    distinct = [request(f"Describe photo {i}.", seed=i) for i in range(60)]
    asked = [(random.choice(distinct), random.choice((1, 1, 2, 5))) for _ in range(150)]
    budget = random.choice((None, 3_000, 20_000))

    with ExitStack() as stack:
        running = servers(random, stack)

        async def do(teacher: Teacher, journal: Journal) -> None:
            told = await ask_all(teacher, asked, random)
            await journal.sync()
            await asyncio.sleep(0)  # who waited for the same sync is told in the same turn of the loop
            check_outcomes(asked, told, journal)
            check_rest(teacher, journal)
            if tokens is not None:
                assert sum(totals.most for totals in journal.totals.values()) <= tokens
            seen = {call.id: call for server in running for call in server.log}
            assert len(seen) == sum(len(server.log) for server in running), "an id twice"
            paid = check_log(journal, seen)
            assert paid <= sum(totals.most for totals in journal.totals.values())

        for tokens in (budget, budget and 2 * budget):
            more = settings(random, [server.url for server in running], tokens)
            with_teacher(tmp_path, config(**more), do, warn=lambda _: None)
