"""Claims about two things: "a man wearing a hat", "the cup is above the plate", "Which is higher, ...?".

A relation that annotators wrote down (Visual Genome) *supports* a claim of the same words between the same
labels; "parked on" supports "on". Boxes judge what is higher and lower, and what an answer of one word says of
two things that the question names: left or right, and which of the two. As for sides, that takes one object of
each label and a margin of a tenth of the image. Height in the image is no height in the world: "above" and
"under" are contradicted only where the boxes are apart in the other order.

"In front of" and "behind" are never contradicted: people mean the viewer's side by it, or the thing's own.
What no annotator wrote down may be so all the same: it is *unverifiable*.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from vlit.assess.correctness.answers import Question
from vlit.assess.correctness.facts import SUPPORTED, UNVERIFIABLE, Facts, Judgement, about, contradicted
from vlit.assess.correctness.places import judge_side
from vlit.language.mentions import Mention

MARGIN = 0.1  #: of the side of the image
_MOST_WORDS = 12  #: of an answer that chooses one of two things

_BETWEEN = re.compile(
    r"\s+(?:(?:who|that|which)\s+)?(?P<words>[^\W\d_]+(?:\s+[^\W\d_]+){0,7}?)"
    r"(?:\s+(?:an?|the|his|her|its|their|this|that))?(?:\s+(?:big|large|small|little|old|young|tall|long))?\s*"
)
_VERTICAL = re.compile(
    r"(?P<higher>above|over|higher(?:\s+up)?(?:\s+in\s+the\s+\w+)?\s+than|closer\s+to\s+the\s+top(?:\s+\w+){0,3}\s+than)"
    r"|(?P<lower>below|beneath|underneath|under|lower(?:\s+down)?(?:\s+in\s+the\s+\w+)?\s+than)",
    re.IGNORECASE,
)
_FARTHER = re.compile(
    r"(?:is\s+|appears\s+)?(?:farther|further|more|closer)\s+to\s+the\s+(left|right)(?:\s+edge)?"
    r"(?:\s+(?:in|of)\s+the\s+\w+)?\s+than",
    re.IGNORECASE,
)
_IN_THE_IMAGE = re.compile(r"higher|lower|closer", re.IGNORECASE)
_MOVES = re.compile(r"\b(?:jump|leap|fly|flies|flying|bend|lean|look|watch|walk|all|hand|take|turn)\w*\s", re.I)
_STATE = frozenset(
    ("is", "are", "was", "were", "be", "been", "being", "appears", "appear", "seen", "located", "positioned",
     "placed", "situated")
)  # fmt: skip
_WHICH = re.compile(
    r"\b(?P<left>left)\b|\b(?P<right>right)\b|\b(?P<higher>higher|top|upper)\b|\b(?P<lower>lower|bottom)\b",
    re.I,
)
_ASKS_WHICH = re.compile(r"\b(?:which|what|name|does|is it|who)\b", re.IGNORECASE)
_ASKS_SIDE = re.compile(
    r"\bleft\s+or\s+(?:(?:to|on)\s+the\s+)?right\b|\b(?:which|what)\s+side\b", re.IGNORECASE
)
_SIDE_ALONE = re.compile(
    r"\W*(?:it\s+is\s+)?(?:(?:on|to)\s+)?(?:the\s+|its\s+)?(left|right)(?:\s+(?:hand\s+)?side)?\W*",
    re.IGNORECASE,
)


def judge_relations(
    facts: Facts, question: Question, answer: str, mentions: Sequence[Mention]
) -> Iterator[Judgement]:
    """Judge what an answer says of pairs of things; ``mentions`` are those of the answer."""
    plain = [m for m in mentions if m.relation != "broader"]
    for a, b in itertools.pairwise(plain):
        between = _BETWEEN.fullmatch(answer, a.end, b.start)
        if between and a.label != b.label:
            words = f"{a.text} {' '.join(between['words'].split())} {b.text}"
            yield from _written(facts, a, b, between["words"].lower(), words)
    yield from _of_two(facts, question, answer, plain)


def _written(facts: Facts, a: Mention, b: Mention, words: str, said: str) -> Iterator[Judgement]:
    """A relation in words between two mentions."""
    if _is_annotated(facts, a.label, b.label, words):
        yield about("relation", said, SUPPORTED)
        return
    farther = _FARTHER.fullmatch(words)
    if farther and not (a.plural or b.plural):
        yield about("relation", said, judge_side(facts, a, b, farther[1].lower()))
    vertical = _VERTICAL.search(words)
    if vertical is None or vertical.end() != len(words) or _MOVES.search(words):
        return
    upper, lower = (a, b) if vertical["higher"] else (b, a)
    if a.plural or b.plural:
        return
    yield about("relation", said, _height(facts, upper, lower, bool(_IN_THE_IMAGE.search(words)), said))


def _is_annotated(facts: Facts, a: str, b: str, words: str) -> bool:
    if not facts.scene.relations:
        return False
    wanted = _predicate(words)
    return bool(wanted) and any(_predicate(p)[-len(wanted) :] == wanted for p in facts.predicates(a, b))


def _predicate(words: str) -> tuple[str, ...]:
    """A predicate without forms of "be" and endings: "is wearing" and "wears" are ("wear",)."""
    return tuple(_stem(w) for w in words.lower().split() if w not in _STATE)


def _stem(word: str) -> str:
    for ending in ("ing", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word  # "sitting", "sit"


def _height(facts: Facts, upper: Mention, lower: Mention, in_the_image: bool, said: str) -> Judgement:
    high, low = facts.only(upper.label), facts.only(lower.label)
    if high is None or low is None:
        return UNVERIFIABLE
    apart = (low.box.center[1] - high.box.center[1]) / facts.scene.image.height
    if apart >= MARGIN:
        return SUPPORTED
    wrong = apart <= -MARGIN and (in_the_image or low.box.y2 <= high.box.y1)
    return contradicted(f"says {said!r}; the {lower.text} is higher in the image") if wrong else UNVERIFIABLE


def _of_two(facts: Facts, question: Question, answer: str, mentions: Sequence[Mention]) -> Iterator[Judgement]:
    """A side alone, or one of two things, after a question that names both."""
    asked = list({m.start: m for m in question.mentions if m.relation != "broader" and not m.plural}.values())
    if len(asked) != 2 or len({m.start for m in question.mentions}) != 2 or asked[0].label == asked[1].label:
        return
    a, b = asked
    side = _SIDE_ALONE.fullmatch(answer)
    if side and _ASKS_SIDE.search(question.text) and not question.options:
        subject, other = (b, a) if _is_the_reference(question.text, a, b) else (a, b)
        yield about("relation", answer.strip(), judge_side(facts, subject, other, side[1].lower()))
        return
    way = _WHICH.search(answer) or _WHICH.search(question.text)  # an answer may give its own
    named = {m.label for m in mentions}
    if way and len(named) == 1 and named <= {a.label, b.label} and _ASKS_WHICH.search(question.text):
        if (
            _ASKS_SIDE.search(question.text)
            or len(_WHICH.findall(question.text)) > 1
            or len(answer.split()) > 12
        ):
            return
        chosen, other = (a, b) if a.label in named else (b, a)
        if way["left"] or way["right"]:
            found = judge_side(facts, chosen, other, "left" if way["left"] else "right")
        else:
            pair = (chosen, other) if way["higher"] else (other, chosen)
            found = _height(facts, *pair, True, answer.strip())
        yield about("relation", answer.strip(), found)


def _is_the_reference(question: str, a: Mention, b: Mention) -> bool:
    """Whether the other thing is seen from the first of the two: "On which side of the bus is the man?"."""
    before = question[: a.start].lower()
    return bool(re.search(r"\bside\s+of\s+(?:an?\s+|the\s+)?$|\brelative\s+to\s+(?:an?\s+|the\s+)?$", before))
