from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.teacher.batching import REQUESTS, asked, config_of, numbers, run, states
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.batch_service import connected
from vlit.teacher.budget import most_of
from vlit.teacher.journal import Journal, JournalView


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_was_not_executed_is_asked_in_the_next_round(tmp_path: Path, end: str) -> None:
    with ScriptedTeacher(batch_end=end) as server:
        if end == "cancelled":
            with pytest.raises(VlitError, match="00001 was cancelled"):
                run(tmp_path, config_of(server.url), REQUESTS)
        else:
            run(tmp_path, config_of(server.url), REQUESTS)
        assert sum(numbers(tmp_path)) == 2, "half of each file"
        server.batches.end = "completed"
        run(tmp_path, config_of(server.url), REQUESTS)
        assert numbers(tmp_path) == [1] * 7
        assert Counter(call.prompt for call in server.log).most_common(1)[0][1] == 1, "none twice"
        with Journal(tmp_path / "journal") as journal:
            assert journal.totals["m"].unknown == 0


def test_failures_that_pass_are_asked_again_and_final_ones_are_kept(tmp_path: Path) -> None:
    with ScriptedTeacher(faults={"500": 0.4, "filter_400": 0.3}, seed=4) as server:
        requests = [asked(f"Tell about number {n}.") for n in range(30)]
        run(tmp_path, config_of(server.url, batch={"size": 100}), requests, rounds=8)
        faults = Counter(call.fault for call in server.log)
        assert faults["500"] > 3
        assert faults["filter_400"] > 3
    view = JournalView(tmp_path / "journal")
    failed = [request for request in requests if (failure := view.failure(request.key))]
    assert {failure.kind for r in failed if (failure := view.failure(r.key))} == {"filtered"}
    assert len(failed) == faults["filter_400"]
    assert sum(numbers(tmp_path, requests)) == 30 - len(failed)
    with Journal(tmp_path / "journal") as journal:
        bounds = [most_of(request, 1500) for request in failed]  # what was filtered may have been paid
        assert journal.totals["m"].unknown == sum(most.prompt + most.completion for most in bounds)
        assert journal.totals["m"].calls == len(server.log)


def test_a_request_that_never_succeeds_is_given_up_on_until_the_next_run(tmp_path: Path) -> None:
    with ScriptedTeacher(faults={"500": 1.0}) as server:
        run(tmp_path, config_of(server.url, attempts=3), REQUESTS[:1], rounds=5)
        assert len(server.log) == 3
        failure = JournalView(tmp_path / "journal").failure(REQUESTS[0].key)
        assert failure is not None
        assert failure.kind == "unreachable"
        assert "after 3 attempts" in failure.reason
        run(tmp_path, config_of(server.url, attempts=3), REQUESTS[:1])
        assert len(server.log) == 4, "the server may be well today"


def test_servers_that_ignore_n_are_asked_in_single_lines(tmp_path: Path) -> None:
    with ScriptedTeacher(ignore_n=True) as server:
        run(tmp_path, config_of(server.url, batch={"size": 100}), REQUESTS[:2], n=5, rounds=2)
        assert Counter(call.n for call in server.log) == {5: 2, 1: 8}
    assert numbers(tmp_path, REQUESTS[:2]) == [5, 5]


def test_fields_that_the_server_does_not_know_are_left_out(tmp_path: Path) -> None:
    with ScriptedTeacher(refuses=("seed", "max_tokens")) as server:
        run(tmp_path, config_of(server.url), REQUESTS[:2], rounds=3)
        assert server.log[-1].fields == ("max_completion_tokens", "messages", "model")
        run(tmp_path, config_of(server.url), REQUESTS[2:3])
        assert server.log[-1].fields == ("max_completion_tokens", "messages", "model"), "also in the next run"
    assert numbers(tmp_path)[:3] == [1, 1, 1]


def test_a_service_that_stumbles_is_called_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlit.teacher.batch_service.backoff", lambda times, base: 0.0)
    with ScriptedTeacher(batch_flaky=2) as server:
        run(tmp_path, config_of(server.url), REQUESTS)
        assert len(server.batches.batches) == 3
    assert numbers(tmp_path) == [1] * 7


def deaf(server: ScriptedTeacher, times: int) -> ScriptedTeacher:
    """The service submits a batch, and its answer gets lost."""
    real, left = server.batches.create, [times]

    async def create(request: web.Request) -> web.Response:
        response = await real(request)
        left[0] -= 1
        return web.Response(status=503) if left[0] >= 0 else response

    server.batches.create = create  # type: ignore[method-assign]
    return server


def test_a_batch_whose_answer_was_lost_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlit.teacher.batch_service.backoff", lambda times, base: 0.0)
    with deaf(ScriptedTeacher(), 2) as server:
        run(tmp_path, config_of(server.url), REQUESTS)
        assert len(server.batches.batches) == 3
    assert numbers(tmp_path) == [1] * 7


def test_where_it_cannot_be_told_what_was_submitted_nothing_is_submitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=404)

    monkeypatch.setattr("vlit.teacher.batch_service.backoff", lambda times, base: 0.0)
    server = deaf(ScriptedTeacher(), 1)
    server.batches.list_batches = nothing  # type: ignore[method-assign]
    with server:
        for _ in range(2):
            with pytest.raises(VlitError, match="cannot be told whether a file was submitted"):
                run(tmp_path, config_of(server.url), REQUESTS[:1])
        assert len(server.batches.batches) == 1
        path = tmp_path / "batches" / "00001.json"
        path.write_text(json.dumps(states(tmp_path)[0] | {"step": "submitted", "batch": "batch_1"}))
        run(tmp_path, config_of(server.url), REQUESTS[:1])
        assert len(server.log) == 1
    assert numbers(tmp_path)[:1] == [1]


