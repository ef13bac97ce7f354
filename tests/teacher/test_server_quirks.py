"""Errors as servers and gateways were seen to word them, each with where it was seen, and what they mean."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.teacher.test_client_words import meaning
from vlit.teacher.completion import Completion, read_completion
from vlit.teacher.errors import Trouble
from vlit.teacher.reply import Choice, Usage


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message} | more}


#: Where it was seen, status, body, and what it means: the act, or the kind of failure.
SEEN: list[tuple[str, int, Any, str]] = [
    # The request is too long.
    (
        "vLLM",
        400,
        said(
            "'max_tokens' or 'max_completion_tokens' is too large: 16384. This model's maximum context length "
            "is 8192 tokens and your request has 3000 input tokens (16384 > 8192 - 3000).",
            type="BadRequestError",
            param="max_tokens",
            code=400,
        ),
        "too_long",
    ),
    (
        "SGLang, github.com/sgl-project/sglang/issues/4048",
        400,
        {
            "object": "error",
            "message": "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).",
            "code": 400,
        },
        "too_long",
    ),
    (
        "SGLang, github.com/sgl-project/sglang/issues/8096",
        400,
        {"message": "The input (85050 tokens) is longer than the model's context length (32768 tokens)."},
        "too_long",
    ),
    (
        "llama.cpp's server",
        400,
        said(
            "the request exceeds the available context size (4096 tokens), try increasing it",
            code=400,
            type="exceed_context_size_error",
            n_prompt_tokens=5000,
            n_ctx=4096,
        ),
        "too_long",
    ),
    (
        "Volcano Ark, github.com/langgenius/dify/issues/32221",
        400,
        said("Input length 203743 exceeds the maximum length 202752", code="InvalidParameter"),
        "too_long",
    ),
    (
        "DashScope, github.com/QwenLM/qwen-code/issues/98",
        400,
        said("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 204800]"),
        "too_long",
    ),
    (
        "Gemini, github.com/google-gemini/gemini-cli/issues/4692",
        400,
        [
            said(
                "The input token count (2845475) exceeds the maximum number of tokens allowed (1048576).",
                code=400,
            )
        ],
        "too_long",
    ),
    (
        "LiteLLM",
        400,
        said("litellm.ContextWindowExceededError: OpenAIException - it is too much", type=None, code="400"),
        "too_long",
    ),
    (
        "OpenAI, github.com/Aider-AI/aider/issues/1880: more than a minute's tokens, refused for good",
        429,
        said(
            "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "
            "Requested 36278. The input or output tokens must be reduced in order to run successfully.",
            type="tokens",
            param=None,
            code="rate_limit_exceeded",
        ),
        "too_long",
    ),
    # It asks to wait.
    (
        "OpenAI, github.com/BuilderIO/micro-agent/issues/86",
        429,
        said(
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "
            "Used 29937, Requested 385. Please try again in 644ms.",
            type="tokens",
            code="rate_limit_exceeded",
        ),
        "wait",
    ),
    (
        "Azure",
        429,
        said(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have "
            "exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 2 seconds.",
            code="429",
        ),
        "wait",
    ),
    (
        "Gemini, github.com/saihgupr/HomeAssistantDigest/issues/1",
        429,
        said("You exceeded your current quota, please check your plan.", code=429, status="RESOURCE_EXHAUSTED"),
        "wait",
    ),
    # There is no money left.
    (
        "LiteLLM, github.com/BerriAI/litellm/issues/14144",
        400,
        said(
            "litellm.BadRequestError: OpenAIException - Budget has been exceeded! Current cost: 14.1, "
            "Max budget: 100. Received Model Group=x\nAvailable Model Group Fallbacks=None",
            type=None,
            code="400",
        ),
        "account",
    ),
    (
        "LiteLLM, github.com/BerriAI/litellm/issues/36729",
        429,
        said("Your allowance has been reached. Contact the team.", type="budget_exceeded", code="429"),
        "account",
    ),
    (
        "LiteLLM's documentation of customers",
        400,
        said("ExceededBudget: End User=ishaan3 over budget. Spend=0.0008, Budget=0.0001", type="auth_error"),
        "account",
    ),
    (
        "Anthropic, github.com/continuedev/continue/issues/5499",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API.",
            },
        },
        "account",
    ),
    (
        "Moonshot, github.com/anomalyco/opencode/issues/24462",
        429,
        said(
            "Your account org-x <ak-x> is suspended due to insufficient balance, please recharge your account"
        ),
        "account",
    ),
    # It has no such model, or no such page.
    (
        "Azure, github.com/chatboxai/chatbox/issues/646",
        404,
        said("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        "model",
    ),
    (
        "Gemini",
        404,
        [said("models/gemini-9 is not found for API version v1main, or is not supported.", status="NOT_FOUND")],
        "model",
    ),
    (
        "Groq's documentation of deprecated models",
        400,
        said("The model `m` has been decommissioned and is no longer supported.", code="model_decommissioned"),
        "model",
    ),
    (
        "LiteLLM",
        400,
        said("/chat/completions: Invalid model name passed in model=gpt-x. Call `/v1/models` to view them."),
        "model",
    ),
    (
        "LM Studio, github.com/lmstudio-ai/lmstudio-bug-tracker/issues/618",
        200,
        {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        "path",
    ),
    # A filter stopped it.
    (
        "LiteLLM before Azure, github.com/BerriAI/litellm/pull/16231",
        400,
        said(
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - stopped",
            type=None,
            code="400",
        ),
        "filtered",
    ),
    (
        "Azure, github.com/stanford-crfm/helm/pull/3327",
        400,
        said(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            type=None,
            param="prompt",
            code="content_filter",
            status=400,
        ),
        "filtered",
    ),
    # One reply a call.
    (
        "llama.cpp's server, github.com/algorithmicsuperintelligence/optillm/issues/8",
        400,
        said("Only one completion choice is allowed", code=400, type="invalid_request_error"),
        "adapt n",
    ),
    (
        "vLLM at temperature 0, github.com/vllm-project/vllm/pull/16459",
        400,
        {"object": "error", "message": "n must be 1 when using greedy sampling, got 4.", "code": 400},
        "adapt n",
    ),
    (
        "DeepSeek, github.com/SakanaAI/AI-Scientist/issues/177",
        400,
        said("Invalid n value (currently only n = 1 is supported)", code="invalid_request_error"),
        "adapt n",
    ),
    (
        "DeepSeek, github.com/vibrantlabsai/ragas/issues/1072",
        400,
        {"detail": "Invalid n value (currently only n = 1 is supported)"},
        "adapt n",
    ),
    # What concerns this request alone.
    (
        "OpenAI",
        400,
        said(
            "max_tokens is too large: 200000. This model supports at most 16384 completion tokens.",
            param="max_tokens",
            code="invalid_value",
        ),
        "refused",
    ),
    (
        "DeepSeek, github.com/chatboxai/chatbox/issues/2483",
        400,
        said("Invalid top_p value, the valid range of top_p is (0, 1.0]", code="invalid_request_error"),
        "refused",
    ),
]


@pytest.mark.parametrize(
    ("status", "body", "what"), [each[1:] for each in SEEN], ids=[each[0] for each in SEEN]
)
def test_what_servers_were_seen_to_say_is_understood(status: int, body: Any, what: str) -> None:
    trouble = read_completion(orjson.dumps(body)) if status == 200 else meaning(status, body)
    assert isinstance(trouble, Trouble)
    fields = " ".join(sorted(trouble.fields))
    assert what == {"fail": trouble.failure, "adapt": f"adapt {fields}"}.get(trouble.act, trouble.act)


def test_what_matters_may_come_late_in_long_words() -> None:
    wrapped = "litellm.BadRequestError: OpenAIException - " + "Received Model Group=x, " * 40
    trouble = meaning(400, said(wrapped + "This model's maximum context length is 4096 tokens."))
    assert trouble.failure == "too_long"


@pytest.mark.parametrize("status", [408, 504, 524])
def test_a_server_that_gave_up_may_have_been_paid(status: int) -> None:
    assert meaning(status, b"").cost is None


def test_a_filtered_prompt_may_have_been_paid() -> None:
    """Azure charges for it, as its documentation of content filtering says."""
    assert meaning(400, said("no", code="content_filter")).cost is None


@pytest.mark.parametrize(
    ("usage", "paid"),
    [
        # xAI; seen in github.com/sonami-tech/omni-llm-provider/issues/49
        ({"prompt_tokens": 279, "completion_tokens": 6, "total_tokens": 374}, Usage(279, 95)),
        # Gemini; seen in github.com/router-for-me/CLIProxyAPI/issues/5733
        ({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81}, Usage(21, 60)),
        # OpenAI, vLLM and most others: the total is the sum
        ({"prompt_tokens": 20, "completion_tokens": 90, "total_tokens": 110}, Usage(20, 90)),
        ({"prompt_tokens": 20, "total_tokens": 110}, Usage(20, 90)),
        # a total that is less than its parts tells nothing
        ({"prompt_tokens": 20, "completion_tokens": 90, "total_tokens": 0}, Usage(20, 90)),
    ],
)
def test_reasoning_is_paid_also_where_only_the_total_tells_of_it(usage: dict[str, int], paid: Usage) -> None:
    body = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage}
    outcome = read_completion(orjson.dumps(body))
    assert isinstance(outcome, Completion)
    assert outcome.usage == paid


@pytest.mark.parametrize("error", [None, {"code": 502, "message": "Upstream idle timeout exceeded"}])
def test_a_reply_that_was_broken_off_is_none(error: Any) -> None:
    """OpenRouter; seen in github.com/maximhq/bifrost/issues/5425."""
    broken = {
        "message": {"role": "assistant", "content": '{"events": [{"title": "partial'},
        "finish_reason": "error",
    } | ({"error": error} if error else {})
    usage = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": 0}
    outcome = read_completion(orjson.dumps({"choices": [broken], "usage": usage}))
    assert isinstance(outcome, Trouble)
    assert (outcome.act, outcome.cost) == ("again", None)
    assert ("idle timeout" if error else "not finished") in outcome.reason

    whole = {"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}
    outcome = read_completion(orjson.dumps({"choices": [broken, whole]}))
    assert isinstance(outcome, Completion)
    assert (outcome.choices, outcome.count) == ((Choice("whole", "stop"),), 2)
