"""What was asked of a teacher, what came of it, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlit.run.folder import RunFolder
from vlit.run.recipe import kept_recipe


@dataclass
class RecipeCount:
    """Exchanges of one instruction recipe."""

    recipe: str
    asked: int = 0  #: exchanges that were asked
    kept: int = 0  #: of these, those whose reply kept its contract in the end
    at_once: int = 0  #: of these, those whose first reply did
    replies: int = 0
    samples: int = 0
    passed_over: int = 0  #: units that lacked the clues that the recipe needs
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Teaching:
    """Everything that the section says; ``recipes`` is empty where no teacher was asked."""

    models: tuple[str, ...] = ()
    recipes: tuple[RecipeCount, ...] = ()
    flaws: tuple[tuple[str, int], ...] = ()  #: kinds of flaws of replies that were sent back, most first
    lost: tuple[tuple[str, int], ...] = ()  #: how exchanges ended that gave nothing, most first
    repairs: tuple[tuple[str, int], ...] = ()  #: what was put right without asking again, most first
    cut: int = 0  #: exchanges whose clues were cut
    money: float | None = None  #: None where the price of a model is not known
    totals: RecipeCount = field(default_factory=lambda: RecipeCount("all"))


def teaching(run: RunFolder) -> Teaching:
    """Count the exchanges of a run."""
    counts: dict[str, RecipeCount] = {}
    flaws: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    repairs: Counter[str] = Counter()
    models: dict[str, list[int]] = {}
    cut = 0
    for row in run.exchanges:
        count = counts.setdefault(row.recipe, RecipeCount(row.recipe))
        if row.outcome == "no_clues":
            count.passed_over += 1
            continue
        kept = row.outcome == "kept"
        count.asked += 1
        count.kept += kept
        count.at_once += kept and not row.flaws
        count.replies += len(row.flaws) + kept
        count.samples += row.samples
        count.prompt_tokens += row.prompt_tokens
        count.completion_tokens += row.completion_tokens
        tokens = models.setdefault(row.teacher, [0, 0])
        tokens[0] += row.prompt_tokens
        tokens[1] += row.completion_tokens
        flaws.update(row.flaws)
        repairs.update(row.repairs)
        cut += bool(row.cut)
        if not kept:
            lost[row.outcome] += 1
    return Teaching(
        models=tuple(models),
        recipes=tuple(counts.values()),
        flaws=_ranked(flaws),
        lost=_ranked(lost),
        repairs=_ranked(repairs),
        cut=cut,
        money=_money(run, models) if models else None,
        totals=_summed(counts),
    )


def _ranked(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _summed(counts: Mapping[str, RecipeCount]) -> RecipeCount:
    total = RecipeCount("all")
    for count in counts.values():
        for name in RecipeCount.__dataclass_fields__:
            if name != "recipe":
                setattr(total, name, getattr(total, name) + getattr(count, name))
    return total


def _money(run: RunFolder, models: Mapping[str, list[int]]) -> float | None:
    """What the tokens cost by the recipe's own prices."""
    teacher = kept_recipe(run)[0].get("teacher")
    prices = teacher.get("prices") or {} if isinstance(teacher, Mapping) else {}
    if not set(models) <= set(prices):
        return None
    money = sum(
        (prompt * prices[model]["prompt"] + completion * prices[model]["completion"]) / 1e6
        for model, (prompt, completion) in models.items()
    )
    return float(money)
