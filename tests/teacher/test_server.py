"""The scripted teacher keeps the protocol, and goes wrong in exactly the ways that it is told to."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson
import pytest

from tests.teacher.faults import FLAWS, STEADY, TRANSPORT, spread
from tests.teacher.server import ScriptedTeacher
from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies.wording import wording

PAIRS = wording(ReplyConfig(form="pairs", count=3))


def body(scene: str = "A dog sleeps on a red sofa.", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": PAIRS}, {"role": "user", "content": scene}]
    return {"model": "scripted", "max_tokens": 400, "messages": messages} | fields


def session(timeout: float = 5.0, key: str = "") -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout), headers=headers)


def ask(server: ScriptedTeacher, *bodies: dict[str, Any], key: str = "") -> list[tuple[int, dict[str, Any]]]:
    """Status and JSON of each call, one after the other."""

    async def go() -> list[tuple[int, dict[str, Any]]]:
        async with session(key=key) as http:
            answers = []
            for one in bodies:
                async with http.post(f"{server.url}/chat/completions", json=one) as response:
                    answers.append((response.status, orjson.loads(await response.read())))
            return answers

    return asyncio.run(go())


def texts(answer: tuple[int, dict[str, Any]]) -> list[str]:
    return [choice["message"]["content"] for choice in answer[1]["choices"]]


def test_it_answers_by_content_alone_and_logs_each_call() -> None:
    with ScriptedTeacher() as server:
        first = ask(server, body(n=3), body(), body("A cat on a mat."))
    with ScriptedTeacher(seed=9) as again:
        second = ask(again, body("A cat on a mat."), body(n=3), body())
    assert len(set(texts(first[0]))) == 3
    assert texts(first[1]) == texts(first[0])[:1]
    assert [texts(first[2]), texts(first[0]), texts(first[1])] == [texts(answer) for answer in second]
    assert [(c.n, c.attempt, c.status, c.whole) for c in server.log] == [
        (3, 0, 200, True),
        (1, 1, 200, True),
        (1, 0, 200, True),
    ]
    usage = first[0][1]["usage"]
    assert usage["completion_tokens"] == sum(len(text.split()) for text in texts(first[0]))
    assert usage["prompt_tokens"] == len(PAIRS.split()) + 7 == server.log[0].prompt_tokens


def test_it_ignores_n_and_goes_on_counting_choices() -> None:
    with ScriptedTeacher(ignore_n=True) as server:
        answers = ask(server, body(n=3), body(n=2))
    assert [len(texts(a)) for a in answers] == [1, 1]
    assert texts(answers[0]) != texts(answers[1])


@pytest.mark.parametrize(
    ("options", "fields", "key", "status", "code"),
    [
        ({"key": "right"}, {}, "wrong", 401, "invalid_api_key"),
        ({"key": "right"}, {}, "right", 200, None),
        ({"models": ("big",)}, {}, "", 404, "model_not_found"),
        ({"longest": 50}, {}, "", 400, "context_length_exceeded"),
        ({"strict": True}, {"n": 2}, "", 422, None),
        ({"refuses": ("response_format",)}, {"response_format": {"type": "json_object"}}, "", 400, None),
        ({"faults": {"filter_400": 1.0}}, {}, "", 400, "content_filter"),
    ],
)
def test_it_refuses(
    options: dict[str, Any], fields: dict[str, Any], key: str, status: int, code: str | None
) -> None:
    with ScriptedTeacher(**options) as server:
        answer = ask(server, body(**fields), key=key)[0]
    assert answer[0] == status
    assert answer[1].get("error", {}).get("code") == code
    assert [call.status for call in server.log] == [status]


async def outcome(http: aiohttp.ClientSession, url: str, sent: dict[str, Any]) -> str:
    """What a client sees, by the name of the fault."""
    try:
        async with http.post(f"{url}/chat/completions", json=sent) as response:
            raw = await response.read()
            wait = response.headers.get("Retry-After")
    except TimeoutError:
        return "hang"
    except aiohttp.ClientPayloadError:
        return "reset_body"
    except aiohttp.ClientError:
        return "reset"
    if response.status == 429 and wait:
        return "429_seconds" if wait == "1" else "429_date" if parsedate_to_datetime(wait) else "?"
    if response.status != 200:
        return str(response.status)
    try:
        return "fine" if orjson.loads(raw)["choices"] else "no_choices"
    except orjson.JSONDecodeError:
        return "html" if raw.startswith(b"<") else "bad_json"


def test_transport_faults_are_what_they_are_called_and_pass() -> None:
    async def go(url: str) -> list[list[str]]:
        async with session(timeout=0.5) as http:
            bodies = [body(f"Scene number {i}.") for i in range(60)]
            return [[await outcome(http, url, b) for _ in range(2)] for b in bodies]

    with ScriptedTeacher(faults=spread(0.7, TRANSPORT), seed=2) as server:
        seen = asyncio.run(go(server.url))
    flat = [name for pair in seen for name in pair]
    assert flat == [call.fault or "fine" for call in server.log]
    assert set(flat) == {*TRANSPORT, "fine"}
    assert any(one != two for one, two in seen)
    assert [c.whole for c in server.log] == [n not in ("hang", "reset", "reset_body") for n in flat]
    assert len(server.answered) == flat.count("fine")


@pytest.mark.parametrize("flaw", FLAWS)
def test_flawed_replies_are_answered_well_when_they_come_back(flaw: str) -> None:
    bad = [
        {"role": "assistant", "content": "Hm."},
        {"role": "user", "content": "Your last reply cannot be used, for this reason:\n- It is short."},
    ]
    back = body()
    back["messages"] += bad
    with ScriptedTeacher(faults={flaw: 1.0}) as server:
        first, second = ask(server, body(), back)
    with ScriptedTeacher(faults={flaw: 1.0}, stubborn=1.0) as stubborn:
        ask(stubborn, back)
    assert [call.flaws for call in server.log] == [(flaw,), (None,)]
    assert stubborn.log[0].flaws == (flaw,)
    assert texts(second)[0].count("Question:") == 3
    if flaw not in (
        "no_tags",
        "bad_tags",
        "overrun",
        "no_usage",
    ):  # there are no boxes here, nor are these of the text
        with ScriptedTeacher() as good:
            assert texts(first) != texts(ask(good, body())[0])


def test_shares_are_kept() -> None:
    with ScriptedTeacher(faults=spread(0.3, (*TRANSPORT[:2], *STEADY)) | {"leak": 0.2}) as server:
        answers = ask(server, *(body(f"Scene number {i}.") for i in range(300)))
    statuses = Counter(status for status, _ in answers)
    assert 30 < statuses[429] < 90 and 15 < statuses[400] < 50
    assert 20 < sum("leak" in call.flaws for call in server.log) < 70


def upload(http: aiohttp.ClientSession, url: str, lines: bytes) -> Any:
    form = aiohttp.FormData({"purpose": "batch"})
    form.add_field("file", io.BytesIO(lines), filename="requests.jsonl")
    return http.post(f"{url}/files", data=form)


async def batch(url: str, lines: bytes) -> tuple[list[str], dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Statuses that were seen, the batch at its end, and the lines of its files."""
    async with session() as http:
        async with upload(http, url, lines) as response:
            file = (await response.json())["id"]
        asked = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        async with http.post(f"{url}/batches", json=asked) as response:
            made = await response.json()
        statuses = [made["status"]]
        while made["status"] in ("validating", "in_progress", "finalizing"):
            async with http.get(f"{url}/batches/{made['id']}") as response:
                made = await response.json()
            statuses.append(made["status"])
        files = {}
        for kind in ("output", "error"):
            if name := made[f"{kind}_file_id"]:
                async with http.get(f"{url}/files/{name}/content") as response:
                    files[kind] = [orjson.loads(line) for line in (await response.read()).splitlines()]
        return statuses, made, files


