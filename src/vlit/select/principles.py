"""What the registry of the indicators says of them: which direction is better, and which group they belong to.

The groups are those of the review's ablation: it leaves out usability, diversity, complexity or balance and
looks at what is lost. Its table of indicators shows which principles each group holds: leaving out usability
changes what the set loses in readability and matching, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Group = Literal["usability", "diversity", "complexity", "balance"]

#: The one place where it is written down. Hygiene belongs to none: duplicates and refusals stay out always.
GROUPS: Mapping[Group, tuple[str, ...]] = {
    "usability": ("text readability", "image readability", "correctness"),
    "diversity": ("task diversity", "instruction diversity", "response diversity", "visual diversity"),
    "complexity": ("instruction complexity", "visual complexity"),
    "balance": ("balance",),
}


def sign_of(indicator: str) -> int:
    """1 where more is better or nothing is declared, -1 where less is better."""
    return -1 if _declared(indicator, "direction") == "lower is better" else 1


def group_of(indicator: str) -> Group | None:
    """The group that an indicator belongs to; ``None`` for hygiene and for what is not registered."""
    principle = _declared(indicator, "principle")
    return next((group for group, principles in GROUPS.items() if principle in principles), None)


def _declared(indicator: str, what: str) -> str | None:
    from vlit.assess.registry import INDICATORS

    if indicator not in INDICATORS.targets():
        return None  # its scores came from elsewhere
    return str(getattr(INDICATORS.load(indicator), what))
