"""Complexity of instructions as a language model grades it, 1 to 10, after examples that were graded by hand.

The review's indicator. It takes one sampled digit; here the score is the expectation over the probabilities
of all scores, where the server tells them: it is finer, and the same each time. Where it does not, it is
the mean of a few sampled scores. Both are taken at temperature 1, at which servers that tell probabilities
before and after temperature agree. The reason says which of the two it was, and the detail of the set
counts them.

The judge sees the instruction alone, neither image nor answer. Limits: the scale is that of the examples,
so sets are comparable only when they were judged by the same model with the same prompt; models use the
middle of a scale.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import pydantic

from vlit.assess.indicator import Direction, Principle
from vlit.assess.judge.digits import Expected, expected_of, read_score
from vlit.assess.judge.hearing import Flaw, Heard, hear
from vlit.assess.judge.judging import LONGEST, JudgingConfig, JudgingSamples
from vlit.assess.seen import Part
from vlit.data.sample import Sample
from vlit.data.score import Score, SetScore
from vlit.teacher.drive import replay
from vlit.teacher.exchange import Conversation, Told, Wanted
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Request, Sampling
from vlit.teacher.reply import Choice

_BY_ODDS, _BY_SAMPLES = "expectation over token probabilities", "mean of sampled scores"


class JudgedComplexityConfig(JudgingConfig):
    """How a score is taken."""

    alternatives: int = pydantic.Field(
        20,
        ge=0,
        le=20,
        description="tokens whose probabilities are asked for; many servers tell 5 at most; 0: sampled scores",
    )
    samples: int = pydantic.Field(
        5, ge=1, le=50, description="replies whose mean is taken where no probabilities are told"
    )
    max_tokens: int = pydantic.Field(16, ge=4, description="of one reply; more for models that think first")


@dataclass(frozen=True)
class _Grade:
    """What came of one question."""

    odds: Expected | None = None
    sampled: Heard[int] | None = None


class JudgedComplexity(JudgingSamples[JudgedComplexityConfig]):
    """Mean complexity of the instructions, graded from 1 to 10 by a language model."""

    name: ClassVar[str] = "judged_complexity"
    principle: ClassVar[Principle] = "instruction complexity"
    direction: ClassVar[Direction] = "higher is better"
    prompt_name: ClassVar[str] = "judged_complexity"
    Config = JudgedComplexityConfig

    def about(self, sample: Sample, part: Part) -> Iterator[Conversation[_Grade]]:
        """The grade of one instruction."""
        if _why_not(sample) is None:
            yield self._grade(sample)

    def judged(self, sample: Sample, part: Part, replies: JournalView) -> Score:
        """The grade, and how it was taken."""
        if why := _why_not(sample):
            return self.of(sample, None, why)
        grade = replay(self._grade(sample), replies)
        if grade.odds is not None:
            unsure = f"; {grade.odds.unsure:.0%} of it may be 1 or 10" if grade.odds.unsure >= 0.005 else ""
            return self.of(sample, grade.odds.score, f"{_BY_ODDS}{unsure}")
        assert grade.sampled is not None, "a grade has one of the two"
        scores = grade.sampled.found
        if not scores:
            return self.of(sample, None, grade.sampled.why_not)
        return self.of(sample, sum(scores) / len(scores), f"{_BY_SAMPLES}: {', '.join(map(str, scores))}")

    def flaw(self, reply: str) -> str | None:
        """What keeps a reply from being a score."""
        found = read_score(Choice(reply))
        return found.said if isinstance(found, Flaw) else None

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The mean, with how many of the scores were taken in which way."""
        values: list[float] = []
        ways = {_BY_ODDS: 0, _BY_SAMPLES: 0}
        for score in scores:
            if score.value is None:
                continue
            values.append(score.value)
            for way in ways:
                ways[way] += (score.reason or "").startswith(way)
        mean = math.fsum(values) / len(values) if values else None
        counts = {"by_probabilities": ways[_BY_ODDS], "by_sampled_scores": ways[_BY_SAMPLES]}
        return self.of_set(mean, len(values), **self.told(), **counts)

    def _grade(self, sample: Sample) -> Generator[Wanted, Told, _Grade]:
        request = self._request(sample)
        if self.config.alternatives:
            told = yield Wanted(request, 1)
            if isinstance(told, tuple) and (odds := expected_of(told[0])):
                return _Grade(odds=odds)
        # The same request: its first reply is paid already.
        heard = yield from hear(request, self.config.samples, read_score, self.prompt.again)
        return _Grade(sampled=heard)

    def _request(self, sample: Sample) -> Request:
        sampling = Sampling(temperature=1.0, max_tokens=self.config.max_tokens)
        if self.config.alternatives:
            sampling = msgspec.structs.replace(sampling, top_logprobs=self.config.alternatives)
        return self.request({"instruction": sample.text_of("user").strip()}, sampling)


def _why_not(sample: Sample) -> str | None:
    text = sample.text_of("user").strip()
    if not text:
        return "there is no instruction to grade"
    if len(text) > LONGEST:
        return f"too long to be graded: {len(text):,} characters, {LONGEST:,} at most"
    return None
