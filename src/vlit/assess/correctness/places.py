"""Claims about places: "to the left of", "in the upper right of the image", "in the center".

Judged by the centres of boxes where only one object of the label is there, with a margin of a tenth of the
image: what is nearly in the middle is neither left nor right.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from vlit.assess.correctness.answers import YES_NO, Question, chosen, sayings
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, about, contradicted
from vlit.language.mentions import Mention

_SIDE_OF = re.compile(
    r"\s*(?:\w+\s+){0,3}?(?:to|on)\s+the\s+(left|right)(?:[\s-]+(?:hand\s+)?side)?\s+of\s+(?:an?|the)?\s*$",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b(?:in|on|at|near|towards?)\s+the\s+((?:(?:far|very|upper|lower|top|bottom|left|right)[\s-]*){1,3})"
    r"(?:(?:hand|side|part|half|corner|edge|area|portion|section)\s*)*(?:of\s+the\s+(?:image|picture|photo|frame|scene)"
    r"|\s*(?=[.,;]|$))",
    re.IGNORECASE,
)
_SHORT_PLACE = re.compile(
    r"\W*(?:it\s+is\s+)?(?:(?:in|on|at|to)\s+)?(?:the\s+)?((?:(?:far|upper|lower|top|bottom|left|right|cent(?:er|re))[\s-]*){1,3})"
    r"(?:(?:side|part|half|corner)\s*)?(?:of\s+the\s+(?:image|picture|photo|frame|scene))?\W*",
    re.IGNORECASE,
)
#: A question for the place of one thing as seen from another, which may not be among the labels.
_RELATIVE = re.compile(
    r"\bsides?\s+of\s+(?:an?|the)\s+(?!image|picture|photo|frame|scene)|\b(?:left|right)\s+of\b|\brelat\w+\s+to\b|"
    r"\bin\s+relation\s+to\b|\bcompared?\b|\bfarther\b|\bcloser\b",
    re.IGNORECASE,
)
_IT = re.compile(r"\W*(?:it|this|that)\s+(?:is|can|appears|lies|stands)\b", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left"}
_MARGIN = 0.1
_OUTSIDE = 0.35  #: a thing centred further from the middle of the image is not "in the center"


def judge_places(
    facts: Facts, question: Question, answer: str, mentions: list[Mention], topic: Mention | None = None
) -> Iterator[Judgement]:
    """Judge the places of an answer.

    Args:
        facts: What is known.
        question: The turn before it.
        answer: What was said.
        mentions: Those of the answer.
        topic: What "it" is, where the question names nothing.
    """
    yield from _short(facts, question, answer, mentions)
    plain = [m for m in mentions if m.relation != "broader" and not m.plural]
    for a, b in itertools.pairwise(plain):
        side = _SIDE_OF.fullmatch(answer, a.end, b.start)
        if side:
            said = answer[a.start : b.end]
            yield about("side", said, judge_side(facts, a, b, side[1].lower()))
    for place in _PLACE.finditer(answer):
        subject = _subject(answer, place, plain)
        if subject is None and not mentions and _IT.match(answer):
            subject = _asked_for(question, topic)
        if subject is not None:
            yield about("place", f"{subject.text} {place.group()}", _place(facts, subject, place[1].lower()))


def _short(facts: Facts, question: Question, answer: str, mentions: list[Mention]) -> Iterator[Judgement]:
    """A place alone after "Where is the dog?"; yes or no after "Is the dog to the left of the cat?"."""
    asked = [m for m in question.mentions if m.relation != "broader" and not m.plural]
    alone = len({m.start for m in question.mentions}) == 1 and not _RELATIVE.search(question.text)
    said = (chosen(question, answer) if question.options else None) or answer
    if len(asked) == 1 and alone and not mentions:
        for words in sayings(question, answer):
            place = _SHORT_PLACE.fullmatch(words)
            if place:
                yield about("place", words.strip(), _place(facts, asked[0], place[1].lower()))
    yes_no = YES_NO.match(said)
    if len(asked) == 2 and not mentions and yes_no:
        side = _SIDE_OF.fullmatch(question.text, asked[0].end, asked[1].start)
        if side and not re.search(r"\bor\b|\bnot\b|n't\b", side.group()):
            true_side = side[1].lower() if yes_no[1].lower().startswith("y") else _OTHER[side[1].lower()]
            yield about("side", said, judge_side(facts, asked[0], asked[1], true_side))


def judge_side(facts: Facts, a: Mention, b: Mention, side: str) -> Judgement:
    """Whether the only ``a`` is to the ``side`` ("left" or "right") of the only ``b``."""
    first, second = facts.only(a.label), facts.only(b.label)
    if first is None or second is None or a.label == b.label:
        return UNVERIFIABLE
    apart = (second.box.center[0] - first.box.center[0]) / facts.scene.image.width
    left = apart if side == "left" else -apart
    if abs(left) < _MARGIN:
        return UNVERIFIABLE
    if left > 0:
        return SUPPORTED
    return contradicted(f"says that the {a.text} is to the {side} of the {b.text}; it is on the other side")


def _asked_for(question: Question, topic: Mention | None) -> Mention | None:
    """What "it" is in an answer: the one thing that its question asks for, or what was spoken of before."""
    if _RELATIVE.search(question.text):
        return None
    named = [m for m in question.mentions if m.relation != "broader"]
    subject = (named[0] if len({m.start for m in question.mentions}) == 1 else None) if named else topic
    return None if subject is None or subject.plural or question.options else subject


def _subject(answer: str, place: re.Match[str], mentions: list[Mention]) -> Mention | None:
    """The mention before a place in the same clause, or the first one after a place that opens the sentence."""
    before = [m for m in mentions if m.end <= place.start()]
    if before and not re.search(r"[.;!?\n,]|\band\b", answer[before[-1].end : place.start()]):
        return before[-1]
    opens = not re.search(r"[^\s]", re.split(r"[.;!?\n]", answer[: place.start()])[-1])
    behind = [m for m in mentions if m.start >= place.end()]
    if opens and behind and not re.search(r"[.;!?\n]", answer[place.end() : behind[0].start]):
        return behind[0]
    return None


def _place(facts: Facts, subject: Mention, place: str) -> Judgement:
    found = facts.only(subject.label)
    if found is None:
        return UNVERIFIABLE
    x, y = found.box.center
    across, down = x / facts.scene.image.width - 0.5, y / facts.scene.image.height - 0.5
    away = [
        -across if "right" in place else across if "left" in place else 0.0,
        -down if "bottom" in place or "lower" in place else down if "top" in place or "upper" in place else 0.0,
    ]
    if "cent" in place:
        free = [d for d, said in zip((across, down), away, strict=True) if said == 0.0]
        away += [abs(d) - _OUTSIDE + _MARGIN for d in free]
    if max(away) > _MARGIN:
        where = f"{x / facts.scene.image.width:.0%} across and {y / facts.scene.image.height:.0%} down"
        name = " ".join(place.split())
        return contradicted(f"puts the {subject.text} in the {name}; its box is centred {where}")
    return SUPPORTED
