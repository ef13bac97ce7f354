"""Complexity of instructions by rule, on the review's scale from 1 to 10.

The review lets a language model grade each instruction (``judged_complexity``). The embedded form counts
features ``f`` with the tagger of ``elements`` and adds them up, each with a weight ``w`` and a scale ``s``
beyond which more of the same adds little:

    complexity = 1 + 9 * sum over features of w (1 - exp(-f / s))

    feature      what is counted                                                                       w     s
    length       words                                                                               .25    20
    elements     noun chunks and content verbs                                                       .25     4
    clauses      clauses beyond the first                                                            .15   1.5
    questions    question words                                                                      .10     1
    reasoning    words that ask for a conclusion, a cause, a judgement or a comparison               .25   1.5

It never falls when a feature rises, is 1 only for an empty text and does not pass 10. A sample's value is the
mean over its user turns, the set's the mean over its samples. Weights and scales were set by hand, so that a
short question about one thing has 3 to 4 and a question for reasons 6 to 7. Limits: English only; how hard
it is to find the answer in the image, it cannot see.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from vlit.assess.complexity.elements import Elements
from vlit.assess.complexity.objects import counts
from vlit.assess.indicator import Indicator, NoConfig
from vlit.assess.seen import Part
from vlit.data.score import Score

#: Weight and scale of each feature. The weights add up to 1.
FEATURES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "length": (0.25, 20.0),
        "elements": (0.25, 4.0),
        "clauses": (0.15, 1.5),
        "questions": (0.10, 1.0),
        "reasoning": (0.25, 1.5),
    }
)


class InstructionComplexity(Indicator[NoConfig]):
    """Mean complexity of the instructions, 1 to 10."""

    name: ClassVar[str] = "instruction_complexity"
    principle = "instruction complexity"
    direction = "higher is better"

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Grade by rule."""
        for sample in part.samples:
            counted, why = counts(sample)
            if why:
                yield self.of(sample, None, why)
                continue
            found = [features(c) for c in counted]
            value = math.fsum(complexity(f) for f in found) / len(found)
            told = ", ".join(f"{sum(f[name] for f in found) / len(found):.3g} {name}" for name in FEATURES)
            yield self.of(sample, value, told)


def features(counted: Elements) -> dict[str, int]:
    """The features of one instruction by name."""
    return {
        "length": counted.words,
        "elements": counted.total,
        "clauses": max(counted.clauses - 1, 0),
        "questions": counted.questions,
        "reasoning": counted.reasoning,
    }


def complexity(found: Mapping[str, float]) -> float:
    """The grade of features that are not negative, 1 to 10; features that are not named are 0."""
    return 1 + 9 * math.fsum(w * -math.expm1(-found.get(name, 0) / s) for name, (w, s) in FEATURES.items())
