"""What a failed call means for its request, and for the run."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.teacher.answering import Answer, Answering, Heard, completion, error
from tests.teacher.asking import ask_all, config, request, texts, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.client import Teacher
from vlit.teacher.journal import Journal
from vlit.teacher.reply import Failure


def test_a_missing_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config("http://127.0.0.1:9/v1", key="TEST_TEACHER_KEY")
    with Journal(tmp_path) as journal:
        monkeypatch.delenv("TEST_TEACHER_KEY", raising=False)
        with pytest.raises(VlitError, match="TEST_TEACHER_KEY is not set"):
            Teacher(settings, journal)
        monkeypatch.setenv("TEST_TEACHER_KEY", " ")
        with pytest.raises(VlitError, match="TEST_TEACHER_KEY is empty"):
            Teacher(settings, journal)


def test_the_key_is_sent_and_appears_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TEACHER_KEY", "sk-secret")

    def script(heard: Heard) -> Answer:
        return error(400, f"What is {heard.headers['Authorization']}?")

    with Answering(script) as server:
        (outcome,) = ask_all(tmp_path, config(server.url, key="TEST_TEACHER_KEY"), request("x"))
    assert server.heard[0].headers["Authorization"] == "Bearer sk-secret"
    assert outcome == Failure("refused", "400: What is Bearer [key]?")
    assert b"sk-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_wrong_key_stops_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TEACHER_KEY", "wrong")
    with ScriptedTeacher(key="right") as server:
        settings = config(server.url, key="TEST_TEACHER_KEY", concurrency=4)
        with pytest.raises(VlitError, match="environment variable TEST_TEACHER_KEY") as stop:
            ask_all(tmp_path, settings, *(request(f"{i}") for i in range(50)))
        assert "401" in str(stop.value)
        assert len(server.log) <= 4
        with pytest.raises(VlitError, match="none is configured"):
            ask_all(tmp_path, config(server.url), request("x"))


def test_all_that_wait_are_told_when_the_run_stops(tmp_path: Path) -> None:
    with Answering(lambda _: error(402, "Insufficient Balance")) as server:

        async def do(teacher: Teacher, _: Journal) -> list[BaseException]:
            asked = [teacher.ask(request(f"{i}")) for i in range(20)]
            told = await asyncio.gather(*asked, return_exceptions=True)
            with pytest.raises(VlitError, match="account is empty"):
                await teacher.ask(request("later"))
            return [each for each in told if isinstance(each, BaseException)]

        errors = with_teacher(tmp_path, config(server.url, concurrency=2), do)
        assert [str(e).split(" (")[0] for e in errors] == ["the account is empty"] * 20
        assert len(server.heard) <= 2


def test_an_unknown_model_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    models = ("scripted-7b", "other")
    with ScriptedTeacher(models=models) as server, pytest.raises(VlitError, match="did you mean 'scripted-7b'"):
        ask_all(tmp_path, config(server.url), request("x"))


def test_a_wrong_path_is_told(tmp_path: Path) -> None:
    with ScriptedTeacher() as server, pytest.raises(VlitError, match="no chat completions at this URL"):
        ask_all(tmp_path, config(server.url.removesuffix("/v1")), request("x"))


def test_a_redirection_is_not_followed(tmp_path: Path) -> None:
    moved = Answer(308, headers={"Location": "https://elsewhere.example/v1"})
    with Answering(lambda _: moved) as server, pytest.raises(VlitError, match=r"elsewhere\.example"):
        ask_all(tmp_path, config(server.url), request("x"))


def test_a_name_that_nobody_has_stops_the_run_at_once(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match=r"no-such-host\.invalid"):
        ask_all(tmp_path, config("http://no-such-host.invalid/v1", deadline=600), request("x"))


def test_tls_that_is_none_stops_the_run_at_once(tmp_path: Path) -> None:
    with ScriptedTeacher() as server, pytest.raises(VlitError, match="TLS"):
        ask_all(tmp_path, config(server.url.replace("http:", "https:"), deadline=600), request("x"))


def test_a_certificate_that_nobody_vouches_for_stops_the_run_at_once(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not here")
    pem = tmp_path / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    files = ["-keyout", "both.pem", "-out", "cert.pem"]
    subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    server = Answering(lambda _: completion("a"), tls=tls)
    with server, pytest.raises(VlitError, match=r"certificate of '127\.0\.0\.1' is not trusted"):
        ask_all(tmp_path / "journal", config(server.url, deadline=600), request("x"))


def test_unknown_fields_are_remembered_and_told_once(tmp_path: Path) -> None:
    schema = '{"type": "object", "properties": {"text": {"type": "string"}}}'
    warned: list[str] = []
    with ScriptedTeacher(strict=True, vary=True) as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            for i in range(3):
                assert len(texts(await teacher.ask(request(f"{i}", schema=schema), 2))) == 2

        with_teacher(tmp_path, config(server.url, structured=True), do, warn=warned.append)
        assert [call.status for call in server.log] == [422] + [200] * 6
    assert len(warned) == 1
    assert "response_format" in warned[0]


def test_several_unknown_fields_are_found_one_after_the_other(tmp_path: Path) -> None:
    with ScriptedTeacher(refuses=("seed", "top_p", "temperature")) as server:
        (outcome,) = ask_all(
            tmp_path, config(server.url), request("x", seed=1, top_p=0.5, temperature=0.5, stop=("E",))
        )
        assert texts(outcome)
        assert [call.status for call in server.log] == [400, 400, 400, 200]
        assert server.log[-1].fields == ("max_tokens", "messages", "model", "stop")


def test_max_tokens_goes_by_its_newer_name_where_it_must(tmp_path: Path) -> None:
    def script(heard: Heard) -> Answer:
        if "max_tokens" in heard.body:
            return error(400, "'max_tokens' is not supported with this model.", code="unsupported_parameter")
        return completion("a")

    with Answering(script) as server:
        ask_all(tmp_path, config(server.url), request("x"))
    assert server.heard[-1].body["max_completion_tokens"] == 50


def test_a_request_that_is_always_refused_does_not_teach_anything(tmp_path: Path) -> None:
    with Answering(lambda _: error(400, "Unsupported: 'seed'. Also, bad luck.")) as server:

        async def do(teacher: Teacher, _: Journal) -> None:
            for i in range(2):
                outcome = await teacher.ask(request(f"{i}", seed=3))
                assert isinstance(outcome, Failure)

        with_teacher(tmp_path, config(server.url), do)
    assert [call.body.get("seed") for call in server.heard] == [3, None, 3, None]


def test_attempts_are_limited(tmp_path: Path) -> None:
    with Answering(lambda _: Answer(500, b"oops")) as server:
        (outcome,) = ask_all(tmp_path, config(server.url, attempts=3), request("x"))
    assert outcome == Failure("unreachable", "500: oops (3 of 3 attempts)")
    assert len(server.heard) == 3


def test_a_server_that_never_completes_is_malformed(tmp_path: Path) -> None:
    with Answering(lambda _: Answer(200, b"<html>Welcome</html>")) as server:
        (outcome,) = ask_all(tmp_path, config(server.url, attempts=3), request("x"))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "malformed"
    assert "Welcome" in outcome.reason
    with Journal(tmp_path) as journal:  # it may have been paid each time
        assert journal.totals["scripted"].unknown > 3 * 50


def test_no_connection_is_waited_out_without_counting(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    warned: list[str] = []

    async def do(teacher: Teacher, journal: Journal) -> None:
        asked = asyncio.create_task(teacher.ask(request("x")))
        while teacher.progress.failed.get("connection", 0) < 4:
            await asyncio.sleep(0.01)
        with Answering(lambda _: completion("late"), port=port):
            assert texts(await asked) == ("late",)
        assert journal.totals["scripted"].unknown == 0

    with_teacher(tmp_path, config(f"http://127.0.0.1:{port}/v1", attempts=2), do, warn=warned.append)
    assert len(warned) == 1
    assert "Connect" in warned[0]


def test_a_server_that_is_silent_for_too_long_stops_the_run(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = config(f"http://127.0.0.1:{free.getsockname()[1]}/v1", deadline=1.0)
        with pytest.raises(VlitError, match="run again to go on"):
            ask_all(tmp_path, settings, *(request(f"{i}") for i in range(30)))
    with Journal(tmp_path) as journal:
        assert journal.failure(request("0").key) is None


@pytest.mark.parametrize("before", range(370, 401, 5))
def test_a_key_is_not_cut_through_before_it_is_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    key = "sk-secret-0123456789"
    monkeypatch.setenv("TEST_TEACHER_KEY", key)
    for status in (400, 200):
        with Answering(lambda _, s=status: Answer(s, b"x" * before + key.encode())) as server:  # type: ignore[misc]
            settings = config(server.url, key="TEST_TEACHER_KEY", attempts=1)
            (outcome,) = ask_all(tmp_path / f"{status}", settings, request("x"))
        assert isinstance(outcome, Failure)
        assert "sk-" not in outcome.reason
        assert len(outcome.reason) < 500
        kept = b"".join(path.read_bytes() for path in (tmp_path / f"{status}").iterdir())
        assert b"sk-" not in kept


def test_a_key_of_one_letter_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TEACHER_KEY", "x")
    with Answering(lambda _: error(400, "too extreme")) as server:
        (outcome,) = ask_all(tmp_path, config(server.url, key="TEST_TEACHER_KEY"), request("x"))
    assert outcome == Failure("refused", "400: too extreme")


def test_a_url_is_not_repeated_with_its_query(tmp_path: Path) -> None:
    """Where what comes is no HTTP, the HTTP client's own words hold the whole URL."""

    async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ready\r\n\r\n")
        writer.close()

    async def run() -> Failure | object:
        server = await asyncio.start_server(no_http, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = config(f"http://127.0.0.1:{port}/v1?api-key=in-the-url", attempts=1)
        with Journal(tmp_path) as journal:
            async with Teacher(settings, journal) as teacher, server:
                return await teacher.ask(request("x"))

    outcome = asyncio.run(run())
    assert isinstance(outcome, Failure)
    assert "no HTTP" in outcome.reason
    assert b"in-the-url" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "in-the-url" not in outcome.reason
