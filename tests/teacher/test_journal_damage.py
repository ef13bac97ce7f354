from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vlit.teacher.index
from tests.teacher.journals import HELLO, URL, asked, filled, pay
from vlit.data.errors import VlitError
from vlit.teacher.journal import Journal, JournalView, Totals
from vlit.teacher.reply import Choice, Failure, Usage


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
        for session in range(2):
            with Journal(folder) as journal:
                assert journal.choices(one.key) == (Choice("one", "stop"),)
                assert journal.choices(two.key) == there
                assert journal.damaged == ()
                assert journal.totals["m"].calls == 2 + session
                assert journal.totals["m"].unknown == 100 * (not there) + session
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
