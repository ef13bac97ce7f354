"""What servers say, in the words of many of them, and what it means."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from vlit.teacher.completion import Completion, read_completion
from vlit.teacher.errors import OPTIONAL, Trouble, answered
from vlit.teacher.reply import Choice


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
