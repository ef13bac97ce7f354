"""Correctness, grounded in annotations: does the scene bear out what the responses claim?

    value = supported / (supported + contradicted) claims

over all claims of the assistant's turns: things named and denied, numbers, yes and no, chosen options,
answers to questions that people asked, boxes, sides and corners. A claim that the annotations cannot decide
is *unverifiable* and does not count; a sample without a decided claim has no value. Questions claim nothing.

Ground truth is CHAIR's (objects and labels that captions name), but an absence counts only where annotators
searched (``Scene.searched``), a number only without a crowd, and a word of wider meaning ("bike") only
confirms. How claims are found: ``claims`` and ``answers``; how they are judged: ``facts``, ``asked`` and
``places``.

Limits: the labels of the scene and their synonyms are all it sees; colours, actions and most relations pass
unseen, so 1.0 means "nothing contradicted", not "true". Mistakes of the annotators become mistakes of the
sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from vlit.assess.correctness.answers import Question, answer_claims, read_question
from vlit.assess.correctness.asked import judge_asked
from vlit.assess.correctness.claims import Claim
from vlit.assess.correctness.comparisons import judge_comparisons
from vlit.assess.correctness.facts import Facts, Judgement
from vlit.assess.correctness.places import judge_places
from vlit.assess.indicator import Indicator, Need, NoConfig
from vlit.assess.seen import Part
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.score import Score
from vlit.language.mentions import Mention

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
            ids = dict.fromkeys(sample.provenance.scenes)
            scene = part.scenes.get(next(iter(ids))) if len(ids) == 1 else None
            if scene is None:
                yield self.of(sample, None, _why_no_scene(sample, len(ids)))
                continue
            if scene.id not in known:
                known[scene.id] = Facts(scene)
            judged = judgements(sample, known[scene.id])
            yield self.of(sample, *_summary(judged))


def _why_no_scene(sample: Sample, scenes: int) -> str:
    if not sample.images:
        return "the sample has no image"
    if scenes > 1:
        return "several images: it is not clear which one a claim is about"
    return "no annotations are known for its image"


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


def judgements(sample: Sample, facts: Facts) -> list[Judgement]:
    """The judgement of every claim of a sample; the same claim in the same turn counts once."""
    question, topic = Question("", {}, ()), None
    found: list[Judgement] = []
    for turn in sample.turns:
        if turn.role == "user":
            question = read_question(strip_image_tokens(turn.text), facts.lexicon)
            topic = _topic(question) or topic
        elif turn.role == "assistant":
            found.extend(_judge_turn(facts, question, turn.text, topic))
            question = Question("", {}, ())
    return found


def _judge_turn(facts: Facts, question: Question, answer: str, topic: Mention | None) -> Iterator[Judgement]:
    asked = judge_asked(facts, question, answer)
    if asked is not None:
        yield asked
    claims: list[Claim] = answer_claims(question, answer, facts.lexicon, topic)
    for claim in dict.fromkeys(claims):
        yield facts.judge(claim)
    mentions = facts.lexicon.find(answer)
    yield from judge_places(facts, question, answer, mentions)
    yield from judge_comparisons(facts, question, answer, mentions)


def _topic(question: Question) -> Mention | None:
    labels = {m.label for m in question.mentions if m.relation != "broader"}
    return next(m for m in question.mentions if m.relation != "broader") if len(labels) == 1 else None
