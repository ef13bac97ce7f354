"""What can go wrong between a client and a teacher, drawn from the request's content so that a run repeats.

Three groups. A *transport* fault depends on (seed, content, attempt): the same call, made again, may pass.
A *steady* fault depends on (seed, content): the server refuses this content each time. A *flaw* depends on
(seed, content, choice): the call succeeds, the reply is bad, and it is equally bad when the call is repeated,
so that a client that was killed before it could keep the reply gets the same one.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlit.data.seeds import draw

TRANSPORT = (
    "429",  # too many requests, no word on when to come back
    "429_seconds",  # Retry-After: seconds
    "429_date",  # Retry-After: an HTTP date
    "500",
    "503",
    "hang",  # no answer until the client gives up
    "reset",  # the connection is reset before any byte
    "reset_body",  # ... in the middle of the body
    "bad_json",  # 200, JSON that ends too early
    "html",  # 200, the page of a proxy
    "no_choices",  # 200, valid JSON without a reply
)
STEADY = ("filter_400",)  # the prompt is refused by a content filter
FLAWS = (
    "half",  # cut at half its length, finish_reason "length"
    "empty",  # no text at all
    "null",  # content: null
    "refusal",
    "short",  # fewer pairs than asked for
    "leak",  # speaks of the clues
    "no_tags",  # no boxes where boxes are due
    "bad_tags",  # boxes with three numbers, or tags left open
    "swapped",  # answers where questions are due
    "think",  # reasoning before the reply
    "think_open",  # reasoning that never ends
    "fence",  # a Markdown fence around the reply
    "markdown",  # bold labels and list marks
    "json",  # the reply as JSON that nobody asked for
    "filter",  # finish_reason "content_filter", half the text
    "ramble",  # runs on to max_tokens, finish_reason "length"
    "overrun",  # usage counts more than max_tokens (hidden reasoning)
    "no_usage",
)
KNOWN = (*TRANSPORT, *STEADY, *FLAWS)

#: Every transport fault but hangs, and every flaw; for tests of the whole: ``spread(0.3)``.
QUICK = tuple(name for name in KNOWN if name not in ("hang", "overrun"))


def spread(share: float, names: tuple[str, ...] = QUICK) -> dict[str, float]:
    """Equal shares that add up to ``share``."""
    return {name: share / len(names) for name in names}


class Faults:
    """Shares of faults, checked.

    Args:
        shares: Name of a fault -> share of calls (transport, steady) or of replies (flaws), in [0, 1].
        seed: Another seed, other victims.
    """

    def __init__(self, shares: Mapping[str, float], seed: int) -> None:
        if unknown := set(shares) - set(KNOWN):
            raise ValueError(f"no faults {sorted(unknown)}; known: {KNOWN}")
        self.shares, self.seed = dict(shares), seed
        for names in (TRANSPORT, STEADY, FLAWS):
            if sum(self.shares.get(name, 0.0) for name in names) > 1 + 1e-9:
                raise ValueError(f"shares of {names} add up to more than 1")

    def call(self, digest: str, attempt: int) -> str | None:
        """The fault of one call, or None."""
        return self._drawn(STEADY, digest) or self._drawn(TRANSPORT, digest, str(attempt))

    def flaw(self, digest: str, index: int) -> str | None:
        """The flaw of one choice, or None."""
        return self._drawn(FLAWS, digest, str(index))

    def chance(self, share: float, *keys: str) -> bool:
        """True for ``share`` of all keys."""
        return draw(self.seed, "chance", *keys) / 2**64 < share

    def _drawn(self, names: tuple[str, ...], *keys: str) -> str | None:
        left = draw(self.seed, names[0], *keys) / 2**64
        for name in names:
            left -= self.shares.get(name, 0.0)
            if left < 0:
                return name
        return None
