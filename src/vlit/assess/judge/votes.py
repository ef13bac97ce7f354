"""Correctness by votes: a judge that sees the image is asked K times whether the answer is true of it.

    C = 100 * mean over samples of [mode of K votes],  correct 1, incorrect 0

The review's indicator, with what it leaves open fixed: K is odd, 5; the temperature is 0.7; the labels are
correct, incorrect and cannot tell; a tie goes to the lower one (incorrect < cannot tell < correct). A mode
of "cannot tell" is no value. The judge writes observations, then claims, then a verdict. A reply without
exactly one verdict is sent back once; then it is a failure, never a vote, and a majority of the K votes has
to be there.

With ``rules_first`` the annotations are asked before the judge: what they contradict is 0, what they bear
out to the last word is 1, and only the rest is voted on. That is cheaper, and no longer the review's form,
which is ``rules_first: false``. Limits: a judge shares the blind spots of the models that wrote the answers
and favors what is likely, so hold it against planted mistakes before you believe its number. Votes of one
model are not independent: their agreement says how sure the model is, not how right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec
import pydantic

from vlit.assess.correctness.facts import Facts
from vlit.assess.correctness.judged import judge_sample
from vlit.assess.indicator import Direction, Need, Principle
from vlit.assess.judge.agreement import entropy, fleiss_kappa, icc
from vlit.assess.judge.hearing import Flaw, Heard, hear
from vlit.assess.judge.judging import LONGEST, JudgingConfig, JudgingSamples
from vlit.assess.judge.verdicts import Label, Tally, Vote, read_vote, tally_in
from vlit.assess.seen import Part
from vlit.data.sample import Sample, Turn, strip_image_tokens
from vlit.data.score import Score, SetScore, shown
from vlit.teacher.drive import replay
from vlit.teacher.exchange import Conversation
from vlit.teacher.journal import JournalView
from vlit.teacher.message import Picture, Sampling
from vlit.teacher.reply import Choice

#: Photos of one sample that a judge is shown.
_PHOTOS = 8
_VALUES: dict[Label, float | None] = {"incorrect": 0.0, "cannot tell": None, "correct": 1.0}
#: Between the parts of a reason; what follows the second one is the judge's or the annotations' own words.
_TURN, _SAID = " | ", " -- "


class JudgedCorrectnessConfig(JudgingConfig):
    """How votes are taken."""

    votes: int = pydantic.Field(5, ge=1, le=99, description="replies to each question, an odd number")
    temperature: float = pydantic.Field(0.7, ge=0, le=2)
    turns: Literal["sample", "each"] = pydantic.Field(
        "sample", description="one verdict on the whole sample, or one on each of its answers"
    )
    rules_first: bool = pydantic.Field(
        True, description="what the annotations settle is not voted on; false: the review's form"
    )
    max_tokens: int = pydantic.Field(1024, ge=16, description="of one reply; more for models that think first")

    @pydantic.model_validator(mode="after")
    def _votes_can_differ(self) -> JudgedCorrectnessConfig:
        if self.votes % 2 == 0:
            raise ValueError(
                f"an odd number of votes is needed, not {self.votes}: an even one often ends in a tie"
            )
        if self.votes > 1 and self.temperature == 0:
            raise ValueError(
                f"{self.votes} votes with `temperature: 0` are the same vote: take one, or set it higher"
            )
        return self


@dataclass(frozen=True)
class _Item:
    """What one verdict is about: answers, those before them, and what the rules say of them."""

    answers: tuple[tuple[str, str], ...]  #: question and answer
    before: tuple[tuple[str, str], ...] = ()
    ruled: Label | None = None
    reason: str = ""


class JudgedCorrectness(JudgingSamples[JudgedCorrectnessConfig]):
    """Share of the samples that a judge takes for correct, by the majority of several votes on each."""

    name: ClassVar[str] = "judged_correctness"
    principle: ClassVar[Principle] = "correctness"
    direction: ClassVar[Direction] = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("text", "scenes", "teacher")
    prompt_name: ClassVar[str] = "judged_correctness"
    Config = JudgedCorrectnessConfig

    def about(self, sample: Sample, part: Part) -> Iterator[Conversation[Heard[Vote]]]:
        """The votes on a sample, or on each of its answers, as far as the rules do not settle them."""
        if _why_not(sample):
            return
        for item in self._items(sample, part):
            if item.ruled is None:
                yield self._votes(sample, item)

    def judged(self, sample: Sample, part: Part, replies: JournalView) -> Score:
        """The mode of the votes; in the reason how many there were of each, and a claim that failed."""
        if why := _why_not(sample):
            return self.of(sample, None, why)
        values: list[float] = []
        told: list[str] = []
        said = ""
        items = list(self._items(sample, part))
        for number, item in enumerate(items, 1):
            value, text, claim = self._settled(sample, item, replies)
            values += [value] if value is not None else []
            told.append(f"turn {number}: {text}" if self.config.turns == "each" else text)
            said = said or claim
        reason = _TURN.join(told) + (f"{_SAID}{said}" if said else "")
        complete = len(values) == len(items) or (values and self.config.turns == "each")
        return self.of(sample, math.fsum(values) / len(values) if complete else None, reason)

    def flaw(self, reply: str) -> str | None:
        """What keeps a reply from being a vote."""
        found = read_vote(Choice(reply))
        return found.said if isinstance(found, Flaw) else None

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """The mean, with how far the votes agree; C of the review is 100 times it."""
        values: list[float] = []
        tallies: list[Tally] = []
        counts: Counter[str] = Counter()
        for score in scores:
            values += [score.value] if score.value is not None else []
            for text in (score.reason or "").partition(_SAID)[0].split(_TURN):
                text = text.partition(": ")[2] if text.startswith("turn ") else text
                tally = tally_in(text)
                tallies += [tally] if tally else []
                counts["rules"] += text.startswith("rules:")
                counts["cannot_tell"] += tally is not None and tally.mode == "cannot tell"
                counts["unread"] += _unread(text)
        mean = math.fsum(values) / len(values) if values else None
        return self.of_set(mean, len(values), **self._detail(mean, tallies, counts))

    def _detail(self, mean: float | None, tallies: list[Tally], counts: Counter[str]) -> dict[str, Any]:
        whole = [t for t in tallies if sum(t.counts) == self.config.votes > 1]
        rated = icc([[v / 2 for v, c in enumerate(t.counts) for _ in range(c)] for t in whole])
        voted = sum(sum(t.counts) for t in tallies)
        return {
            **self.told(),
            "c": None if mean is None else 100 * mean,
            "voted_on": len(tallies),
            "settled_by_rules": counts["rules"],
            "cannot_tell": counts["cannot_tell"],
            "vote_entropy": math.fsum(entropy(t.counts) for t in tallies) / len(tallies) if tallies else None,
            "fleiss_kappa": fleiss_kappa([t.counts for t in whole]),
            "icc_1_1": rated.one if rated else None,
            f"icc_1_{self.config.votes}": rated.one_k if rated else None,
            "share_unparsed": counts["unread"] / (voted + counts["unread"])
            if voted + counts["unread"]
            else None,
        }

    def _items(self, sample: Sample, part: Part) -> Iterator[_Item]:
        """What is judged apart: the whole sample, or each of its answers with what came before it."""
        pairs = _pairs(sample)
        known: dict[str, Facts] = {}
        if self.config.turns == "sample":
            yield self._ruled(_Item(pairs), sample, part, known)
            return
        for place, pair in enumerate(pairs):
            alone = (Turn(role="user", text=pair[0]), Turn(role="assistant", text=pair[1]))
            item = _Item((pair,), pairs[:place])
            yield self._ruled(item, msgspec.structs.replace(sample, turns=alone), part, known)

    def _ruled(self, item: _Item, sample: Sample, part: Part, known: dict[str, Facts]) -> _Item:
        if not self.config.rules_first or not part.scenes:
            return item
        judged = judge_sample(sample, part.scenes, known)
        if judged.outcome == "open":
            return item
        if judged.outcome == "supported":
            n = len(judged.claims)
            return _Item(item.answers, item.before, "correct", f"{n} claim{'s' * (n != 1)} borne out")
        against = next(claim.reason for claim in judged.claims if claim.outcome == "contradicted")
        return _Item(item.answers, item.before, "incorrect", against)

    def _votes(self, sample: Sample, item: _Item) -> Conversation[Heard[Vote]]:
        assert self.teacher is not None, "nothing is asked without a teacher"
        side = self.teacher.longest_side
        photos = (Picture(i.uri, i.sha256 or i.uri, side) for i in sample.images)
        pictures = [
            msgspec.structs.replace(photo, mark=sample.region if number == 0 else None)
            for number, photo in enumerate(photos)
        ]
        sampling = Sampling(temperature=self.config.temperature, max_tokens=self.config.max_tokens)
        request = self.request(_slots(sample, item), sampling, *pictures)
        k = self.config.votes
        return hear(request, k, read_vote, self.prompt.again, least=k // 2 + 1)

    def _settled(self, sample: Sample, item: _Item, replies: JournalView) -> tuple[float | None, str, str]:
        """Value, how it came about, and in whose words what is wrong."""
        if item.ruled is not None:
            return _VALUES[item.ruled], f"rules: {item.ruled}", shown(item.reason)
        heard = replay(self._votes(sample, item), replies)
        unread = f"; {len(heard.flaws)} unread" if heard.flaws else ""
        needed = self.config.votes // 2 + 1
        if len(heard.found) < needed:
            return None, f"{len(heard.found)} of {needed} votes that are needed{unread}: {heard.why_not}", ""
        tally = Tally.of(vote.label for vote in heard.found)
        fails = next((v.fails for v in heard.found if v.label == "incorrect" == tally.mode and v.fails), None)
        return _VALUES[tally.mode], f"{tally}{unread}", f'the judge: "{shown(fails)}" fails' if fails else ""


def _unread(text: str) -> int:
    """Votes that could not be read, as ``_settled`` tells them."""
    _, found, behind = text.partition("; ")
    number, _, word = behind.partition(" ")
    return int(number) if found and number.isdecimal() and word.startswith("unread") else 0


def _pairs(sample: Sample) -> tuple[tuple[str, str], ...]:
    """Questions with their answers; several turns of one side in a row belong together."""
    found: list[tuple[str, str]] = []
    question: list[str] = []
    for turn in sample.turns:
        text = strip_image_tokens(turn.text)
        if turn.role == "user":
            question.append(text)
        elif turn.role == "assistant" and text:
            found.append(("\n".join(filter(None, question)), text))
            question = []
    return tuple(found)


def _why_not(sample: Sample) -> str | None:
    """Why a sample is not shown to a judge; ``None`` where it can be."""
    if not sample.images:
        return "the sample has no image"
    if len(sample.images) > _PHOTOS:
        return f"{len(sample.images)} images, and a judge is shown {_PHOTOS} at most"
    pairs = _pairs(sample)
    if not pairs:
        return "there is no answer to judge"
    characters = sum(len(text) for pair in pairs for text in pair)
    return (
        f"too long to be judged: {characters:,} characters, {LONGEST:,} at most"
        if characters > LONGEST
        else None
    )


def _slots(sample: Sample, item: _Item) -> dict[str, str]:
    n = len(sample.images)
    picture = "This is the picture." if n == 1 else f"These are the {n} pictures, in their order."
    if sample.region is not None:
        picture += " A square is drawn on it around the region that is spoken of." * (n == 1)
    dialogue = _written(item.answers)
    if item.before:
        dialogue = (
            f"What was said before, to be understood but not judged:\n{_written(item.before)}\n\n"
            f"Judge this answer alone:\n{dialogue}"
        )
    return {"picture": picture, "dialogue": dialogue}


def _written(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in pairs)
