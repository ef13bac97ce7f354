"""What servers say, and what it means for the request and for the run."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from tests.teacher.answering import Answer, Answering, Heard, completion, error
from tests.teacher.asking import ask_all, config, request, texts, with_teacher
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.teacher.client import Teacher
from vlit.teacher.completion import Completion, read_completion
from vlit.teacher.errors import OPTIONAL, Trouble, answered
from vlit.teacher.journal import Journal
from vlit.teacher.reply import Choice, Failure


def meaning(status: int, said: Any, **headers: str) -> Trouble:
    body = said if isinstance(said, bytes) else orjson.dumps(said)
    return answered(status, CIMultiDict(headers), body, OPTIONAL, 60.0)


TOO_LONG = [
    (400, {"error": {"message": "Too much.", "code": "context_length_exceeded"}}),
    (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "code": 400,
        },
    ),
    (400, {"error": {"message": "request (4390 tokens) exceeds the available context size (4096 tokens)"}}),
    (500, {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}),
    (400, {"message": "The input (61709 tokens) is longer than the model's context length (40960 tokens)."}),
    (400, {"error": "the input length exceeds the context length"}),
    (400, {"error": {"message": "Requested tokens (2285) exceed context window of 2048"}}),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"}),
    (
        400,
        {"error": {"message": "The prompt (length 9) is longer than the maximum model length of 8."}},
    ),
    (413, {"error": {"message": "Request too large for model `m` on tokens per minute (TPM): Limit 6000"}}),
    (
        400,
        {"error": {"message": "input length and `max_tokens` exceed context limit: 143653 + 64000"}},
    ),
    (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
]


@pytest.mark.parametrize(("status", "said"), TOO_LONG)
def test_a_context_that_is_too_long_is_known_by_many_words(status: int, said: Any) -> None:
    trouble = meaning(status, said)
    assert (trouble.act, trouble.failure, trouble.cost) == ("fail", "too_long", 0)


FILTERED = [
    (400, {"error": {"message": "no", "code": "content_filter"}}),
    (400, {"error": {"message": "no", "code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    (400, {"error": {"message": "Rejected as a result of our safety system.", "code": None}}),
    (403, {"error": {"message": "The model requires moderation and your input was flagged", "code": 403}}),
]


@pytest.mark.parametrize(("status", "said"), FILTERED)
def test_a_content_filter_fails_the_request_alone(status: int, said: Any) -> None:
    assert (meaning(status, said).act, meaning(status, said).failure) == ("fail", "filtered")


@pytest.mark.parametrize(
    ("status", "said", "act"),
    [
        (401, {"error": {"message": "no"}}, "key"),
        (403, {"error": {"message": "no"}}, "key"),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}, "key"),
        (402, {"error": {"message": "Insufficient Balance"}}, "account"),
        (429, {"error": {"message": "x", "type": "insufficient_quota"}}, "account"),
        (429, {"error": {"message": "You exceeded your current quota. Please retry in 33s"}}, "wait"),
        (404, {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}, "model"),
        (404, {"error": {"message": 'model "x" not found, try pulling it first'}}, "model"),
        (400, {"error": {"message": "Model Not Exist"}}, "model"),
        (400, {"error": {"message": "x is not a valid model ID"}}, "model"),
        (404, b"<html><h1>404</h1></html>", "path"),
        (405, b"", "path"),
        (308, b"", "path"),
        (500, {"error": {"message": "image input is not supported", "type": "not_supported_error"}}, "fail"),
        (501, {"error": {"message": "not implemented"}}, "fail"),
        (413, b"<html>413 Request Entity Too Large</html>", "fail"),
        (400, {"error": {"message": "messages must not be empty"}}, "fail"),
        (408, b"", "again"),
        (409, b"", "again"),
        (500, b"Internal Server Error", "again"),
        (502, b"<html>Bad gateway</html>", "again"),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, "again"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "again"),
    ],
)
def test_each_status_has_its_meaning(status: int, said: Any, act: str) -> None:
    assert meaning(status, said).act == act


UNKNOWN = [
    (422, {"detail": "Unexpected keys in the request: {'n', 'response_format'}"}, {"n", "response_format"}),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}, {"seed"}),
    (400, {"error": {"message": "Unrecognized request argument supplied: n"}}, {"n"}),
    (400, {"error": {"message": "property 'seed' is unsupported"}}, {"seed"}),
    (400, {"error": {"message": 'Unknown name "top_p": Cannot find field.'}}, {"top_p"}),
    (400, {"error": {"message": "This response_format type is unavailable now"}}, {"response_format"}),
    (
        400,
        {
            "error": {
                "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "code": "unsupported_parameter",
                "param": "max_tokens",
            }
        },
        {"max_tokens"},
    ),
    (
        400,
        {
            "error": {
                "message": "Unsupported value: 'temperature' does not support 0.8 with this model.",
                "param": "temperature",
                "code": "unsupported_value",
            }
        },
        {"temperature"},
    ),
    (400, {"message": "'n' : number must be at most 1"}, {"n"}),
    (400, {"error": {"message": "Invalid schema for response_format 'reply'"}}, {"response_format"}),
]


@pytest.mark.parametrize(("status", "said", "fields"), UNKNOWN)
def test_fields_that_a_server_does_not_know_are_left_out(status: int, said: Any, fields: set[str]) -> None:
    trouble = meaning(status, said)
    assert trouble.act == "adapt"
    assert set(trouble.fields) == fields


@pytest.mark.parametrize(
    "said",
    [
        "temperature must be less than 2",
        "max_tokens must be at most 1024",
        "Unsupported role: stop asking in n languages, seed nothing",
        "Unexpected character in messages",
    ],
)
def test_other_complaints_leave_the_fields_alone(said: str) -> None:
    assert meaning(400, {"error": {"message": said}}).act == "fail"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": [{"message": {"content": "half',
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": [null, 3, {}]}',
        b"[" * 100_000,
        b'data: {"choices": []}\n\n',
    ],
)
def test_what_is_no_completion_is_malformed(body: bytes) -> None:
    outcome = read_completion(body)
    assert isinstance(outcome, Trouble)
    assert (outcome.act, outcome.failure, outcome.cost) == ("again", "malformed", None)


def test_odd_bytes_are_read_by_all_means() -> None:
    body = b'\xef\xbb\xbf{"choices": [{"message": {"content": "a\xff \\ud83d b\n"}, "logprobs": NaN}]}'
    outcome = read_completion(body)
    assert isinstance(outcome, Completion)
    assert outcome.choices == (Choice("a\ufffd ? b\n"),)
    outcome.choices[0].text.encode()


@pytest.mark.parametrize(
    ("code", "act"), [(429, "wait"), (502, "again"), ("server_error", "again"), (402, "account")]
)
def test_an_error_within_a_200(code: Any, act: str) -> None:
    outcome = read_completion(orjson.dumps({"error": {"message": "it failed", "code": code}}))
    assert isinstance(outcome, Trouble)
    assert outcome.act == act
    assert "it failed" in outcome.reason
    assert outcome.cost is None


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

        with_teacher(tmp_path, config(server.url), do, warn=warned.append)
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
    assert outcome == Failure("unreachable", "500: oops (after 3 attempts)")
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
