from __future__ import annotations

import asyncio
import os
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.teacher.journals import HELLO, URL, asked, filled, pay
from vlit.data.errors import VlitError
from vlit.teacher.journal import Journal, JournalView, Totals
from vlit.teacher.message import Picture, Request
from vlit.teacher.reply import Choice, Failure, Usage


def test_what_was_paid_is_there_in_order_of_arrival_in_all_later_sessions(tmp_path: Path) -> None:
    request, other = asked(), asked("And here?")

    async def first(journal: Journal) -> None:
        await pay(journal, request, HELLO, Choice("A d", "length"))
        call = journal.sent(request, n=1, endpoint=URL, most=100)
        await journal.failed(call, request.key, "503: busy", cost=0)
        assert journal.choices(request.key) == (HELLO, Choice("A d", "length"))

    async def second(journal: Journal) -> None:
        await pay(journal, request, Choice("A cat."), usage=Usage(7, 3, measured=False))
        journal.sent(other, n=1, endpoint=URL, most=1000)

    with Journal(tmp_path) as journal:
        asyncio.run(first(journal))
    with Journal(tmp_path) as journal:
        asyncio.run(second(journal))

    writer = Journal(tmp_path)
    for reader in (JournalView(tmp_path), writer):
        assert reader.choices(request.key) == (HELLO, Choice("A d", "length"), Choice("A cat."))
        assert reader.usage(request.key) == Usage(17, 8, measured=False)
        assert reader.request(request.key) == request
        assert reader.messages(request.key) == request.messages
        assert reader.outcomes(request.key) == {"1-1": "answered", "1-2": "failed", "2-1": "answered"}
        assert reader.outcomes(other.key) == {"2-2": "sent"}
        assert reader.failure(request.key) is None
        nobody = asked("Nobody asked this.").key
        assert reader.choices(nobody) == () == reader.messages(nobody)
        assert reader.usage(nobody) == Usage()
    assert writer.totals == {"m": Totals(calls=4, replies=2, failed=1, prompt=17, completion=8, unknown=1000)}
    writer.close()


def test_the_lines_of_a_journal_are_a_format_that_stays(tmp_path: Path) -> None:
    # Written by hand: a journal of today has to be read by every later version.
    request = asked("Ä \u2028 <x>", Picture("file:///a.jpg", "ab" * 32, longest_side=1024))
    lines = [
        '{"record":"call","id":"1-1","key":"KEY","at":1.5,"model":"m","endpoint":"http://h/v1","n":2,"most":9,'
        '"request":{"model":"m","messages":[{"role":"user","parts":[{"type":"picture","uri":"",'
        f'"sha256":"{"ab" * 32}","longest_side":1024,"mark":null}},{{"type":"text","text":"Ä \u2028 <x>"}}]}}],'
        '"sampling":{"temperature":0.8},"schema":null,"extra":""}}',
        '{"record":"reply","id":"1-1","key":"KEY","at":2.0,"model":"m","most":9,'
        '"usage":{"prompt":3,"completion":4,"measured":true},"choices":[{"text":"Yes.","finish":"stop"}]}',
        '{"record":"call","id":"1-2","key":"KEY","at":3.0,"model":"m","endpoint":"http://h/v1","n":1,"most":9}',
        '{"record":"fail","id":"1-2","key":"KEY","at":4.0,"model":"m","most":9,"reason":"400","cost":0,'
        '"final":{"kind":"refused","reason":"400: no"}}',
        '{"record":"retry","at":5.0}',
    ]
    text = "\n".join(lines).replace("KEY", request.key) + "\n"
    (tmp_path / "00001.jsonl").write_text(text, encoding="utf-8")
    with Journal(tmp_path) as journal:
        assert journal.choices(request.key) == (Choice("Yes.", "stop"),)
        assert journal.failure(request.key) is None
        assert journal.damaged == ()
        kept = journal.request(request.key)
        assert journal.totals == {"m": Totals(2, 1, 1, prompt=3, completion=4)}
    assert kept is not None
    assert kept.key == request.key
    assert kept.messages[0].parts[0] == Picture("", "ab" * 32, longest_side=1024)


