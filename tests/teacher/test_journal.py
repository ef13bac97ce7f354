from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vlit.teacher.index
from vlit.data.errors import VlitError
from vlit.teacher.journal import Journal, JournalView, Totals
from vlit.teacher.message import Message, Picture, Request, Sampling
from vlit.teacher.records import Call, Fail, Reply
from vlit.teacher.reply import Choice, Failure, Usage

URL = "http://localhost:8000/v1"
HELLO = Choice("Hello.", "stop")
TEN_AND_FIVE = Usage(10, 5)


def asked(text: str = "What is here?", *pictures: Picture) -> Request:
    return Request(
        model="m", messages=(Message.of("user", text, *pictures),), sampling=Sampling(temperature=0.8)
    )


async def pay(journal: Journal, request: Request, *choices: Choice, usage: Usage = TEN_AND_FIVE) -> str:
    call = journal.sent(request, n=len(choices), endpoint=URL, most=100)
    await journal.answered(call, request.key, choices, usage, model=request.model)
    return call


def filled(folder: Path, *requests: Request) -> None:
    async def fill() -> None:
        for request in requests:
            await pay(journal, request, Choice(request.messages[0].text, "stop"))

    with Journal(folder) as journal:
        asyncio.run(fill())


# --- what is kept -----------------------------------------------------------------------------------------


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


# --- failures ---------------------------------------------------------------------------------------------


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


# --- writers ----------------------------------------------------------------------------------------------


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


# --- what goes wrong --------------------------------------------------------------------------------------


def test_a_last_line_torn_at_any_byte_harms_no_other(tmp_path: Path) -> None:
    one, two = asked("one"), asked("two")
    filled(tmp_path, one, two)
    whole = (tmp_path / "00001.jsonl").read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    for end in range(last, len(whole) + 1):
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / "00001.jsonl").write_bytes(whole[:end])
        (folder / "index.bin").write_bytes((tmp_path / "index.bin").read_bytes())
        there = (Choice("two", "stop"),) if end >= len(whole) - 1 else ()
        for _ in range(2):
            with Journal(folder) as journal:
                assert journal.choices(one.key) == (Choice("one", "stop"),)
                assert journal.choices(two.key) == there
                assert journal.damaged == ()
                assert journal.totals["m"].calls == 2 + _
                assert journal.totals["m"].unknown == 100 * (not there) + _
                journal.sent(one, n=1, endpoint=URL, most=1)
        assert JournalView(folder).choices(two.key) == there


