"""All claims of a sample, judged by the annotations of its scene: what rules settle, and what they leave open.

    judged = judge_sample(sample, scenes)
    judged.outcome   # "contradicted", "supported" or "open"

*contradicted*: the annotations speak against one claim at least. *supported*: they bear out every claim, at
least one, and no word of content is left that no claim accounts for. *open*: all else, so also every response
that says something which the rules do not read ("A man is happy."): a judge who sees the image has to look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from vlit.assess.correctness.answers import Question, answer_claims, chosen, read_question
from vlit.assess.correctness.asked import judge_asked
from vlit.assess.correctness.attributes import judge_attributes
from vlit.assess.correctness.boxes import judge_boxes
from vlit.assess.correctness.claims import Claim, asks_of_all, is_plain_word
from vlit.assess.correctness.comparisons import judge_comparisons
from vlit.assess.correctness.facts import Facts, Judgement, about
from vlit.assess.correctness.places import judge_places
from vlit.assess.correctness.relations import judge_relations
from vlit.assess.correctness.scene_text import judge_scene_text
from vlit.data.sample import Sample, strip_image_tokens
from vlit.data.scene import Scene
from vlit.language.mentions import Mention

Verdict = Literal["supported", "contradicted", "open"]

_WORD = re.compile(r"[^\W_]+")
_NO_QUESTION = Question("", {}, ())


class Judged(msgspec.Struct, frozen=True):
    """A sample as the rules see it."""

    outcome: Verdict
    claims: tuple[Judgement, ...]  #: in the order of the text
    unread: tuple[str, ...] = ()  #: words of content that no claim accounts for, in the order of the text
    reason: str = ""  #: why nothing could be judged, where it could not

    @property
    def left(self) -> tuple[Judgement, ...]:
        """The claims that the annotations cannot decide."""
        return tuple(c for c in self.claims if c.outcome == "unverifiable")


def judge_sample(sample: Sample, scenes: Mapping[str, Scene], known: dict[str, Facts] | None = None) -> Judged:
    """Judge the claims of a sample by the one scene that it shows.

    Args:
        sample: Its ``provenance.scenes`` name the scene.
        scenes: By id.
        known: What was read of scenes before; samples of the same scene are judged faster with it.
    """
    facts, why = facts_of(sample, scenes, {} if known is None else known)
    if facts is None:
        return Judged("open", (), reason=why)
    claims: list[Judgement] = []
    unread: list[str] = []
    for question, answer, topic in exchanges(sample, facts):
        found = list(judge_answer(facts, question, answer, topic))
        claims += found
        unread += _unread(facts, question, answer, found)
    outcomes = {c.outcome for c in claims}
    verdict: Verdict = "open"
    if "contradicted" in outcomes:
        verdict = "contradicted"
    elif outcomes == {"supported"} and not unread:
        verdict = "supported"
    return Judged(verdict, tuple(claims), tuple(dict.fromkeys(unread)))


def facts_of(sample: Sample, scenes: Mapping[str, Scene], known: dict[str, Facts]) -> tuple[Facts | None, str]:
    """What is known of the scene of a sample, kept in ``known``, or ``None`` and why nothing is."""
    scene, why = scene_of(sample, scenes)
    if scene is None:
        return None, why
    if scene.id not in known:
        known[scene.id] = Facts(scene)
    return known[scene.id], ""


def scene_of(sample: Sample, scenes: Mapping[str, Scene]) -> tuple[Scene | None, str]:
    """The one scene that a sample shows, or ``None`` and why there is none."""
    ids = dict.fromkeys(sample.provenance.scenes)
    scene = scenes.get(next(iter(ids))) if len(ids) == 1 else None
    if scene is not None:
        return scene, ""
    if not sample.images:
        return None, "the sample has no image"
    if len(ids) > 1:
        return None, "several images: it is not clear which one a claim is about"
    return None, "no annotations are known for its image"


def exchanges(sample: Sample, facts: Facts) -> Iterator[tuple[Question, str, Mention | None]]:
    """Each answer with its question, and what the conversation spoke of last."""
    question, topic = _NO_QUESTION, None
    for turn in sample.turns:
        if turn.role == "user":
            question = read_question(strip_image_tokens(turn.text), facts.lexicon)
            topic = _topic(question) or topic
        elif turn.role == "assistant":
            yield question, turn.text, topic
            question = _NO_QUESTION


def judge_answer(facts: Facts, question: Question, answer: str, topic: Mention | None) -> Iterator[Judgement]:
    """The judgement of every claim of an answer; a claim of a thing that is made twice counts once."""
    asked = judge_asked(facts, question, answer)
    if asked is not None:
        yield about("answer", answer.strip(), asked)
    claims: list[Claim] = answer_claims(question, answer, facts.lexicon, topic)
    for claim in dict.fromkeys(claims):
        yield about(claim.kind, _told(claim), facts.judge(claim))
    mentions = facts.lexicon.find(answer)
    yield from judge_boxes(facts, question, answer, mentions)
    yield from judge_places(facts, question, answer, mentions, topic)
    yield from judge_relations(facts, question, answer, mentions)
    yield from judge_comparisons(facts, question, answer, mentions)
    yield from judge_attributes(facts, question, answer, mentions)
    yield from judge_scene_text(facts, question, answer)


def _topic(question: Question) -> Mention | None:
    labels = {m.label for m in question.mentions if m.relation != "broader"}
    return next(m for m in question.mentions if m.relation != "broader") if len(labels) == 1 else None


def _told(claim: Claim) -> str:
    if claim.kind == "absent":
        return f"no {claim.word}"
    if claim.kind == "present":
        return claim.word
    return f"{'' if claim.comparison == '=' else claim.comparison + ' '}{claim.n} {claim.word}"


def _unread(facts: Facts, question: Question, answer: str, found: Sequence[Judgement]) -> Iterator[str]:
    """Words of content that no settled claim accounts for; the question's too, where they give the sense."""
    if any(j.kind == "answer" and j.outcome != "unverifiable" for j in found):
        return  # people answered the same question
    read = {w.lower() for j in found if j.outcome != "unverifiable" for w in _WORD.findall(j.said)}
    said = (chosen(question, answer) if question.options else None) or answer
    mentions = facts.lexicon.find(said)
    if not mentions and not asks_of_all(question.text, question.mentions):
        own = [j for j in found if j.kind in ("side", "place", "relation", "attribute", "scene text", "box")]
        if not own:
            yield from (w for w in _words(question.text, question.mentions, asking=True) if w not in read)
    yield from (w for w in _words(said, mentions) if w not in read)


def _words(text: str, mentions: Sequence[Mention], *, asking: bool = False) -> Iterator[str]:
    """The words of a text that say something, without what mentions cover."""
    for m in _WORD.finditer(text):
        word = m.group().lower()
        if not is_plain_word(word, asking=asking) and not any(x.start <= m.start() < x.end for x in mentions):
            yield word
