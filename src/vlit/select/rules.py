"""Rules: the gates and caps of a config, made into plain numbers by a pass over the set."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pydantic

from vlit.data.score import Score, Verdict
from vlit.data.seeds import draw
from vlit.run.stage import Config
from vlit.select.gates import Gate, first_objection

#: A sample as selection sees it: id, task, and its scores by indicator.
Judged = tuple[str, str, Mapping[str, Score]]

#: Calling it reads the set once, in order.
Reader = Callable[[], Iterator[Judged]]


class SelectConfig(Config):
    """Which samples are kept."""

    gates: dict[str, Gate] = pydantic.Field(default_factory=dict, description="bounds per indicator")
    cap_per_task: int | None = pydantic.Field(default=None, ge=0, description="at most so many of any task")
    caps: dict[str, Annotated[int, pydantic.Field(ge=0)]] = pydantic.Field(
        default_factory=dict, description="caps of single tasks"
    )

    def cap(self, task: str) -> int | None:
        """How many samples of a task may be kept; None for any number."""
        return self.caps.get(task, self.cap_per_task)


@dataclass(frozen=True)
class Rules:
    """Resolved gates, and for each task that has too many samples the draw from which on they are dropped."""

    config: SelectConfig
    gates: Mapping[str, Gate]
    cutoffs: Mapping[str, int]
    seed: int

    def verdict(self, judged: Judged) -> Verdict:
        """Keep or drop one sample, with the rule that decided."""
        sample, task, scores = judged
        objection = first_objection(self.gates, scores)
        if objection:
            return Verdict(sample=sample, keep=False, rule=objection[0], reason=objection[1])
        if task in self.cutoffs and draw(self.seed, "select", sample) >= self.cutoffs[task]:
            reason = f"{task} is capped at {self.config.cap(task)} samples, and this one was not drawn"
            return Verdict(sample=sample, keep=False, rule="cap", reason=reason)
        return Verdict(sample=sample, keep=True, rule="kept", reason="passes every gate")


def make_rules(config: SelectConfig, seed: int, read: Reader) -> Rules:
    """Resolve quantiles (one pass over the set) and caps (another); no pass that is not needed.

    A capped task keeps the passing samples with the lowest draws from (seed, sample id), so that a larger cap
    keeps all that a smaller one kept.
    """
    values = {n: array("d") for n, gate in config.gates.items() if gate.by_quantile}
    if values:
        for _, _, scores in read():
            for name, found in values.items():
                if name in scores and (value := scores[name].value) is not None:
                    found.append(value)
    gates = {n: gate.resolved(np.asarray(values.get(n, ()))) for n, gate in config.gates.items()}
    if config.cap_per_task is None and not config.caps:
        return Rules(config, gates, {}, seed)
    draws: dict[str, array[int]] = defaultdict(lambda: array("Q"))
    for sample, task, scores in read():
        if config.cap(task) is not None and first_objection(gates, scores) is None:
            draws[task].append(draw(seed, "select", sample))
    cutoffs = {}
    for task, found_draws in draws.items():
        cap = config.cap(task)
        if cap is not None and len(found_draws) > cap:
            cutoffs[task] = int(np.partition(np.frombuffer(found_draws, np.uint64), cap)[cap])
    return Rules(config, gates, cutoffs, seed)


def by_sample(scores: Iterable[Score]) -> dict[str, dict[str, Score]]:
    """Scores by sample id, then by indicator."""
    grouped: dict[str, dict[str, Score]] = defaultdict(dict)
    for score in scores:
        grouped[score.sample][score.indicator] = score
    return grouped
