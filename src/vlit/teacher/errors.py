"""What a server means by an error: to wait, to try again, to ask otherwise, or that no request can succeed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec
import orjson

from vlit.teacher.reply import FailureKind
from vlit.teacher.waits import told_wait

Act = Literal[
    "wait",  # the server asks everybody to wait
    "again",  # make the call again
    "down",  # the same, and it is not the request's fault: nobody answers there
    "adapt",  # make the call again without fields that the server does not know
    "fail",  # this request has no reply, others may have one
    "key",  # the key is wrong or missing: no request will have a reply
    "account",  # the account is empty
    "model",  # the server does not know the model
    "path",  # there is no such page: the URL is wrong
    "host",  # nothing is found under this name, or it is not who it says it is
]

#: Fields that a request can do without. ``max_tokens`` is called otherwise by servers that refuse it.
OPTIONAL = (
    "n",
    "seed",
    "response_format",
    "top_p",
    "temperature",
    "stop",
    "max_tokens",
    "logprobs",
    "top_logprobs",
)
#: One of them without the other is a mistake to most servers.
_PROBABILITIES = frozenset({"logprobs", "top_logprobs"})

_LONGEST = 400  # characters of a server's words that are kept
_READ = 4_000  # characters of them that are read: a gateway's own words come before those of the server behind

_TOO_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"}
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window|limit)|maximum (model|sequence|prompt|input|allowed input) length"
    r"|(prompt|input|request|messages?) (is|are|was) too (long|large) (?!for the server)"
    r"|(prompt|input) (is )?too long|too many (input |prompt )?tokens|reduce the length"
    r"|input length .{0,30}exceed|range of input length"
    r"|tokens? .{0,60}(exceeds?|longer than|must be <=)|token (count|limit) .{0,30}exceed"
    r"|request too large for model",
    re.I,
)
#: 429 for a request that is more than a minute's tokens: it will never be let through.
_TOO_LARGE = re.compile(r"request too large for\b.{0,200}\btokens per min", re.I)
_FILTER_CODES = {
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "data_inspection_failed",
    "responsibleaipolicyviolation",
}
_FILTERED = re.compile(
    r"content[ -]?(filter|policy|management policy|moderation)|responsible ai|safety (system|filter)"
    r"|(input|prompt|request|content) (was|is|has been) (flagged|filtered|blocked)|inappropriate content"
    r"|requires moderation",
    re.I,
)
_MODEL_CODES = {"model_not_found", "model_decommissioned", "deploymentnotfound"}
_MODEL = re.compile(
    r"\bmodels?\b.{0,120}\b(not found|not exist|does ?n.t exist)|(unknown|invalid|no such) model\b"
    r"|not a valid model|invalid model name|is pinned to",
    re.I | re.S,
)
_KEY = re.compile(
    r"(invalid|incorrect|missing|wrong) .{0,12}api[ _-]?key|api[ _-]?key .{0,12}(not valid|invalid)", re.I
)
_ACCOUNT_CODES = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "budget_exceeded",
    "exceeded_current_quota_error",
    "arrearage",
}
_ACCOUNT = re.compile(
    r"insufficient (balance|credits?|funds)|credit balance is too low|budget has been exceeded|exceededbudget",
    re.I,
)
#: A server's answer with status 200 to whatever it does not know.
_PATH = re.compile(r"unexpected endpoint or method", re.I)
_UNKNOWN = re.compile(
    r"unsupported|not support|unexpected|unknown|unrecogni[sz]ed|not permitted|extra_forbidden|not allowed"
    r"|cannot find field|unavailable|not available|at most 1\b|only .{0,30}(is|are) supported"
    r"|invalid[ _](json_)?schema",
    re.I,
)
#: It tells the probabilities of fewer tokens than were asked for, or of none.
_FEWER_LOGPROBS = re.compile(
    r"logprobs.{0,80}\b(less|greater|more|at most|between)\b|\bmore than \d+ logprobs|maximum .{0,40}logprobs",
    re.I,
)
#: It gives one reply a call, said without a name that could be found.
_ONE_REPLY = re.compile(r"only one (completion )?choice|\bn must be (1|one)\b|\bn ?= ?1 is supported", re.I)


class Trouble(msgspec.Struct, frozen=True):
    """One call that gave no reply, and what to do about it."""

    act: Act
    kind: str  #: short, to be counted: "429", "timeout", "reset"
    reason: str  #: in words
    cost: int | None = 0  #: tokens; ``None`` where nobody knows
    wait: float | None = None  #: seconds that the server tells to wait
    failure: FailureKind = "unreachable"  #: what it is when the attempts are used up, or at once
    fields: frozenset[str] = frozenset()  #: that the server does not know
    overloaded: bool = False  #: fewer calls at once would help


class Said(msgspec.Struct, frozen=True):
    """A server's words."""

    text: str
    codes: frozenset[str] = frozenset()  #: code and type, lower case
    named: frozenset[str] = frozenset()  #: fields that it points to


