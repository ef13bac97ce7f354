"""Probabilities of tokens: asked for, read in the forms that servers use, journaled, and done without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.teacher import odds
from tests.teacher.asking import ask_all, config, request
from tests.teacher.journals import asked
from tests.teacher.server import ScriptedTeacher
from tests.teacher.test_client_words import meaning
from vlit.teacher.journal import JournalView
from vlit.teacher.probabilities import tokens_of
from vlit.teacher.reply import Choice, Token


def seven(body: dict[str, Any], digest: str, index: int) -> str:
    return "7/10"


def test_a_request_without_them_is_known_by_the_same_key_as_ever() -> None:
    assert asked("What is here?").key == "ba436e50e4dd838920606823513d0334"
    assert b"logprobs" not in asked().body(1, str)
    more = request("How many?", top_logprobs=5)
    assert more.key != request("How many?").key
    body = orjson.loads(more.body(1, str))
    assert body["logprobs"] is True and body["top_logprobs"] == 5


@pytest.mark.parametrize("kind", ["whole", "plain"])
def test_they_come_over_http_and_are_kept_in_the_journal(tmp_path: Path, kind: str) -> None:
    wanted = request("How many?", top_logprobs=5)
    with ScriptedTeacher(says=seven, logprobs=kind) as server:
        (told,) = ask_all(tmp_path, config(server.url), wanted)
    assert isinstance(told, tuple)
    first, slash, ten = told[0].tokens
    assert (first.text, slash.text, ten.text) == ("7", "/", "10")
    assert {text: round(math.exp(p), 3) for text, p in first.top} == {"7": 0.5, "6": 0.3, "8": 0.2}
    assert slash.logprob == 0.0
    view = JournalView(tmp_path)
    assert view.choices(wanted.key) == told
    assert view.request(wanted.key) == wanted


def test_a_reply_without_them_is_written_as_it_always_was(tmp_path: Path) -> None:
    wanted = request("How many?")
    with ScriptedTeacher(says=seven) as server:
        ask_all(tmp_path, config(server.url), wanted)
    (line,) = [line for line in (tmp_path / "00001.jsonl").read_bytes().splitlines() if b'"reply"' in line]
    assert orjson.loads(line)["choices"] == [{"text": "7/10", "finish": "stop"}]


@pytest.mark.parametrize("options", [{"refuses": ("top_logprobs",)}, {"most_logprobs": 3}, {"strict": True}])
def test_a_server_that_does_not_tell_them_is_asked_without(tmp_path: Path, options: dict[str, Any]) -> None:
    wanted = request("How many?", top_logprobs=5)
    with ScriptedTeacher(says=seven, **options) as server:
        (told,) = ask_all(tmp_path, config(server.url), wanted)
        assert server.log[-1].fields == ("max_tokens", "messages", "model")
    assert told == (Choice("7/10", "stop"),)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "Invalid value for 'top_logprobs': must be less than or equal to 5."}}),
        (400, {"object": "error", "message": "Cannot request more than 5 logprobs.", "code": 400}),
        (400, {"message": "Requested sample logprobs of 20, which is greater than max allowed: 5"}),
        (400, {"error": {"message": "5 is greater than the maximum of 1 - 'logprobs'", "param": "logprobs"}}),
        (
            422,
            {"detail": [{"loc": ["body", "top_logprobs"], "msg": "Input should be less than or equal to 8"}]},
        ),
        (400, {"error": {"message": "logprobs are not supported with reasoning models.", "param": "logprobs"}}),
    ],
)
def test_what_servers_say_of_too_many_means_to_ask_without(status: int, body: dict[str, Any]) -> None:
    trouble = meaning(status, body)
    assert trouble.act == "adapt"
    assert trouble.fields == {"logprobs", "top_logprobs"}


def test_other_mistakes_are_not_blamed_on_them() -> None:
    said = {"error": {"message": "max_tokens must be less than 4096"}}
    assert "logprobs" not in meaning(400, said).fields


def test_what_servers_write_for_very_unlikely_is_a_number() -> None:
    told = [{"token": "a", "logprob": -9999.0, "top_logprobs": [{"token": "b", "logprob": 0.0001}]}]
    assert tokens_of({"content": told}) == (Token("a", -50.0, (("b", 0.0),)),)
    assert tokens_of({"content": [{"token": "a", "logprob": None}]}) == ()
    assert tokens_of({"content": [{"token": "a", "logprob": float("nan")}]}) == ()
    assert tokens_of({"content": None}) == tokens_of(None) == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "token", "logprob", "top_logprobs", "tokens", "token_logprobs"]), inner
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_nothing_that_a_server_sends_breaks_the_reading(told: Any) -> None:
    for token in tokens_of(told):
        assert -50 <= token.logprob <= 0


def test_the_scripted_server_tells_probabilities_that_add_up() -> None:
    for number in range(1, 11):
        assert math.isclose(sum(odds.spread(number).values()), 1.0)
    ten = odds.told("10/10", 20, "digits")["content"]
    assert [place["token"] for place in ten][:3] == ["1", "0", "/"]
