from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.teacher.batching import REQUESTS, asked, config_of, numbers, run, states
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.journal import Journal, JournalView
from vlit.teacher.message import Picture
from vlit.teacher.reply import BudgetSpent


def test_requests_go_in_files_and_their_replies_come_into_the_journal(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        run(tmp_path, config_of(server.url), REQUESTS, n=2)
        assert len(server.batches.batches) == 3
        assert [call.n for call in server.log] == [2] * 7
        view = JournalView(tmp_path / "journal")
        texts = {call.prompt: call.texts for call in server.log}
        for request in REQUESTS:
            assert tuple(c.text for c in view.choices(request.key)) == texts[request.messages[0].text]
            assert view.request(request.key) == request
        totals = Journal(tmp_path / "journal").totals["m"]
        assert (totals.calls, totals.replies, totals.unknown) == (7, 7, 0)
        assert totals.prompt == sum(call.prompt_tokens for call in server.log)
        assert totals.completion == sum(call.completion_tokens for call in server.log)
    assert [state["step"] for state in states(tmp_path)] == ["done"] * 3
    assert not list((tmp_path / "batches").glob("*.jsonl")), "the journal has it all"


def test_nothing_is_asked_again_that_was_answered_or_is_under_way(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        run(tmp_path, config_of(server.url), REQUESTS + REQUESTS, rounds=2)
        run(tmp_path, config_of(server.url), REQUESTS)
        assert len(server.log) == 7
        run(tmp_path, config_of(server.url), REQUESTS, n=3)
        assert Counter(call.n for call in server.log) == {1: 7, 2: 7}, "what is missing is asked for"
    assert numbers(tmp_path) == [3] * 7


def test_lines_are_as_the_service_wants_them(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="by hand"):
        run(tmp_path, config_of("http://nowhere.invalid/v1", batch={"submit": False}), REQUESTS[:1], n=2)
    (line,) = (tmp_path / "batches" / "00001.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "custom_id": f"{REQUESTS[0].key}-0",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": json.loads(REQUESTS[0].body(2, lambda picture: "")),
    }
    assert len(f"{REQUESTS[0].key}-49999") <= 64


def test_files_are_cut_where_they_would_be_too_big(tmp_path: Path) -> None:
    long = [asked(f"{n} " + "x" * 400_000) for n in range(5)]
    with ScriptedTeacher() as server:
        run(tmp_path, config_of(server.url, batch={"megabytes": 1, "size": 100}), long)
        sizes = [len(server.batches.files[b["input_file_id"]]) for b in server.batches.batches.values()]
    assert len(sizes) == 3
    assert max(sizes) <= 1_000_000
    assert numbers(tmp_path, long) == [1] * 5


def test_pictures_are_sent_whole_and_one_that_is_gone_is_a_failure(tmp_path: Path, demo: Path) -> None:
    photo = sorted((demo / "images").iterdir())[0]
    there = asked("Look.", Picture(str(photo), "", longest_side=64))
    gone = asked("Look here.", Picture(str(tmp_path / "gone.jpg"), "ab"))
    with ScriptedTeacher() as server:
        run(tmp_path, config_of(server.url), [there, gone], rounds=2)
        assert [call.pictures for call in server.log] == [1]
    failure = JournalView(tmp_path / "journal").failure(gone.key)
    assert failure is not None
    assert (failure.kind, failure.reason) == ("refused", "the photo cannot be sent: the file is missing")
    assert numbers(tmp_path, [there, gone]) == [1, 0]


def test_what_fits_the_budget_is_asked_and_the_rest_after_it_was_raised(tmp_path: Path) -> None:
    with ScriptedTeacher() as server:
        config = config_of(server.url, budget={"tokens": 700})
        with pytest.raises(BudgetSpent, match="more than the budget"):
            run(tmp_path, config, REQUESTS)
        done = sum(numbers(tmp_path))
        assert 0 < done < 7
        with Journal(tmp_path / "journal") as journal:
            assert journal.totals["m"].most <= 700
        run(tmp_path, config_of(server.url, budget={"tokens": 10_000}), REQUESTS)
        assert len(server.log) == 7
    assert numbers(tmp_path) == [1] * 7


def test_nothing_is_written_where_nothing_fits(tmp_path: Path) -> None:
    with pytest.raises(BudgetSpent):
        run(tmp_path, config_of("http://nowhere.invalid/v1", budget={"tokens": 10}), REQUESTS)
    assert not list((tmp_path / "batches").iterdir())
    assert JournalView(tmp_path / "journal").outcomes(REQUESTS[0].key) == {}


def test_money_is_held_against_the_dearer_price(tmp_path: Path) -> None:
    prices = {"m": {"prompt": 0, "completion": 1_000_000}}  # one a token
    with ScriptedTeacher() as server:
        config = config_of(server.url, budget={"money": 700}, prices=prices)
        with pytest.raises(BudgetSpent):
            run(tmp_path, config, REQUESTS)
        assert 0 < len(server.log) < 7
