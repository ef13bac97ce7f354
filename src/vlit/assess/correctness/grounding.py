"""Correctness, grounded in annotations: does the scene bear out what the responses claim?

    value = supported / (supported + contradicted) claims

over all claims of the assistant's turns: things named and denied, numbers, yes and no, chosen options,
answers to questions that people asked, boxes, sides, corners and heights, colours, relations, and what can be
read. A claim that the annotations cannot decide is *unverifiable* and does not count; a sample without a
decided claim has no value. Questions claim nothing.

Ground truth is CHAIR's (objects and labels that captions name), but an absence counts only where annotators
searched (``Scene.searched``), a number only without a crowd, a look only against one that excludes it, and a
word of wider meaning ("bike") only confirms. How claims are found: ``claims`` and ``answers``; how they are
judged: ``facts``, ``asked``, ``boxes``, ``places``, ``relations``, ``comparisons``, ``attributes`` and
``scene_text``; all of them at once, and what stays open: ``judged``.

Limits: the labels of the scene and their synonyms are all it sees; actions, most relations, and looks that
nobody annotated pass unseen, so 1.0 means "nothing contradicted", not "true". Mistakes of the annotators become
mistakes of the sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from vlit.assess.correctness.facts import Facts, Judgement
from vlit.assess.correctness.judged import exchanges, facts_of, judge_answer
from vlit.assess.indicator import Indicator, Need, NoConfig
from vlit.assess.seen import Part
from vlit.data.score import Score

_NAMED_REASONS = 5


class GroundedCorrectness(Indicator[NoConfig]):
    """Share of the checkable claims of the responses that the annotations support."""

    name: ClassVar[str] = "grounded_correctness"
    principle = "correctness"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "scenes")

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Check each sample against the one scene that it shows."""
        known: dict[str, Facts] = {}
        for sample in part.samples:
            facts, why = facts_of(sample, part.scenes, known)
            if facts is None:
                yield self.of(sample, None, why)
                continue
            judged = [j for said in exchanges(sample, facts) for j in judge_answer(facts, *said)]
            yield self.of(sample, *_summary(judged))


def _summary(judged: Sequence[Judgement]) -> tuple[float | None, str]:
    supported = sum(j.outcome == "supported" for j in judged)
    wrong = list(dict.fromkeys(j.reason for j in judged if j.outcome == "contradicted"))
    against = sum(j.outcome == "contradicted" for j in judged)
    if not supported + against:
        return None, "claims nothing that the annotations can check"
    if wrong:
        more = f" and {len(wrong) - _NAMED_REASONS} more" if len(wrong) > _NAMED_REASONS else ""
        return supported / (supported + against), "; ".join(wrong[:_NAMED_REASONS]) + more
    return 1.0, f"{supported} claim{'s' * (supported > 1)} borne out by the annotations"