def line(name: str, **fields: Any) -> bytes:
    sent = body(f"Scene {name}.", **fields)
    return (
        orjson.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": sent}) + b"\n"
    )


def test_batches_advance_and_some_lines_fail() -> None:
    lines = b"".join(line(str(i)) for i in range(40))
    with ScriptedTeacher(faults={"500": 0.2}) as server:
        statuses, made, files = asyncio.run(batch(server.url, lines))
    assert list(dict.fromkeys(statuses)) == ["validating", "in_progress", "finalizing", "completed"]
    good, bad = files["output"], files["error"]
    assert {row["custom_id"] for row in good + bad} == {str(i) for i in range(40)}
    assert made["request_counts"] == {"total": 40, "completed": len(good), "failed": len(bad)}
    assert {row["response"]["status_code"] for row in bad} == {500}
    assert good[0]["response"]["body"]["choices"][0]["message"]["content"].count("Question:") == 3
    assert [row["custom_id"] for row in good] != sorted((row["custom_id"] for row in good), key=int)


def test_batches_expire_half_done_or_fail_whole() -> None:
    lines = b"".join(line(str(i)) for i in range(6))
    with ScriptedTeacher(batch_end="expired") as server:
        statuses, _, files = asyncio.run(batch(server.url, lines))
        failed = asyncio.run(batch(server.url, lines + line("5") + b"{no json\n"))
    assert statuses[-1] == "expired"
    assert [len(files["output"]), len(files["error"])] == [3, 3]
    assert {row["error"]["code"] for row in files["error"]} == {"batch_expired"}
    assert failed[0][-1] == "failed"
    assert [e["code"] for e in failed[1]["errors"]["data"]] == ["duplicate_custom_id", "invalid_json_line"]
    assert not failed[2]
