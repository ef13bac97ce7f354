"""How far a teacher is: what a progress line tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vlit.teacher.budget import Budget


@dataclass(frozen=True)
class TeacherProgress:
    """What happened since the teacher was opened."""

    calls: int  #: that were sent
    replies: int  #: calls that were answered
    failed: Mapping[str, int] = field(default_factory=dict)  #: calls that were not, by kind: "429", "timeout"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unknown_tokens: int = 0  #: most that calls cost whose cost nobody knows; without those in flight
    money: float | None = None  #: at most, in the currency of the prices; None where the model has no price
    flying: int = 0  #: calls in flight
    waiting: int = 0  #: calls that wait for their turn
    limit: int = 0  #: calls that the servers take at once now

    def __str__(self) -> str:
        tokens = self.prompt_tokens + self.completion_tokens + self.unknown_tokens
        said = [f"{self.replies:,} replies", f"{_short(tokens)} tokens"]
        if self.money is not None:
            said.append(f"{self.money:,.2f} spent")
        said.append(f"{self.flying}/{self.limit} in flight")
        if self.failed:
            most = min(self.failed.items(), key=lambda item: (-item[1], item[0]))[0]
            said.append(f"{sum(self.failed.values()):,} retried ({most})")
        return ", ".join(said)


def told(budget: Budget, failed: Mapping[str, int], *, waiting: int, limit: int) -> TeacherProgress:
    """The progress of a session, from what its budget counted."""
    before = budget.before.values()
    now = budget.totals.values()
    return TeacherProgress(
        calls=sum(t.calls for t in now) - sum(t.calls for t in before),
        replies=sum(t.replies for t in now) - sum(t.replies for t in before),
        failed=dict(failed),
        prompt_tokens=sum(t.prompt for t in now) - sum(t.prompt for t in before),
        completion_tokens=sum(t.completion for t in now) - sum(t.completion for t in before),
        unknown_tokens=sum(t.unknown for t in now) - sum(t.unknown for t in before) - budget.reserved,
        money=budget.money_since_start,
        flying=budget.flying,
        waiting=waiting,
        limit=limit,
    )


def _short(count: int) -> str:
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if count >= size:
            return f"{count / (1000 if unit == 'k' else size):.1f}{unit}"
    return f"{count:,}"
