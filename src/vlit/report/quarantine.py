"""The quarantine table: rows that could not be used, grouped by what was wrong."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from vlit.data.score import Quarantined
from vlit.run.folder import RunFolder

#: Numbers, quoted values and paths differ from row to row; the reason around them is what groups rows.
_VARYING = re.compile(
    r"""'[^']*'|"[^"]*"|\(looked for [^)]*\)|(?<!\w)/\S+|\b[\da-f]{12,}\b|-?\d[\d.,]*(?:[eE][-+]?\d+)?"""
)


@dataclass(frozen=True)
class Group:
    """Rows with the same kind of problem."""

    stage: str
    field: str
    reason: str  #: with "…" for what differs
    action: str
    count: int


@dataclass(frozen=True)
class Quarantine:
    """Groups with their full counts, and some rows of each group."""

    groups: tuple[Group, ...] = ()
    rows: tuple[tuple[int, Quarantined], ...] = ()  #: index of the group, and the row; in order
    dropped: int = 0
    repaired: int = 0


def pattern(reason: str) -> str:
    """The reason without the values that differ from row to row."""
    return _VARYING.sub("…", reason)


def quarantine(run: RunFolder, *, limit: int = 1_000, per_group: int = 50) -> Quarantine:
    """Group the rows; keep the first ``per_group`` of each group, ``limit`` in all."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    kept: list[tuple[tuple[str, str, str, str], Quarantined]] = []
    for row in run.quarantine:
        key = (row.action, row.stage, row.field, pattern(row.reason))
        counts[key] += 1
        if counts[key] <= per_group and len(kept) < limit:
            kept.append((key, row))
    order = sorted(counts, key=lambda k: (k[0], -counts[k], k))
    place = {key: i for i, key in enumerate(order)}
    return Quarantine(
        groups=tuple(Group(stage=k[1], field=k[2], reason=k[3], action=k[0], count=counts[k]) for k in order),
        rows=tuple(sorted(((place[k], row) for k, row in kept), key=lambda item: item[0])),
        dropped=sum(n for k, n in counts.items() if k[0] == "dropped"),
        repaired=sum(n for k, n in counts.items() if k[0] == "repaired"),
    )
