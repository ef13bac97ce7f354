"""CHAIR: which objects that a description mentions are not in the photo?

    CHAIRi = mentions of objects that are not there / mentions of objects
    CHAIRs = descriptions with such a mention / descriptions        recall = objects named / objects there

Rohrbach et al. 2018, "Object Hallucination in Image Captioning"; recall as later work adds it. Lower is better
but for recall. Objects are the categories of a COCO file of instances, COCO's 80; one is there when it has a
box, crowds included, or when a caption of the photo names it.

The words for a category are our own (``vlit.language.mentions``), not the official list of synonyms. Words that
may mean something else ("bike", "table") count as evidence in captions and never as a mention, where the
official list takes a table for a dining table: our numbers accuse less, and compare among themselves alone.
Official quirks, kept:

* each mention counts: "a dog and another dog" are two;
* an object that is denied counts as mentioned: "there is no dog" is about a dog;
* an empty description has no hallucination, and lowers CHAIRs. So does any terse one: read recall and "objects
  a description" beside it. "free of hallucination" counts an empty one as wrong: it is the value of a question.

Protocols: ``detailed`` asks "Describe this image in detail." and ``short`` "Provide a one-sentence caption for
the provided image."; published numbers differ in prompt and length, and in which 500 photos were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from vlit.data.sample import IMAGE_TOKEN
from vlit.data.seeds import draw
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.captions import PROMPT as SHORT
from vlit.evaluate.metric import F64, Metric, accuracy, metric, ratio
from vlit.evaluate.parsing.coco import coco_photo
from vlit.evaluate.parsing.evidence import evidence
from vlit.evaluate.parsing.reading import Needs, Reading, Record
from vlit.evaluate.question import Parsed, Question, Scored
from vlit.language.mentions import Lexicon, lexicon

PROMPTS = {"detailed": "Describe this image in detail.", "short": SHORT}
_NOTHING = "-"  #: the value of a description that mentions no object


class ChairConfig(BenchmarkConfig):
    """Where the official files are."""

    instances: str = pydantic.Field(description="instances_val2014.json or another in its layout")
    captions: str | None = pydantic.Field(None, description="captions_val2014.json: its words count as there")
    images: str = pydantic.Field(description="folder of the photos")
    photos: int | None = pydantic.Field(
        None, ge=1, description="how many are asked, drawn by the seed; papers: 500"
    )
    seed: int = pydantic.Field(0, description="of the drawing")


class Chair(Benchmark[ChairConfig]):
    """Objects in descriptions that are not in the photo."""

    name = "chair"
    title = "CHAIR"
    source = "Rohrbach et al. 2018, Object Hallucination in Image Captioning; LisaAnne/Hallucination"
    protocols: ClassVar[tuple[str, ...]] = ("detailed", "short")
    metric = ("CHAIRi", "")
    licence = "CC BY 4.0; photos under the licence of each"
    max_new_tokens: ClassVar[int] = 512
    Config = ChairConfig

    def load(self, base: Path) -> Loaded:
        """One question for each photo that has a box, with the objects that are there."""
        reading = Reading(self.name, base)
        photos = reading.photos(self.config.images)
        whole = reading.json(self.config.instances)
        if not isinstance(whole, dict) or not {"images", "annotations", "categories"} <= whole.keys():
            raise reading.wrong(
                "the file has no images, annotations and categories",
                reading.path(self.config.instances),
                "take instances_val2014.json",
            )
        names = self._names(reading, whole["categories"])
        there = self._there(reading, whole["annotations"], names)
        words = lexicon(sorted(names.values()))
        said = self._captions(reading) if self.config.captions else {}
        records = list(reading.usable(reading.of(whole["images"], self.config.instances), "id", {}))
        questions = []
        for record in self._drawn([one for one in records if one.id in there]):
            name = str(record.get("file_name") or record.id.zfill(12))
            if (image := coco_photo(reading, photos, name, record, "file_name")) is None:
                continue
            told = {m.label for text in said.get(record.id, ()) for m in words.find(text)}
            questions.append(
                Question(
                    id=record.id,
                    prompt=f"{IMAGE_TOKEN}\n{PROMPTS[self.protocol]}",
                    images=(image,),
                    references=tuple(sorted(there[record.id] | told)),
                    extra={"categories": list(words.labels)},
                )
            )
        if without := sum(one.id not in there for one in records):
            reading.remarks.append(f"{without:,} photos without any box are not asked")
        if not said:
            reading.remarks.append("no captions are named: an object is there only if it has a box")
        return reading.loaded(questions)

    def parse(self, question: Question, text: str) -> Parsed:
        """The objects that are mentioned, in order, one for each mention; an empty answer is a failure."""
        if not text.strip():
            return Parsed(None, "the answer is empty")
        words: Lexicon = lexicon(question.extra["categories"])
        found = [m.label for m in words.find(text) if m.relation != "broader"]
        return Parsed("; ".join(found) or _NOTHING, "mentions" if found else "no object is mentioned")

    def score(self, question: Question, parsed: Parsed) -> float:
        """1 where nothing is mentioned that is not there, else 0; 0 for an empty description."""
        there = set(question.references)
        return float(parsed.value is not None and there.issuperset(mentions(parsed)))

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """CHAIRi, CHAIRs, recall, objects a description, and the share that is free of hallucination."""
        asked = [row for row in rows if not row.answered.problem]
        wrong = [sum(name not in row.question.references for name in mentions(row.parsed)) for row in asked]
        named = [len(mentions(row.parsed)) for row in asked]
        found = [len(set(mentions(row.parsed)) & set(row.question.references)) for row in asked]
        there = [len(row.question.references) for row in asked]
        ones = [1] * len(asked)
        return [
            metric("CHAIRi", asked, list(zip(wrong, named, strict=True)), ratio, scale=0),
            metric("CHAIRs", asked, [(float(w > 0), 1) for w in wrong], ratio, scale=0),
            metric("recall", asked, list(zip(found, there, strict=True)), ratio),
            metric("objects a description", asked, list(zip(named, ones, strict=True)), _mean, scale=0),
            accuracy(rows, "free of hallucination"),
        ]

    def _names(self, reading: Reading, categories: Any) -> dict[str, str]:
        needs: Needs = {"name": str}
        return {
            r.id: r["name"]
            for r in evidence(reading, reading.of(categories, self.config.instances), "id", needs)
        }

    def _there(self, reading: Reading, annotations: Any, names: dict[str, str]) -> dict[str, set[str]]:
        """Categories with a box, by photo."""
        found: dict[str, set[str]] = {}
        needs: Needs = {"image_id": (int, str), "category_id": (int, str)}
        for record in evidence(reading, reading.of(annotations, self.config.instances), "id", needs):
            name = names.get(str(record["category_id"]))
            if name is None:
                value, why = record["category_id"], "there is no such category; the box is left out"
                reading.lose(record.file, record.id, "category_id", value, why, repaired=True)
            else:
                found.setdefault(str(record["image_id"]), set()).add(name)
        return found

    def _captions(self, reading: Reading) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        records = reading.records(self.config.captions or "", "annotations")
        for record in evidence(reading, records, "id", {"image_id": (int, str), "caption": str}):
            found.setdefault(str(record["image_id"]), []).append(record["caption"])
        return found

    def _drawn(self, records: Sequence[Record]) -> Sequence[Record]:
        """As many photos as are wanted, by the seed and their ids, in the order of the file."""
        if self.config.photos is None:
            return records
        ranked = sorted(records, key=lambda one: draw(self.config.seed, self.name, one.id))
        kept = {one.id for one in ranked[: self.config.photos]}
        return [one for one in records if one.id in kept]


def mentions(parsed: Parsed) -> list[str]:
    """Categories that are mentioned, one for each mention."""
    return parsed.value.split("; ") if parsed.value and parsed.value != _NOTHING else []


def _mean(sums: F64) -> F64:
    return ratio(sums) / 100
