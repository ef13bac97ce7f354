"""How fast a server is asked: a rate per minute, and as many calls at once as it bears."""

from __future__ import annotations

#: Calls in flight to begin with, where more are allowed; they double with each window that goes well.
FIRST = 64


class Bucket:
    """A rate per minute, kept in any 60 seconds, without bursts.

    What is taken may be more than there is: then nobody may take until the debt is paid off.

    Args:
        per_minute: Requests or tokens.
        now: Seconds on a clock that never goes back.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        # A tenth of a second may come at once, so that a fast rate does not need a timer for each call; what
        # that adds to a minute is taken off the rate.
        self.most = max(1.0, per_minute / 600)
        self.rate = (per_minute - (self.most - 1)) / 60
        self.level, self._at = self.most, now

    def ready_at(self, now: float) -> float:
        """When the next one may take; ``now`` or earlier: at once."""
        self._refill(now)
        return now + (1 - self.level) / self.rate

    def take(self, amount: float, now: float) -> None:
        """Take what a call may cost."""
        self._refill(now)
        self.level -= amount

    def give(self, amount: float, now: float) -> None:
        """Give back what it did not cost; negative: it cost more."""
        self._refill(now)
        self.level = min(self.most, self.level + amount)

    def _refill(self, now: float) -> None:
        self.level = min(self.most, self.level + (now - self._at) * self.rate)
        self._at = now


class Concurrency:
    """How many calls a server gets at once: all that are allowed, fewer while it is overloaded.

    Outcomes are looked at in windows of as many calls as are allowed at once. As long as all goes well, each
    window doubles what is allowed. From the first sign of overload on it is cut after each window by half the
    share of calls that were turned away (as DCTCP does: a few do not cost half of the speed), and else grows a
    little.

    Args:
        most: Never more than this.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(min(most, FIRST))
        self._growing = True
        self._count = self._refused = 0

    def ended(self, *, overloaded: bool) -> None:
        """A call came back; ``overloaded``: it was turned away or timed out."""
        self._count += 1
        if overloaded:
            self._refused += 1
            self._growing = False
        elif self._growing and self.limit < self.most:
            self.limit += 1
        if self._count >= self.limit:
            self._judge(self._refused / self._count)
            self._count = self._refused = 0

    def _judge(self, refused: float) -> None:
        if self._growing:
            return
        limit = self.limit * (1 - refused / 2)
        if refused < 0.5:
            limit += 1 + limit / 20
        self.limit = min(float(self.most), max(1.0, limit))