def answered(
    status: int, headers: Mapping[str, str], body: bytes, sent: Collection[str], most: float
) -> Trouble:
    """What an answer with an error status means.

    Args:
        status: HTTP status, not 200.
        headers: Of the answer; looked up without regard to case.
        body: Of the answer.
        sent: Names of the optional fields that were sent.
        most: Seconds that may be waited at most.
    """
    said = words(body)
    reason = f"{status}: {said.text}" if said.text else str(status)
    act, failure, fields = _meant(status, said, sent)
    if 300 <= status < 400:
        place = headers.get("Location", "").partition("?")[0]
        reason = f"{status}: the server points to {place or 'another place'}"
    # A gateway that gave up waiting does not know whether the work is done and paid. Azure charges for what it
    # gave up itself (408), and for prompt and reply where its filter stopped a prompt.
    cost = None if status in (408, 504, 524) or failure == "filtered" else 0
    wait = told_wait(headers, most) if act in ("wait", "again") else None
    overloaded = act == "wait" or status in (503, 529)
    return Trouble(act, str(status), reason, cost, wait, failure, fields, overloaded)


def _meant(status: int, said: Said, sent: Collection[str]) -> tuple[Act, FailureKind, frozenset[str]]:
    none: frozenset[str] = frozenset()
    bad = status in (400, 413, 422)
    if status == 402 or said.codes & _ACCOUNT_CODES or (status < 500 and _ACCOUNT.search(said.text)):
        return "account", "refused", none
    if _PATH.search(said.text):
        return "path", "refused", none
    if status == 429 and _TOO_LARGE.search(said.text):
        return "fail", "too_long", none
    if status == 429:
        return "wait", "unreachable", none
    if (bad or status == 403) and (said.codes & _FILTER_CODES or _FILTERED.search(said.text)):
        return "fail", "filtered", none
    if status in (401, 403) or (status == 400 and _KEY.search(said.text)):
        return "key", "refused", none
    if (bad or status == 500) and (said.codes & _TOO_LONG_CODES or _TOO_LONG.search(said.text)):
        return "fail", "too_long", none
    if said.codes & _MODEL_CODES or (status in (400, 404) and _MODEL.search(said.text)):
        return "model", "refused", none
    if status in (404, 405) or 300 <= status < 400:
        return "path", "refused", none
    if bad and (fields := _unknown_fields(said, sent)):
        return "adapt", "refused", fields
    if status in (408, 409, 425) or (status >= 500 and status != 501):
        refused = status == 500 and "not_supported_error" in said.codes
        return ("fail", "refused", none) if refused else ("again", "unreachable", none)
    return "fail", "refused", none


def _unknown_fields(said: Said, sent: Collection[str]) -> frozenset[str]:
    """Fields that were sent, can be left out, and are named as unknown."""
    if "n" in sent and _ONE_REPLY.search(said.text):
        return frozenset({"n"})
    if _PROBABILITIES & set(sent) and _FEWER_LOGPROBS.search(said.text):
        return _PROBABILITIES & set(sent)
    if not _UNKNOWN.search(said.text) and not any("unsupported" in code for code in said.codes):
        return frozenset()
    named = frozenset(f for f in OPTIONAL if f in sent and (f in said.named or _is_named(f, said.text)))
    return named | (_PROBABILITIES & set(sent)) if named & _PROBABILITIES else named


def _is_named(field: str, text: str) -> bool:
    """Whether a field stands in a text. Everyday words count only in quotes or in a list of names."""
    if field not in ("n", "stop", "seed"):
        return bool(re.search(rf"(?<![\w-]){field}(?![\w-])", text))
    return bool(re.search(rf"[\"'`]{field}[\"'`]|:\s*(?:\w+,\s*)*{field}\s*(?:[,.]|$)", text))


def words(body: bytes) -> Said:
    """What a server says in the body of an error, in whichever of the usual forms."""
    try:
        told: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Said(_read(body[: 1 << 16].decode("utf-8", "replace")))
    if isinstance(told, list) and len(told) == 1:
        told = told[0]
    if not isinstance(told, dict):
        return Said(_read(str(told)))
    error = told.get("error", told)
    if not isinstance(error, dict):
        return Said(_read(str(error)))
    text = error.get("message") or error.get("detail") or error.get("error") or error
    codes = {str(error[k]).lower() for k in ("code", "type", "status") if error.get(k)}
    inner = error.get("innererror")
    if isinstance(inner, dict) and inner.get("code"):
        codes.add(str(inner["code"]).lower())
    named = {str(error["param"]).partition(".")[0]} if error.get("param") else set()
    return Said(
        _read(text if isinstance(text, str) else _json(text)),
        frozenset(codes),
        frozenset(named | _located(text)),
    )


def _located(detail: Any) -> set[str]:
    """Fields that FastAPI's list of mistakes points to: ``{"loc": ["body", "seed"], ...}``."""
    if isinstance(detail, dict):
        detail = detail.get("detail")
    found = set()
    for mistake in detail if isinstance(detail, list) else ():
        place = mistake.get("loc") if isinstance(mistake, dict) else None
        if isinstance(place, list) and place:
            found.add(str(place[1] if len(place) > 1 and place[0] == "body" else place[0]))
    return found


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def shortened(text: str) -> str:
    """Words as they are kept. Keys have to be taken out before: one that is cut through is not found."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _read(text: str) -> str:
    """In one line, and without the tags of a page."""
    if "<html" in text[:500].lower():
        text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.S | re.I)
    return " ".join(text.split())[:_READ]
