"""LLaVA-Bench, COCO and in the wild: a judge sets a model's answer beside a reference answer.

    relative score = 100 x mean score of the model's answers / mean score of the reference answers

a ratio of means, for each category and for all (Liu et al. 2023, "Visual Instruction Tuning", section 5.1;
``eval_gpt_review_visual`` and ``summarize_gpt_review`` of LLaVA). The judge sees no photo, but text about it:
captions and boxes (COCO: 30 images of val2014, 90 questions) or a caption (in the wild: 24 images, 60
questions).

Official: the reference answer is Assistant 1, the judge gpt-4-0314 at temperature 0.2, and each question is
judged once. Kept: that order, the temperature, the scale. Different:

* the prompt is our own, and asks for the same: helpfulness, relevance, accuracy, level of detail; 1 to 10;
* scores that cannot be read are left out and counted. The official parser reads the first line alone, nothing
  is sent back, and the summary averages failures as -1 and -1, so that nothing but failures make 100.0:
  "relative score, official parser" is that number, for the official order and one round;
* answers belong together by the question's id; the official script pairs the lines of three files;
* context is found by the image's name with or without ``COCO_val2014_`` before it.

Judges prefer one place over the other. ``both-orders`` asks twice and takes the mean; in how many questions the
better one changes with its place is told as "order disagreement". ``drawn-order`` asks once, in an order drawn
from the seed and the question's id.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydantic

from vlit.data.sample import IMAGE_TOKEN
from vlit.data.seeds import rng
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.judge import Ask, JudgedBenchmark, JudgedConfig, JudgePrompt, Said
from vlit.evaluate.metric import F64, Metric, by_group, metric, ratio
from vlit.evaluate.parsing.coco import coco_photo
from vlit.evaluate.parsing.evidence import evidence
from vlit.evaluate.parsing.judged import numbers, official_score_pair, score_pair
from vlit.evaluate.parsing.reading import Needs, Reading, Record
from vlit.evaluate.question import Answered, Parsed, Question, Scored

#: Names of the two orders, by which answer is Assistant 1.
REFERENCE_FIRST, CANDIDATE_FIRST = "reference first", "candidate first"

PROMPT = JudgePrompt(
    name="relative",
    system=(
        "You grade two assistants that were asked the same question about a picture. You cannot see the "
        "picture; a text tells you what is in it. Where an assistant says what the text does not, ask whether "
        "it can be true. Be fair: neither the place of an answer nor its length is a merit."
    ),
    ask=(
        "About the picture:\n{context}\n\nQuestion:\n{question}\n\n"
        "<<Assistant 1>>\n{first}\n<<end of Assistant 1>>\n\n"
        "<<Assistant 2>>\n{second}\n<<end of Assistant 2>>\n\n"
        "Give each assistant one score from 1 (worst) to 10 (best) for how helpful, relevant and accurate its "
        "answer is, and how well its level of detail fits the question. Write the score of Assistant 1 and the "
        "score of Assistant 2 on the first line, with one space between them and nothing else. Give your "
        "reasons from the second line on."
    ),
    again=(
        "Your scores cannot be read: {flaw}. Write two numbers from 1 to 10 on the first line, first that of "
        "Assistant 1, then that of Assistant 2, with one space between them and nothing else on that line."
    ),
)

OFFICIAL = "official parser"
_OBJECT = {"category", "bbox"}
_SILENT = "(This assistant gave no answer.)"
_BOXES = "\n\nObjects as [left, top, right, bottom], in shares of width and height:\n"


class LlavaBenchConfig(JudgedConfig):
    """Where the official files are."""

    questions: str = pydantic.Field(description="JSONL: question_id, image, text, category")
    context: str = pydantic.Field(description="JSONL: image, and captions with instances, or caption")
    references: str = pydantic.Field(description="JSONL: question_id, text; the answers of GPT-4")
    images: str = pydantic.Field(description="folder of the photos")


class _LlavaBench(JudgedBenchmark[LlavaBenchConfig]):
    """What both have in common."""

    protocols: ClassVar[tuple[str, ...]] = ("reference-first", "both-orders", "drawn-order")
    metric = ("relative score", "")
    judge_prompt = PROMPT
    Config = LlavaBenchConfig
    categories: ClassVar[tuple[str, ...]] = ("conv", "detail", "complex")
    told: ClassVar[Needs]  #: fields of the context

    def load(self, base: Path) -> Loaded:
        """Questions with the context and the reference answer that the judge is shown."""
        own, reading = self.config, Reading(self.name, base)
        photos = reading.photos(own.images)
        told_of = evidence(reading, reading.records(own.context), "image", self.told)
        context = {_bare(record.id): self.context(record) for record in told_of}
        references = {
            r.id: r["text"]
            for r in evidence(reading, reading.records(own.references), "question_id", {"text": str})
        }
        needs: Mapping[str, Any] = {"image": (str, int), "text": str, "category": str}
        questions = []
        for record in reading.usable(reading.records(own.questions), "question_id", needs):
            name = str(record["image"])
            told, reference = context.get(_bare(name), ""), references.get(record.id)
            if not told:
                reading.lose_record(record, "image", name, "there is no text about this image for the judge")
            elif reference is None:
                reading.lose_record(record, "question_id", record.id, "there is no reference answer")
            elif (image := coco_photo(reading, photos, name, record, "image")) is not None:
                category = record["category"].removeprefix("llava_bench_")
                questions.append(
                    Question(
                        id=record.id,
                        prompt=f"{IMAGE_TOKEN}\n{record['text']}",
                        images=(image,),
                        references=(reference,),
                        groups={"category": category},
                        extra={"context": told, "question": record["text"]},
                    )
                )
        if odd := sorted({q.groups["category"] for q in questions} - set(self.categories)):
            reading.remarks.append(f"categories that the official files do not have: {', '.join(odd)}")
        return reading.loaded(questions)

    @abstractmethod
    def context(self, record: Record) -> str:
        """What the judge is told about an image; empty where the record has nothing."""

    def asks(self, row: Answered) -> Sequence[Ask]:
        """One comparison for each order and round."""
        return [
            Ask(order, self._message(row, order), r)
            for order in self._orders(row.question)
            for r in range(self.config.rounds)
        ]

    def parse(self, question: Question, text: str) -> Parsed:
        """A reply of the judge, as the scores of Assistant 1 and 2."""
        return score_pair(text, question.extra["question"], *question.references)

    def read(self, question: Question, one: Ask, text: str) -> Parsed:
        """The same; pairs of numbers of the whole message, the model's answer among it, are no scores."""
        return score_pair(text, one.text)

    def score(self, question: Question, parsed: Parsed) -> float:
        """The model's score in tenths: 0.9 for 9 of 10."""
        return float(np.mean([own for _, own in pairs(parsed)])) / 10 if parsed.value else 0.0

    def verdict(self, row: Answered, said: Sequence[tuple[Said, Parsed]]) -> Scored:
        """The scores of all comparisons, reference before model; one that failed leaves the question out."""
        found = []
        official = self._official(said)
        for one, parsed in said:
            if parsed.value is None:
                return Scored(row, replace(parsed, rule=parsed.rule + official), None)
            first, second = numbers(parsed.value)
            reference, own = (first, second) if one.ask == REFERENCE_FIRST else (second, first)
            found.append(f"{reference:g} {own:g}")
        rules = ", ".join(dict.fromkeys(parsed.rule for _, parsed in said))
        whole = Parsed("; ".join(found), rules + official)
        return Scored(row, whole, self.score(row.question, whole))

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """All, then each category: relative score and its two means; with both orders, how they disagree."""
        found: list[Metric] = []
        groups = by_group(rows, "category", self.categories)
        for group, own in {"": list(rows), **{f"category: {name}": of for name, of in groups.items()}}.items():
            judged = [row for row in own if row.value is not None]
            means = [_means(row.parsed) for row in judged]
            metrics = [
                metric("relative score", judged, means, relative, group=group),
                metric("model", judged, ((m, 1) for _, m in means), mean, group=group, scale=10),
                metric("reference", judged, ((r, 1) for r, _ in means), mean, group=group, scale=10),
            ]
            if self.protocol == "both-orders":
                flips = ((self._disagree(row), 1) for row in judged)
                metrics.append(metric("order disagreement", judged, flips, ratio, group=group, scale=0))
            failures = sum(row.value is None and not row.answered.problem for row in own)
            unasked = sum(bool(row.answered.problem) for row in own)
            if self._is_official:
                pairs_there = [pair for row in own if (pair := _official_pair(row)) is not None]
                rows_there = [row for row in own if _official_pair(row) is not None]
                metrics.append(
                    metric(f"relative score, {OFFICIAL}", rows_there, pairs_there, relative, group=group)
                )
            found += [replace(m, failures=failures, unasked=unasked) for m in metrics]
        return found

    @property
    def _is_official(self) -> bool:
        """Whether the judge is asked as by the official script."""
        return self.protocol == "reference-first" and self.config.rounds == 1

    def _official(self, said: Sequence[tuple[Said, Parsed]]) -> str:
        """What the official parser makes of the first reply where it is not the same; else nothing."""
        one, parsed = said[0]
        text = one.text if one.first is None else one.first  # an empty first reply is one, too
        if not self._is_official or text is None:
            return ""
        official = official_score_pair(text).value or "-1 -1"
        return "" if official == parsed.value else f"; {OFFICIAL}: {official}"

    def _orders(self, question: Question) -> tuple[str, ...]:
        if self.protocol == "both-orders":
            return REFERENCE_FIRST, CANDIDATE_FIRST
        if self.protocol == "drawn-order":
            drawn = rng(self.config.judge_seed, self.name, question.id).random() < 0.5
            return (CANDIDATE_FIRST if drawn else REFERENCE_FIRST,)
        return (REFERENCE_FIRST,)

    def _message(self, row: Answered, order: str) -> str:
        """What the judge is asked; slots are filled in one step, so that no answer can fill another."""
        reference, own = row.question.references[0], (row.text or "").strip() or _SILENT
        first, second = (reference, own) if order == REFERENCE_FIRST else (own, reference)
        extra = row.question.extra
        slots = {"context": extra["context"], "question": extra["question"], "first": first, "second": second}
        return self.judge_prompt.ask.format_map(slots)

    def _disagree(self, row: Scored) -> float:
        """Whether the better answer is another one in the other order; a draw in one of them is no change."""
        found = pairs(row.parsed)
        half = len(found) // 2
        first, second = (np.sign(sum(own - ref for ref, own in part)) for part in (found[:half], found[half:]))
        return float(first * second < 0)