def test_a_request_is_written_once_a_segment_and_pictures_by_their_hash(tmp_path: Path) -> None:
    request = asked("Look.", Picture("file:///home/me/secret.jpg", "cd" * 32))
    filled(tmp_path, request, request, request)
    filled(tmp_path, request)
    first, second = ((tmp_path / f"0000{n}.jsonl").read_text() for n in (1, 2))
    assert [first.count('"Look."}'), second.count('"Look."}')] == [1, 1]
    assert "secret" not in first
    assert "cd" * 32 in first


def test_no_secret_of_a_url_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.sent(asked(), n=1, endpoint="https://me:hunter2@llm.example:8443/v1?api-key=hunter2", most=1)
    text = (tmp_path / "00001.jsonl").read_text()
    assert "hunter2" not in text
    assert '"endpoint":"https://llm.example:8443/v1"' in text


def test_a_session_that_asks_nothing_leaves_no_segment(tmp_path: Path) -> None:
    Journal(tmp_path / "new").close()
    assert not list((tmp_path / "new").glob("*.jsonl"))
    assert JournalView(tmp_path / "absent").choices("0" * 32) == ()


texts = st.text(st.characters(codec=None), max_size=40)  # all code points, halves of surrogate pairs too


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=4), texts)
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, replies: list[tuple[str, str | None]], reason: str
) -> None:
    folder, request = tmp_path_factory.mktemp("journal"), asked()
    choices = tuple(Choice(text, finish) for text, finish in replies)
    final = Failure("refused", reason)

    async def fill(journal: Journal) -> None:
        await pay(journal, request, *choices)
        call = journal.sent(request, n=1, endpoint=URL, most=1)
        await journal.failed(call, request.key, reason, cost=0, final=final)
        assert (journal.choices(request.key), journal.failure(request.key)) == (choices, final)

    with Journal(folder) as journal:
        asyncio.run(fill(journal))
        (folder / "index.bin").unlink(missing_ok=True)
    for _ in range(2):
        view = JournalView(folder)
        assert (view.choices(request.key), view.failure(request.key)) == (choices, final)
        assert view.damaged == ()
        (folder / "index.bin").unlink(missing_ok=True)


def test_a_final_failure_holds_until_a_reply_or_a_retry(tmp_path: Path) -> None:
    one, two = asked("one"), asked("two")
    refused, filtered = Failure("refused", "400: no"), Failure("filtered", "400: violence")

    async def fail(journal: Journal, request: Request, final: Failure | None) -> None:
        call = journal.sent(request, n=1, endpoint=URL, most=50)
        await journal.failed(call, request.key, "no", cost=0, final=final)

    async def session(journal: Journal) -> None:
        await fail(journal, one, refused)
        await fail(journal, one, filtered)
        await fail(journal, two, refused)
        await fail(journal, two, None)
        assert journal.failure(one.key) == filtered
        assert journal.failure(two.key) == refused
        await pay(journal, two, HELLO)
        assert journal.failure(two.key) is None
        journal.retry()
        assert journal.failure(one.key) is None

    with Journal(tmp_path) as journal:
        asyncio.run(session(journal))
    assert JournalView(tmp_path).failure(one.key) is None
    (tmp_path / "index.bin").unlink()
    with Journal(tmp_path) as journal:
        assert journal.failure(one.key) is None
        asyncio.run(fail(journal, one, refused))
    assert JournalView(tmp_path).failure(one.key) == refused


def test_what_a_failed_call_cost_is_counted_and_what_nobody_knows_stays_reserved(tmp_path: Path) -> None:
    async def session(journal: Journal) -> None:
        for cost in (0, 30, None):
            call = journal.sent(asked(), n=1, endpoint=URL, most=100)
            assert journal.totals["m"].unknown == 100
            await journal.failed(call, asked().key, "no", cost=cost, final=Failure("malformed", "no"))
        assert journal.totals["m"] == Totals(3, 0, 3, completion=30, unknown=100)
        assert journal.totals["m"].most == 130

    with Journal(tmp_path) as journal:
        asyncio.run(session(journal))
    with Journal(tmp_path) as journal:
        assert journal.totals["m"] == Totals(3, 0, 3, completion=30, unknown=100)
        assert journal.usage(asked().key) == Usage(0, 30)


