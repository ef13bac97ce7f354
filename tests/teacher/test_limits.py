"""Rates, concurrency, waits, and which endpoint is next: on a clock of the test's own where that can be."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.teacher.answering import Answer, Answering, Heard, completion
from tests.teacher.asking import ask_all, config, request, texts, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.client import Teacher
from vlit.teacher.config import EndpointConfig
from vlit.teacher.journal import Journal
from vlit.teacher.limits import FIRST, Bucket, Concurrency
from vlit.teacher.reply import Failure
from vlit.teacher.route import SICK, Endpoint, Route
from vlit.teacher.waits import LONGEST, backoff, told_wait


@given(
    st.floats(1, 100_000),
    st.lists(st.floats(0, 20), min_size=1, max_size=300),
)
def test_no_minute_has_more_than_its_rate(per_minute: float, gaps: list[float]) -> None:
    bucket, now = Bucket(per_minute, 0.0), 0.0
    taken: list[float] = []
    for gap in gaps:
        now += gap
        for _ in range(50):
            if bucket.ready_at(now) > now:
                break
            bucket.take(1, now)
            taken.append(now)
    for i, start in enumerate(taken):
        within = sum(start <= at < start + 60 for at in taken[i:])
        assert within <= math.ceil(per_minute)


def test_a_bucket_keeps_up_with_its_rate() -> None:
    bucket, now, taken = Bucket(6000, 0.0), 0.0, 0
    while (now := max(now, bucket.ready_at(now))) < 60:
        bucket.take(1, now)
        taken += 1
    assert 5900 < taken <= 6000


def test_what_was_not_used_is_given_back() -> None:
    bucket = Bucket(600, 0.0)  # 10 a second
    bucket.take(101, 0.0)
    assert bucket.ready_at(0.0) == pytest.approx(10.1)
    bucket.give(50, 0.0)
    assert bucket.ready_at(0.0) == pytest.approx(5.1)
    bucket.give(-20, 0.0)
    assert bucket.ready_at(0.0) == pytest.approx(7.1)
    bucket.give(1e9, 0.0)
    assert bucket.level == 1.0


def after(concurrency: Concurrency, calls: int, refused: float = 0.0) -> float:
    for i in range(calls):
        concurrency.ended(overloaded=(i * refused) % 1 + refused >= 1)
    return concurrency.limit


def test_all_goes_well_and_the_limit_doubles() -> None:
    concurrency = Concurrency(256)
    assert concurrency.limit == FIRST == 64
    assert after(concurrency, 64) == 128
    assert after(concurrency, 128) == 256
    assert after(concurrency, 1000) == 256
    assert Concurrency(3).limit == 3


def test_a_server_that_turns_everything_away_gets_one_at_a_time() -> None:
    concurrency = Concurrency(64)
    assert after(concurrency, 200, refused=1.0) == 1.0
    assert after(concurrency, 3000) == 64


def test_a_few_refusals_cost_little() -> None:
    concurrency = Concurrency(64)
    after(concurrency, 2000, refused=0.02)
    assert concurrency.limit > 48


@given(st.integers(1, 300), st.lists(st.booleans(), max_size=500))
def test_the_limit_stays_in_its_bounds(most: int, refused: list[bool]) -> None:
    concurrency = Concurrency(most)
    for each in refused:
        concurrency.ended(overloaded=each)
        assert 1 <= concurrency.limit <= most


def wait_of(headers: Mapping[str, str], most: float = 100.0) -> float | None:
    return told_wait(CIMultiDict(headers), most)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": "100000"}, 100.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Wed, 99 Foo 2025 99:99:99 GMT"}, None),
        ({"Retry-After": "9", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "9", "retry-after-ms": "x"}, 9.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "20s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "later"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": ""}, None),
    ],
)
def test_what_the_server_says_about_waiting(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers) == seconds


@pytest.mark.parametrize("skew", [timedelta(), timedelta(days=400), timedelta(hours=-5)])
def test_a_date_is_held_against_the_servers_own_clock(skew: timedelta) -> None:
    now = datetime.now(UTC) + skew
    then = format_datetime(now + timedelta(seconds=30), usegmt=True)
    assert wait_of({"Retry-After": then, "Date": format_datetime(now, usegmt=True)}) == 30.0


def test_a_date_without_a_clock_is_held_against_ours() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (wait_of({"Retry-After": then, "Date": "yesterday"}) or 0) <= 30
    assert wait_of({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}) == 0.0
    assert wait_of({"Retry-After": "Fri, 06 Nov 2099 08:49:37 GMT"}) == 100.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_is_too_odd(told: str, date: str) -> None:
    wait = wait_of({"Retry-After": told, "Date": date})
    assert wait is None or 0 <= wait <= 100


@given(st.integers(1, 10_000))
def test_backoff_is_bounded(times: int) -> None:
    assert 0 <= backoff(times, 0.5) <= LONGEST


def endpoints(*concurrency: int, now: float) -> list[Endpoint]:
    return [
        Endpoint(EndpointConfig(url=f"http://{i}/v1", concurrency=c), now) for i, c in enumerate(concurrency)
    ]


def test_the_least_loaded_endpoint_is_next() -> None:
    async def run() -> list[int]:
        route = Route(endpoints(2, 6, now=asyncio.get_running_loop().time()))
        return [route.endpoints.index(await route.acquire(1)) for _ in range(8)]

    order = asyncio.run(run())
    assert (order.count(0), order.count(1)) == (2, 6)
    assert order[:4].count(0) == 1


def test_waiting_calls_come_in_order_and_repeated_ones_first() -> None:
    async def run() -> list[str]:
        route = Route(endpoints(1, now=asyncio.get_running_loop().time()))
        order: list[str] = []

        async def call(name: str, again: bool) -> None:
            endpoint = await route.acquire(1, again=again)
            order.append(name)
            await asyncio.sleep(0)
            route.release(endpoint)

        names = [("a", False), ("b", False), ("c", False), ("d", True), ("e", True)]
        await asyncio.gather(*(call(name, again) for name, again in names))
        assert route.endpoints[0].active == route.waiting == 0
        return order

    assert asyncio.run(run()) == ["a", "d", "e", "b", "c"]


def test_a_cancelled_wait_loses_no_place() -> None:
    async def run() -> None:
        route = Route(endpoints(1, now=asyncio.get_running_loop().time()))
        held = await route.acquire(1)
        waiting = [asyncio.create_task(route.acquire(1)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        route.release(held)  # goes to the second
        waiting[1].cancel()  # which is cancelled before it takes it up
        async with asyncio.timeout(1):
            assert await waiting[2] is held
        assert held.active == 1

    asyncio.run(run())


def test_those_that_wait_are_told_when_the_run_stops() -> None:
    async def run() -> None:
        route = Route(endpoints(1, now=asyncio.get_running_loop().time()))
        await route.acquire(1)
        waiting = [asyncio.create_task(route.acquire(1)) for _ in range(3)]
        await asyncio.sleep(0)
        route.stop(VlitError("enough"))
        for each in waiting:
            with pytest.raises(VlitError, match="enough"):
                await each

    asyncio.run(run())


def test_a_sick_endpoint_is_probed_by_one_call_at_a_time() -> None:
    (endpoint,) = endpoints(10, now=0.0)
    for _ in range(SICK):
        assert endpoint.free_at(0.0) == 0.0
        endpoint.failed(0.0, overloaded=False)
    first = endpoint.free_at(0.0) or 0.0
    assert 0.5 <= first <= 1.0
    endpoint.take(1, first)
    assert endpoint.free_at(first) is None  # the probe is on its way
    endpoint.failed(first, overloaded=False)
    endpoint.release()
    second = (endpoint.free_at(first) or 0.0) - first
    assert 1.0 <= second <= 2.0
    endpoint.succeeded()
    assert endpoint.free_at(first) == 0.0
    assert endpoint.failing_since is None


def test_429_pauses_the_endpoint_for_everybody(tmp_path: Path) -> None:
    def script(heard: Heard) -> Answer:
        return Answer(429, headers={"Retry-After": "0.6"}) if heard.order == 3 else completion("a", "b")

    with Answering(script) as server:
        asked = [request(f"{i}") for i in range(12)]
        outcomes = ask_all(tmp_path, config(server.url, concurrency=1), *asked, n=2)
    assert all(len(texts(outcome)) == 2 for outcome in outcomes)
    times = [heard.at for heard in server.heard]
    assert times[4] - times[3] >= 0.59
    assert server.heard[4].body == server.heard[3].body  # what was turned away comes first


def test_429_does_not_count_as_an_attempt_but_the_deadline_holds(tmp_path: Path) -> None:
    with Answering(lambda heard: completion("a") if heard.order == 5 else Answer(429)) as server:
        (outcome,) = ask_all(tmp_path / "a", config(server.url, attempts=2), request("x"))
        assert texts(outcome) == ("a",)
    with Answering(lambda _: Answer(429, b"slowly")) as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            outcome = await teacher.ask(request("x"))
            assert outcome == Failure("unreachable", "429: slowly (no reply within the deadline of 0.5 s)")
            with pytest.raises(VlitError, match=r"has not answered for .*429: slowly"):
                await teacher.ask(request("y"))

        with_teacher(tmp_path / "b", config(server.url, deadline=0.5), do)


def test_a_dead_endpoint_is_left_to_the_others(tmp_path: Path) -> None:
    with ScriptedTeacher() as well, ScriptedTeacher(faults={"500": 1.0}) as sick:
        asked = [request(f"Describe photo {i}.") for i in range(100)]
        outcomes = ask_all(tmp_path, config(sick.url, well.url, attempts=4, concurrency=4), *asked)
        assert all(texts(outcome) for outcome in outcomes)
        assert len(well.answered) == 100
        assert len(sick.log) < 20


def test_requests_per_minute_are_kept(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a")) as server:
        settings = config(server.url)
        limited = settings.endpoints[0].model_copy(update={"requests_per_minute": 1200.0})
        settings = settings.model_copy(update={"endpoints": (limited,)})
        ask_all(tmp_path, settings, *(request(f"{i}") for i in range(16)))
    times = [heard.at for heard in server.heard]
    assert times[-1] - times[0] >= 13 / 20


def test_tokens_per_minute_are_settled_to_the_truth(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a")) as server:
        settings = config(server.url, concurrency=1)
        # 20 calls that may cost 3,000 tokens each, and do cost 15.
        limited = settings.endpoints[0].model_copy(update={"tokens_per_minute": 60_000.0})
        settings = settings.model_copy(update={"endpoints": (limited,)})
        asked = [request(f"{i}", max_tokens=3000) for i in range(20)]
        outcomes = ask_all(tmp_path, settings, *asked)
        assert all(texts(outcome) == ("a",) for outcome in outcomes)
    times = [heard.at for heard in server.heard]
    assert times[-1] - times[0] < 20 * 3
