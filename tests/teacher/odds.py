"""Probabilities of the scripted teacher's tokens: a number stands for itself and its neighbours on 1 to 10.

A number N has 0.5 at N, 0.3 at N - 1 and 0.2 at N + 1, what lies outside 1 to 10 counts at the end of the
scale. Every other token is certain. A server of the kind ``digits`` spells 10 as two tokens, one of the kind
``whole`` has a token for it.
"""

from __future__ import annotations

import math
import re
from typing import Any

_PIECES = re.compile(r"\s?\d+|\s?[^\W\d]+|\s?[^\w\s]|\s+|_+")


def spread(number: int) -> dict[int, float]:
    """The probabilities of the scores around a number."""
    found: dict[int, float] = {}
    for score, share in ((number, 0.5), (number - 1, 0.3), (number + 1, 0.2)):
        inside = min(max(score, 1), 10)
        found[inside] = found.get(inside, 0.0) + share
    return found


def told(text: str, top: int, kind: str) -> dict[str, Any]:
    """``logprobs`` of a choice.

    Args:
        text: The reply.
        top: How many tokens are told at each place.
        kind: "whole" or "digits"; "chosen" tells nothing but what stands there, "plain" is the older form.
    """
    places: list[tuple[str, dict[str, float]]] = []
    for piece in _PIECES.findall(text):
        number, blank = piece.strip(), piece[: len(piece) - len(piece.lstrip())]
        scored = number.isdecimal() and 1 <= int(number) <= 10
        places += _digits(blank, number) if scored and kind == "digits" else [_whole(piece, blank, scored)]
    content = [_place(token, odds, 0 if kind == "chosen" else top) for token, odds in places]
    if kind != "plain":
        return {"content": content}
    return {
        "tokens": [place["token"] for place in content],
        "token_logprobs": [place["logprob"] for place in content],
        "top_logprobs": [{e["token"]: e["logprob"] for e in place["top_logprobs"]} for place in content],
    }


def _whole(piece: str, blank: str, scored: bool) -> tuple[str, dict[str, float]]:
    return piece, {f"{blank}{k}": p for k, p in spread(int(piece)).items()} if scored else {piece: 1.0}


def _digits(blank: str, number: str) -> list[tuple[str, dict[str, float]]]:
    odds, first = spread(int(number)), {}  # type: dict[int, float], dict[str, float]
    for score, share in odds.items():
        token = blank + str(score)[0]
        first[token] = first.get(token, 0.0) + share
    if number != "10":
        return [(blank + number, first)]
    ten = odds[10] / (odds[10] + odds.get(1, 0.0))
    return [(f"{blank}1", first), ("0", {"0": ten, "/": 1 - ten} if ten < 1 else {"0": 1.0})]


def _place(token: str, odds: dict[str, float], top: int) -> dict[str, Any]:
    ranked = sorted(odds.items(), key=lambda item: -item[1])[:top]
    return {
        "token": token,
        "logprob": math.log(odds[token]),
        "bytes": list(token.encode()),
        "top_logprobs": [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in ranked],
    }