def test_a_call_may_be_answered_in_another_session(tmp_path: Path) -> None:
    request = asked()
    with Journal(tmp_path) as journal:
        for call in ("b7-1", "b7-2"):
            assert journal.sent(request, n=1, endpoint=URL, most=100, call=call) == call

    async def ingest(journal: Journal) -> None:
        await journal.answered("b7-1", request.key, (HELLO,), Usage(1, 2), model="m", most=100)
        await journal.failed("b7-2", request.key, "expired", cost=0, model="m", most=100)
        with pytest.raises(ValueError, match="b7-3"):
            await journal.failed("b7-3", request.key, "expired", cost=0)

    with Journal(tmp_path) as journal:
        assert journal.outcomes(request.key) == {"b7-1": "sent", "b7-2": "sent"}
        assert journal.totals["m"].unknown == 200
        asyncio.run(ingest(journal))
    with Journal(tmp_path) as journal:
        assert journal.outcomes(request.key) == {"b7-1": "answered", "b7-2": "failed"}
        assert journal.totals["m"] == Totals(2, 1, 1, prompt=1, completion=2)


def test_two_writers_are_refused_and_readers_are_not(tmp_path: Path) -> None:
    with Journal(tmp_path):
        with pytest.raises(VlitError, match="another process is writing"):
            Journal(tmp_path)
        JournalView(tmp_path)
    Journal(tmp_path).close()


def test_a_view_sees_what_a_writer_has_written_and_can_be_sent_to_a_process(tmp_path: Path) -> None:
    async def session(journal: Journal) -> None:
        await pay(journal, asked(), HELLO)
        view = pickle.loads(pickle.dumps(JournalView(tmp_path)))
        assert view.choices(asked().key) == (HELLO,)
        assert view.folder == tmp_path
        await pay(journal, asked(), HELLO)
        assert view.choices(asked().key) == (HELLO,), "as it was when it was opened"
        with pytest.raises(TypeError, match="one writer"):
            pickle.dumps(journal)

    with Journal(tmp_path) as journal:
        asyncio.run(session(journal))


def test_a_reply_that_nobody_waits_for_any_more_is_kept(tmp_path: Path) -> None:
    async def session(journal: Journal) -> None:
        call = journal.sent(asked(), n=1, endpoint=URL, most=9)
        waiting = asyncio.ensure_future(journal.answered(call, asked().key, (HELLO,), Usage(1, 1), model="m"))
        await asyncio.sleep(0)
        waiting.cancel()

    with Journal(tmp_path) as journal:
        asyncio.run(session(journal))
    assert JournalView(tmp_path).choices(asked().key) == (HELLO,)


def test_a_closed_journal_takes_nothing_and_leaves_nobody_waiting(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    call = journal.sent(asked(), n=1, endpoint=URL, most=9)
    journal.close()
    journal.close()
    with pytest.raises(VlitError, match="closed"):
        asyncio.run(journal.answered(call, asked().key, (HELLO,), Usage(), model="m"))
    with pytest.raises(VlitError, match="closed"):
        journal.sent(asked(), n=1, endpoint=URL, most=9)


def test_many_waiters_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real = os.fsync

    def slow(file: int) -> None:
        syncs.append(file)
        time.sleep(0.01)
        real(file)

    monkeypatch.setattr(os, "fsync", slow)

    async def session() -> None:
        await asyncio.gather(*(pay(journal, asked(str(n)), HELLO) for n in range(300)))

    with Journal(tmp_path) as journal:
        asyncio.run(session())
        assert journal.totals["m"].replies == 300
    assert len(syncs) < 30
