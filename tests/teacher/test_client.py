"""The teacher against servers that answer: what is asked, what is kept, and that nothing is asked twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.teacher.answering import Answer, Answering, Heard, completion, error
from tests.teacher.asking import Outcome, ask_all, config, request, texts, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.client import Teacher
from vlit.teacher.journal import Journal
from vlit.teacher.records import Call, Fail, Reply
from vlit.teacher.reply import Choice, Failure, Usage


def test_a_reply_is_kept_and_never_asked_again(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        settings = config(server.url)
        (first,) = ask_all(tmp_path, settings, request("Describe the park."))
        (again,) = ask_all(tmp_path, settings, request("Describe the park."))
        assert texts(first) == texts(again) == server.answered[0].texts
        assert len(server.log) == 1


def test_what_a_request_asks_for_arrives(tmp_path: Path) -> None:
    schema = '{"type": "object", "properties": {"text": {"type": "string"}}}'
    with Answering(lambda _: completion("a", "b")) as server:
        asked = request("x", schema=schema, temperature=0.8, top_p=0.9, seed=7, stop=("END",))
        ask_all(tmp_path, config(server.url, structured=True), asked, n=2)
    (heard,) = server.heard
    assert heard.body["n"] == 2
    assert heard.body["temperature"] == 0.8
    assert heard.body["top_p"] == 0.9
    assert heard.body["seed"] == 7
    assert heard.body["stop"] == ["END"]
    assert heard.body["max_tokens"] == 50
    assert heard.body["response_format"]["json_schema"]["schema"]["type"] == "object"
    assert heard.headers["Content-Type"] == "application/json"


def test_schemas_are_sent_only_on_demand(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a")) as server:
        ask_all(tmp_path, config(server.url), request("x", schema='{"type": "object"}'))
    assert "response_format" not in server.heard[0].body


def test_several_replies_take_one_call(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        (outcome,) = ask_all(tmp_path, config(server.url), request("Describe the park."), n=5)
        assert texts(outcome) == server.log[0].texts
        assert [call.n for call in server.log] == [5]


def test_only_what_is_missing_is_asked(tmp_path: Path) -> None:
    with ScriptedTeacher(vary=True) as server:
        for n in (2, 5, 4):
            (outcome,) = ask_all(tmp_path, config(server.url), request("Describe the park."), n=n)
            assert len(texts(outcome)) == n
        assert [call.n for call in server.log] == [2, 3]
        assert texts(outcome) == (server.log[0].texts + server.log[1].texts)[:4]


def test_a_server_that_ignores_n_is_asked_once_for_each_reply(tmp_path: Path) -> None:
    with ScriptedTeacher(ignore_n=True, vary=True) as server:

        async def do(teacher: Teacher, _: Journal) -> list[Outcome]:
            first = await teacher.ask(request("first"), 3)
            return [first, await teacher.ask(request("second"), 3)]

        outcomes = with_teacher(tmp_path, config(server.url), do)
        assert [len(set(texts(outcome))) for outcome in outcomes] == [3, 3]
        assert [call.n for call in server.log] == [3, 1, 1, 1, 1, 1]


def test_more_replies_than_asked_are_kept(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a", "b", "c")) as server:
        settings = config(server.url)
        assert [texts(o) for o in ask_all(tmp_path, settings, request("x"))] == [("a",)]
        assert [texts(o) for o in ask_all(tmp_path, settings, request("x"), n=3)] == [("a", "b", "c")]
        assert len(server.heard) == 1


def test_equal_requests_at_once_make_one_call(tmp_path: Path) -> None:
    with ScriptedTeacher(latency=0.1, vary=True) as server:

        async def do(teacher: Teacher, _: Journal) -> list[Outcome]:
            wanted = (1, 1, 3, 1, 2)
            return list(await asyncio.gather(*(teacher.ask(request("x"), n) for n in wanted)))

        outcomes = with_teacher(tmp_path, config(server.url), do)
        assert [len(texts(o)) for o in outcomes] == [1, 1, 3, 1, 2]
        assert [call.n for call in server.log] == [1, 2]
        longest = texts(outcomes[2])
        assert all(texts(o) == longest[: len(texts(o))] for o in outcomes)


def test_whoever_waits_for_an_equal_request_takes_over_when_it_is_cancelled(tmp_path: Path) -> None:
    with ScriptedTeacher(latency=0.2) as server:

        async def do(teacher: Teacher, _: Journal) -> Outcome:
            first = asyncio.create_task(teacher.ask(request("x")))
            second = asyncio.create_task(teacher.ask(request("x")))
            await asyncio.sleep(0.05)
            first.cancel()
            return await second

        assert len(texts(with_teacher(tmp_path, config(server.url), do))) == 1
        assert len(server.log) == 2


def test_a_cancelled_call_frees_its_place_and_stays_reserved(tmp_path: Path) -> None:
    with ScriptedTeacher(latency=0.3) as server:

        async def do(teacher: Teacher, journal: Journal) -> tuple[int, Outcome]:
            first = asyncio.create_task(teacher.ask(request("first")))
            await asyncio.sleep(0.1)
            first.cancel()
            outcome = await teacher.ask(request("second"))
            assert teacher.progress.flying == 0
            return journal.totals["scripted"].unknown, outcome

        unknown, outcome = with_teacher(tmp_path, config(server.url, concurrency=1), do)
        assert unknown > 50
        assert isinstance(outcome, tuple)


def test_a_server_that_fails_in_all_ways_loses_nothing(tmp_path: Path) -> None:
    faults = dict.fromkeys(("500", "503", "reset", "reset_body", "bad_json", "html", "no_choices", "429"), 0.04)
    faults |= {"429_seconds": 0.01, "429_date": 0.01, "hang": 0.01, "filter_400": 0.05}
    with ScriptedTeacher(faults=faults, retry_after=0.2) as server:
        asked = [request(f"Describe photo {i}.") for i in range(120)]
        outcomes = ask_all(tmp_path, config(server.url, timeout=1.0), *asked)
        kinds = {outcome.kind for outcome in outcomes if isinstance(outcome, Failure)}
        assert kinds == {"filtered"}
        called = {call.id: call for call in server.log}
    with Journal(tmp_path) as journal:
        records = list(journal.records())
    # The server's log agrees with the journal, call by call.
    assert {r.id for r in records if isinstance(r, Call)} == set(called)
    assert {r.id for r in records if isinstance(r, Reply)} == {c.id for c in server.answered}
    assert {r.id for r in records if isinstance(r, Fail)} == {c.id for c in server.log if c.fault}
    for record in records:
        if isinstance(record, Reply):
            assert tuple(choice.text for choice in record.choices) == called[record.id].texts
    # No request is asked after it was answered.
    assert len({r.key for r in records if isinstance(r, Reply)}) == len(server.answered)


def test_empty_filtered_and_partial_replies(tmp_path: Path) -> None:
    parts = [
        {"type": "reasoning", "text": 3},
        {"type": "text", "text": "in "},
        {"type": "text", "text": "parts"},
    ]
    choices = [
        {"message": {"content": None}, "finish_reason": "length"},
        {"message": {"content": parts}, "finish_reason": "stop"},
        {"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"},
        {"message": {"content": "so far", "reasoning_content": "hm"}, "finish_reason": "content_filter"},
        {"message": {"content": ""}, "finish_reason": "content_filter"},
    ]
    with Answering(lambda _: completion(choices=choices)) as server:
        (outcome,) = ask_all(tmp_path, config(server.url), request("x"), n=4)
    assert outcome == (
        Choice("", "length"),
        Choice("in parts", "stop"),
        Choice("I will not.", "stop"),
        Choice("so far", "content_filter"),
    )


def test_usage_that_is_not_told_counts_at_its_bound(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a", usage={})) as server:
        ask_all(tmp_path, config(server.url), request("x"))
    with Journal(tmp_path) as journal:
        usage = journal.usage(request("x").key)
        assert not usage.measured
        assert usage.completion == 50
        assert journal.totals["scripted"].unknown == 0


def test_usage_is_as_the_server_counted(tmp_path: Path) -> None:
    with Answering(lambda _: completion("a", usage={"prompt_tokens": 7, "total_tokens": 10})) as server:
        ask_all(tmp_path, config(server.url), request("x"))
    with Journal(tmp_path) as journal:
        assert journal.usage(request("x").key) == Usage(7, 3)


def test_a_failure_for_good_is_not_asked_again(tmp_path: Path) -> None:
    with ScriptedTeacher(faults={"filter_400": 1.0}) as server:
        for _ in range(2):
            (outcome,) = ask_all(tmp_path, config(server.url), request("x"))
            assert isinstance(outcome, Failure)
            assert outcome.kind == "filtered"
        assert len(server.log) == 1


def test_a_server_that_was_not_reached_is_asked_again_by_the_next_session(tmp_path: Path) -> None:
    with Answering(lambda heard: completion("a") if heard.order >= 2 else Answer(500)) as server:
        settings = config(server.url, attempts=2)
        first, again = ask_all(tmp_path, settings, request("x"), request("x"))
        assert isinstance(first, Failure)
        assert first.kind == "unreachable"
        assert first == again
        assert len(server.heard) == 2
        assert [texts(o) for o in ask_all(tmp_path, settings, request("x"))] == [("a",)]


def test_what_came_before_a_failure_is_kept(tmp_path: Path) -> None:
    def script(heard: Heard) -> Answer:
        return completion("a") if heard.order == 0 else error(400, "no more", code="content_filter")

    with Answering(script) as server:
        settings = config(server.url)
        (outcome,) = ask_all(tmp_path, settings, request("x"), n=3)
        assert isinstance(outcome, Failure)
        assert [call.body.get("n") for call in server.heard] == [3, None, None]
        assert [texts(o) for o in ask_all(tmp_path, settings, request("x"))] == [("a",)]
        assert ask_all(tmp_path, settings, request("x"), n=2) == [outcome]
        assert len(server.heard) == 3


def test_progress_tells_what_happened(tmp_path: Path) -> None:
    with ScriptedTeacher(faults={"500": 0.3}, latency=0.02) as server:
        settings = config(server.url, prices={"scripted": {"prompt": 1.0, "completion": 2.0}})

        async def do(teacher: Teacher, _: Journal) -> None:
            tasks = [asyncio.create_task(teacher.ask(request(f"Describe photo {i}."))) for i in range(20)]
            await asyncio.sleep(0.01)
            assert 0 < teacher.progress.flying <= 20
            await asyncio.gather(*tasks)
            told = teacher.progress
            assert (told.replies, told.flying, told.waiting) == (20, 0, 0)
            assert told.calls == len(server.log) == 20 + told.failed["500"]
            assert told.unknown_tokens == 0
            assert told.money == pytest.approx((told.prompt_tokens + 2 * told.completion_tokens) / 1e6)
            assert "20 replies" in str(told)
            assert f"{told.failed['500']} retried (500)" in str(told)

        with_teacher(tmp_path, settings, do)


def test_fields_that_recipes_set_are_no_extras(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="stream cannot be set here"), Journal(tmp_path) as journal:
        Teacher(config("http://127.0.0.1:9/v1", extra={"stream": True}), journal)
