"""How long to wait before a call is made again: what the server says, or longer each time."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Seconds; no wait of our own is longer.
LONGEST = 30.0

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def told_wait(headers: Mapping[str, str], most: float) -> float | None:
    """Seconds that the server tells to wait, between 0 and ``most``; ``None`` where it does not say.

    Reads ``retry-after-ms``, ``Retry-After`` (seconds or an HTTP date, which is held against the server's own
    clock where it sends one), and ``x-ratelimit-reset-*`` of what is used up. What makes no sense is ignored.
    """
    wait = None
    if _NUMBER.fullmatch(ms := headers.get("retry-after-ms", "").strip()):
        wait = float(ms) / 1000
    elif after := headers.get("Retry-After", "").strip():
        wait = float(after) if _NUMBER.fullmatch(after) else _until(after, headers.get("Date"))
    if wait is None:
        wait = _reset(headers)
    return None if wait is None else min(max(wait, 0.0), most)


def backoff(times: int, base: float) -> float:
    """Seconds to wait after ``times`` failures in a row, at least 1: at random up to a doubling limit."""
    return random.uniform(0, min(LONGEST, base * 2.0 ** min(times - 1, 20)))


def _until(date: str, now: str | None) -> float | None:
    then = _date(date)
    if then is None:
        return None
    return (then - (_date(now or "") or datetime.now(UTC))).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _reset(headers: Mapping[str, str]) -> float | None:
    """The time until requests or tokens come back, whichever are used up."""
    waits = [
        wait
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
        and (wait := _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))) is not None
    ]
    return max(waits, default=None)


def _duration(text: str) -> float | None:
    """``"1s"``, ``"6m0s"``, ``"20ms"``, ``"1h2m3.5s"`` or plain seconds."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    found = _DURATION.fullmatch(text)
    if not text or not found:
        return None
    hours, minutes, seconds, ms = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + ms / 1000