def test_batches_are_found_on_later_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def page(request: web.Request) -> web.Response:
        data = list(server.batches.batches.values())[::-1]
        ids = [batch["id"] for batch in data]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        more = start + 1 < len(data)
        return web.json_response({"object": "list", "data": data[start : start + 1], "has_more": more})

    monkeypatch.setattr("vlit.teacher.batch_service.backoff", lambda times, base: 0.0)
    server = ScriptedTeacher()
    server.batches.list_batches = page  # type: ignore[method-assign, assignment]
    with server:
        run(tmp_path, config_of(server.url), REQUESTS[:1])
        states_before = [state | {"step": "submitting", "batch": None} for state in states(tmp_path)]
        run(tmp_path, config_of(server.url), REQUESTS[1:])
        assert len(server.batches.batches) == 3

        async def find() -> Any:
            async with connected(config_of(server.url)) as service:
                file = states_before[0]
                return await service.find(file["input_file"], f"{file['token']}-0")

        found = asyncio.run(find())
        assert found.id == "batch_1"


def test_a_wrong_key_is_named_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedTeacher(key="right-secret") as server:
        config = config_of(server.url, key="LLM_KEY")
        monkeypatch.delenv("LLM_KEY", raising=False)
        with pytest.raises(VlitError, match="LLM_KEY is not set"):
            run(tmp_path, config, REQUESTS[:1])
        monkeypatch.setenv("LLM_KEY", "wrong-secret")
        with pytest.raises(VlitError, match="does not accept the key in the environment variable LLM_KEY"):
            run(tmp_path, config, REQUESTS[:1])
        monkeypatch.setenv("LLM_KEY", "right-secret")
        run(tmp_path, config, REQUESTS[:1])
        assert len(server.batches.batches) == 1
    assert numbers(tmp_path)[:1] == [1]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"-secret" not in kept


def test_a_model_that_the_server_does_not_have_stops(tmp_path: Path) -> None:
    with ScriptedTeacher(models=("other",)) as server:
        with pytest.raises(VlitError, match="no model 'm'"):
            run(tmp_path, config_of(server.url), REQUESTS[:1])
        with Journal(tmp_path / "journal") as journal:
            assert journal.failure(REQUESTS[0].key) is None
            assert journal.totals["m"].unknown == 0


def test_a_server_without_batches_is_said(tmp_path: Path) -> None:
    with ScriptedTeacher() as server, pytest.raises(VlitError, match=r"404[\s\S]*remove `batch:`"):
        run(tmp_path, config_of(server.url + "/elsewhere"), REQUESTS[:1])


def test_a_file_that_is_refused_as_a_whole_stops_and_costs_nothing(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        said = {"code": "invalid_request", "line": 2, "message": "no such thing", "param": None}
        _fail_all(server, said)
        with pytest.raises(VlitError, match=r"refuses the batch file 00001: no such thing \(line 2\)"):
            run(tmp_path, config_of(server.url), REQUESTS[:3])
        with Journal(tmp_path / "journal") as journal:
            assert journal.totals["m"].unknown == 0
            assert journal.totals["m"].failed == 3


def _fail_all(server: ScriptedTeacher, said: dict[str, Any], times: int = 1_000) -> None:
    """Let the first batches fail in validation."""
    real, left = server.batches._advance, [times]

    def advance(batch: dict[str, Any], looks: int) -> None:
        if not left[0]:
            return real(batch, looks)
        left[0] -= 1
        batch |= {"status": "failed", "errors": {"object": "list", "data": [said]}}
        return None

    server.batches._advance = advance  # type: ignore[method-assign]


NO_ROOM = {
    "code": "token_limit_exceeded",
    "line": None,
    "message": "Enqueued token limit reached",
    "param": None,
}


def test_a_file_for_which_there_is_no_room_waits_for_the_others(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        real, refused = server.batches._advance, []

        def advance(batch: dict[str, Any], looks: int) -> None:
            others = [
                b for b in server.batches.batches.values() if b["status"] in ("in_progress", "validating")
            ]
            if looks == 1 and len(others) > 1:
                refused.append(batch["id"])
                batch |= {"status": "failed", "errors": {"object": "list", "data": [NO_ROOM]}}
            else:
                real(batch, looks)

        server.batches._advance = advance  # type: ignore[method-assign]
        run(tmp_path, config_of(server.url), REQUESTS)
        assert refused
        assert len(server.log) == 7
        assert len(server.batches.files) - 3 == 3, "no file was uploaded twice"
    assert numbers(tmp_path) == [1] * 7


def test_no_room_at_all_is_said_and_the_file_waits_for_the_next_run(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        _fail_all(server, NO_ROOM, times=1)
        with pytest.raises(VlitError, match="no room for the batch file 00001: Enqueued token limit"):
            run(tmp_path, config_of(server.url), REQUESTS[:2])
        run(tmp_path, config_of(server.url), REQUESTS[:2])
        assert len(server.log) == 2
        assert len(server.batches.batches) == 2
    assert numbers(tmp_path)[:2] == [1, 1]