class LlavaBenchCoco(_LlavaBench):
    """LLaVA-Bench (COCO): 30 images, a conversation, detail and reasoning question each."""

    name = "llava_bench_coco"
    title = "LLaVA-Bench (COCO)"
    source = "Liu et al. 2023, Visual Instruction Tuning; LLaVA, eval_gpt_review_visual"
    licence = "Apache-2.0; photos of COCO"
    told: ClassVar[Needs] = {"captions": list}

    def context(self, record: Record) -> str:
        """The captions, and the objects with their boxes; an image without any box has its captions alone."""
        captions = [str(text).strip() for text in record["captions"]]
        told = record.get("instances", [])
        objects = [
            one
            for one in (told if isinstance(told, list) else [])
            if isinstance(one, dict) and one.keys() >= _OBJECT
        ]
        boxes = [f"{one['category']}: {one['bbox']}" for one in objects]
        return "\n".join(captions) + (_BOXES + "\n".join(boxes) if boxes else "")


class LlavaBenchWild(_LlavaBench):
    """LLaVA-Bench (in the wild): 24 images from everywhere, 60 questions."""

    name = "llava_bench_wild"
    title = "LLaVA-Bench (In-the-Wild)"
    source = "Liu et al. 2023, Visual Instruction Tuning; LLaVA, llavabench.sh"
    licence = "Apache-2.0; photos from the web"
    told: ClassVar[Needs] = {"caption": (str, list)}

    def context(self, record: Record) -> str:
        """The caption, or all of them, one a line."""
        own = record["caption"]
        return "\n".join(str(text).strip() for text in (own if isinstance(own, list) else [own])).strip()


def pairs(parsed: Parsed) -> list[tuple[float, float]]:
    """Scores of reference and model, one pair for each comparison."""
    found = (numbers(part) for part in (parsed.value or "").split(";") if part.strip())
    return [(first, second) for first, second in found]


def _official_pair(row: Scored) -> tuple[float, float] | None:
    """Scores of reference and model by the official parser, -1 for both where it has none."""
    told = row.parsed.rule.rpartition(f"; {OFFICIAL}: ")
    if told[1]:
        first, second = numbers(told[2])
        return first, second
    return None if row.value is None else _means(row.parsed)


def relative(sums: F64) -> F64:
    """(..., 2) sums of the scores of reference and model to the percentage."""
    return ratio(sums[..., ::-1])


def mean(sums: F64) -> F64:
    """(..., 2) of a sum and how many to the mean."""
    return ratio(sums) / 100


def _means(parsed: Parsed) -> tuple[float, float]:
    found = np.array(pairs(parsed))
    return float(found[:, 0].mean()), float(found[:, 1].mean())


def _bare(name: str) -> str:
    """An image's name as all three files can be joined by it."""
    return Path(name).stem.removeprefix("COCO_val2014_")