def test_a_damaged_line_is_listed_and_the_replies_around_it_stay(tmp_path: Path) -> None:
    requests = [asked(str(n)) for n in range(3)]
    filled(tmp_path, *requests)
    lines = (tmp_path / "00001.jsonl").read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"choices", b"cho\x00\xff\xfe")
    (tmp_path / "00001.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "index.bin").unlink()
    for _ in range(2):
        with Journal(tmp_path) as journal:
            assert journal.damaged == ("00001.jsonl, line 4",)
            assert [len(journal.choices(request.key)) for request in requests] == [1, 0, 1]
            assert journal.totals["m"].unknown == 100, "what it cost is not known"


def test_an_index_that_does_not_fit_the_segments_is_made_anew(tmp_path: Path) -> None:
    one, two = asked("one"), asked("two")
    filled(tmp_path, one)
    early = (tmp_path / "index.bin").read_bytes()
    filled(tmp_path, two)
    late = (tmp_path / "index.bin").read_bytes()
    segment = (tmp_path / "00001.jsonl").read_bytes()

    def seen() -> tuple[int, int, int]:
        with Journal(tmp_path) as journal:
            return len(journal.choices(one.key)), len(journal.choices(two.key)), journal.totals["m"].calls

    for index in (b"", b"vlit-ix1", late[:-8], late[:40], b"\0" * len(late), early, late):
        (tmp_path / "index.bin").write_bytes(index)
        assert seen() == (1, 1, 2)
    (tmp_path / "00001.jsonl").write_bytes(segment.replace(b"one", b"oneone"))  # edited by hand
    assert seen()[1:] == (1, 2)
    (tmp_path / "00001.jsonl").unlink()
    assert seen()[1:] == (1, 1)


def test_a_segment_that_changes_under_its_index_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    filled(tmp_path, asked("one"), asked("two"))
    path = tmp_path / "00001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([b"{" + b" " * (len(lines[0]) - 2) + b"\n", b"x" + lines[1][1:], *lines[2:]]))
    with pytest.raises(VlitError, match=r"changed under its index[\s\S]*00001.jsonl[\s\S]*delete .*index.bin"):
        JournalView(tmp_path).choices(asked("one").key)


def test_keys_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    async def session() -> None:
        for key in ("a" * 16 + "0" * 16, "a" * 16 + "1" * 16):
            call = journal.sent(asked(), n=1, endpoint=URL, most=9)
            await journal.answered(call, key, (Choice(key),), Usage(), model="m")

    with Journal(tmp_path) as journal:
        asyncio.run(session())
    assert JournalView(tmp_path).choices("a" * 16 + "1" * 16) == (Choice("a" * 16 + "1" * 16),)
    assert JournalView(tmp_path).choices("a" * 32) == ()


operations = st.lists(
    st.tuples(
        st.sampled_from(["pay", "fail", "final", "send", "retry", "reopen", "lose index"]), st.integers(0, 4)
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(operations)
def test_the_index_knows_what_a_dictionary_would_know(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    choices: dict[int, list[Choice]] = {n: [] for n in range(5)}
    finals: dict[int, Failure | None] = dict.fromkeys(range(5))
    totals = Totals()

    async def do(journal: Journal, what: str, which: int, number: int) -> None:
        request = asked(str(which))
        if what == "retry":
            journal.retry()
            finals.update(dict.fromkeys(finals))
            return
        call = journal.sent(request, n=1, endpoint=URL, most=7)
        totals.calls += 1
        if what == "pay":
            choice = Choice(f"reply {number}")
            await journal.answered(call, request.key, (choice,), Usage(2, 1), model="m")
            choices[which].append(choice)
            finals[which] = None
            totals.replies, totals.prompt, totals.completion = (
                totals.replies + 1, totals.prompt + 2, totals.completion + 1,
            )  # fmt: skip
        elif what in ("fail", "final"):
            final = Failure("refused", f"no {number}") if what == "final" else None
            await journal.failed(call, request.key, "no", cost=0, final=final)
            finals[which] = final or finals[which]
            totals.failed += 1
        else:
            totals.unknown += 7

    def check(journal: JournalView) -> None:
        for which in range(5):
            key = asked(str(which)).key
            assert list(journal.choices(key)) == choices[which]
            assert journal.failure(key) == finals[which]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vlit.teacher.index, "RECENT", 3)
        journal = Journal(folder)
        for number, (what, which) in enumerate(operations):
            if what in ("reopen", "lose index"):
                journal.close()
                if what == "lose index":
                    (folder / "index.bin").unlink(missing_ok=True)
                journal = Journal(folder)
            else:
                asyncio.run(do(journal, what, which, number))
            check(journal)
        check(JournalView(folder))
        journal.close()
        with Journal(folder) as journal:
            check(journal)
            assert journal.totals.get("m", Totals()) == totals


CHILD = """
import asyncio, json, sys
from pathlib import Path
from vlit.teacher.journal import Journal
from vlit.teacher.message import Message, Request
from vlit.teacher.reply import Choice, Usage
import vlit.teacher.index
vlit.teacher.index.RECENT = 40

async def work(journal, name):
    for number in range(100_000):
        request = Request(model="m", messages=(Message.of("user", f"{name} {number}"),))
        call = journal.sent(request, n=1, endpoint="http://localhost/v1", most=10)
        print("sent", call, request.key, flush=True)
        await journal.answered(call, request.key, (Choice(request.key * 20),), Usage(1, 1), model="m")
        print("answered", call, request.key, flush=True)

async def main(journal):
    print("ready", flush=True)
    await asyncio.gather(*(work(journal, name) for name in "abcdefgh"), return_exceptions=False)

with Journal(Path(sys.argv[1])) as journal:
    asyncio.run(main(journal))
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[list[str]]:
    (tmp_path / "child.py").write_text(CHILD)
    yield [sys.executable, str(tmp_path / "child.py"), str(tmp_path / "journal")]


def said(output: str, word: str) -> dict[str, str]:
    """Call -> key of each line that the child said whole."""
    lines = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return {line[1]: line[2] for line in lines if line[0] == word}


@pytest.mark.slow
def test_no_kill_loses_what_was_answered_or_hides_what_was_sent(tmp_path: Path, child: list[str]) -> None:
    moments = random.Random(7)
    sent: dict[str, str] = {}
    answered: dict[str, str] = {}
    for _ in range(8):
        process = subprocess.Popen(child, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        output = process.stdout.read()
        process.wait()
        sent |= said(output, "sent")
        answered |= said(output, "answered")
        with Journal(tmp_path / "journal") as journal:  # the lock went with the process
            assert journal.damaged == ()
            for call, key in answered.items():
                assert journal.outcomes(key)[call] == "answered"
                assert journal.choices(key)[0] == Choice(key * 20)
            assert all(call in journal.outcomes(key) for call, key in sent.items())
            records = list(journal.records())
            calls = [record.id for record in records if isinstance(record, Call)]
            replies = [record.id for record in records if isinstance(record, Reply | Fail)]
            assert len(calls) == len(set(calls)), "ids are unique over all runs"
            assert set(replies) <= set(calls)
            assert len(replies) == len(set(replies))
            total = journal.totals["m"]
            assert (total.calls, total.replies) == (len(calls), len(replies))
            assert total.unknown == 10 * (len(calls) - len(replies))
    assert len(answered) > 50


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
"""


@pytest.mark.slow
def test_a_disk_that_is_full_stops_all_and_confirms_nothing_that_is_not_there(
    tmp_path: Path, child: list[str]
) -> None:
    Path(child[1]).write_text(FULL + CHILD)
    done = subprocess.run(child, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "VlitError: cannot write here: File too large" in done.stderr
    answered = said(done.stdout, "answered")
    assert answered
    with Journal(tmp_path / "journal") as journal:
        assert journal.damaged == ()
        assert (tmp_path / "journal" / "00001.jsonl").read_bytes().endswith(b"}\n")
        for key in answered.values():
            assert journal.choices(key) == (Choice(key * 20),)


def test_everyone_who_waits_is_told_when_syncing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk that fails cannot be had here: the operating system's answer is put in its place.
    journal = Journal(tmp_path)

    async def session() -> list[BaseException | None]:
        keys = [asked(str(n)).key for n in range(5)]
        calls = [journal.sent(asked(str(n)), n=1, endpoint=URL, most=9) for n in range(5)]
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(5, "Input/output error")))
            results = await asyncio.gather(
                *(
                    journal.answered(c, k, (HELLO,), Usage(), model="m")
                    for c, k in zip(calls, keys, strict=True)
                ),
                return_exceptions=True,
            )
        with pytest.raises(VlitError, match="Input/output"):  # the next sync could be believed, but must not be
            await pay(journal, asked("later"), HELLO)
        return results

    results = asyncio.run(session())
    assert all(isinstance(error, VlitError) and "Input/output" in str(error) for error in results)
    assert len({id(error) for error in results}) == 5
    with pytest.raises(VlitError, match="Input/output"):
        journal.close()
    Journal(tmp_path).close()


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VlitError, match="cannot write here"):
        Journal(tmp_path / "file" / "journal")


def test_every_line_is_json_that_other_tools_read(tmp_path: Path) -> None:
    filled(tmp_path, asked("one"))
    kinds = [json.loads(line)["record"] for line in (tmp_path / "00001.jsonl").read_text().splitlines()]
    assert kinds == ["call", "reply"]
