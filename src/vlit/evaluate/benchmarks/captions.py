"""COCO captions: CIDEr, BLEU-1 to 4, ROUGE-L, and METEOR where its program is named.

Chen et al. 2015, "Microsoft COCO Captions: Data Collection and Evaluation Server"; ``coco-caption``. The
official script prints shares, papers percent: here all are percent, so that CIDEr may pass 100. What the scores
and the tokens are is told in ``vlit.evaluate.caption_scores``.

Protocol: "Provide a one-sentence caption for the provided image.", as LLaVA-1.5 asks for captions. There is no
official prompt: numbers of models that were asked otherwise differ for that alone. An empty answer, and a
question that was not asked, are captions without words: they score 0 and are counted. The value of one caption
is its ROUGE-L, as CIDEr needs the whole set; intervals of CIDEr keep the document frequencies of the whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydantic

from vlit.data.errors import VlitError
from vlit.data.sample import IMAGE_TOKEN
from vlit.data.scene import Image
from vlit.evaluate.benchmark import Benchmark, BenchmarkConfig, Loaded
from vlit.evaluate.caption_scores import LONGEST, Caption, Cider, bleu, bleu_sums, rouge, tokens
from vlit.evaluate.metric import F64, Metric, metric, ratio
from vlit.evaluate.parsing.coco import coco_photo
from vlit.evaluate.parsing.evidence import evidence
from vlit.evaluate.parsing.reading import Needs, Photos, Reading, Record
from vlit.evaluate.question import Answered, Parsed, Question, Scored

PROMPT = "Provide a one-sentence caption for the provided image."


class CocoCaptionsConfig(BenchmarkConfig):
    """Where the official files are."""

    annotations: str = pydantic.Field(description="captions_val2014.json or another in its layout")
    images: str = pydantic.Field(description="folder of the photos")
    split: str | None = pydantic.Field(
        None, description="JSON list of image ids, or Karpathy's dataset_coco.json, of which `test` is taken"
    )
    meteor: str | None = pydantic.Field(
        None, description="path of meteor-1.5.jar, or `package` for that of pycocoevalcap; needs Java"
    )


class CocoCaptions(Benchmark[CocoCaptionsConfig]):
    """Captions of photos, against those of people."""

    name = "coco_captions"
    title = "COCO Captions"
    source = "Chen et al. 2015, Microsoft COCO Captions; coco-caption"
    protocols: ClassVar[tuple[str, ...]] = ("one-sentence",)
    metric = ("CIDEr", "")
    licence = "CC BY 4.0; photos under the licence of each"
    max_new_tokens: ClassVar[int] = 64
    Config = CocoCaptionsConfig

    def __init__(self, config: CocoCaptionsConfig) -> None:
        super().__init__(config)
        self.base = Path()  #: that the path of METEOR is relative to

    def load(self, base: Path) -> Loaded:
        """One question for each image of the split that has a caption, with all its captions.

        Raises:
            VlitError: When a file is missing or of another layout, or METEOR is named and cannot be run.
        """
        from vlit.evaluate.meteor import jar_of

        self.base = base
        if self.config.meteor is not None:
            jar_of(self.config.meteor, base)  # stops now, and not when all is answered
        reading = Reading(self.name, base)
        photos = reading.photos(self.config.images)
        whole = reading.json(self.config.annotations)
        if not isinstance(whole, dict) or not {"images", "annotations"} <= whole.keys():
            raise reading.wrong(
                "the file has no images and annotations",
                reading.path(self.config.annotations),
                "take captions_val2014.json",
            )
        captions = self._captions(reading, whole["annotations"])
        wanted = self._split(reading)
        questions = []
        for record in reading.usable(reading.of(whole["images"], self.config.annotations), "id", {}):
            if wanted is not None and record.id not in wanted:
                continue
            if record.id not in captions:
                reading.lose_record(record, "id", record.id, "the image has no caption")
            elif (image := _photo(reading, photos, record)) is not None:
                questions.append(
                    Question(
                        id=record.id,
                        prompt=f"{IMAGE_TOKEN}\n{PROMPT}",
                        images=(image,),
                        references=tuple(captions[record.id]),
                    )
                )
        if wanted and (absent := len(wanted - {q.id for q in questions})):
            reading.remarks.append(f"{absent:,} images of the split are not among those that can be asked")
        return reading.loaded(questions)

    def parse(self, question: Question, text: str) -> Parsed:
        """The answer as it is, in one line; one without words is a failure."""
        caption = " ".join(text.split())
        return Parsed(caption, "caption") if tokens(caption) else Parsed(None, "no words")

    def score(self, question: Question, parsed: Parsed) -> float:
        """ROUGE-L of the one caption, 0 to 1."""
        return rouge(_of(parsed.value), [_of(text) for text in question.references])

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        """CIDEr, BLEU-4 to 1, ROUGE-L, and METEOR where it is named."""
        own = [_of(row.parsed.value) for row in rows]
        references = [[_of(text) for text in row.question.references] for row in rows]
        cider = Cider(references)
        both = list(zip(own, references, strict=True))
        sums = [bleu_sums(*pair) for pair in both]
        found = [metric("CIDEr", rows, ((cider.score(*pair), 1.0) for pair in both), ratio, scale=1000)]
        found += [metric(f"BLEU-{n}", rows, sums, _Bleu(n)) for n in range(LONGEST, 0, -1)]
        found.append(metric("ROUGE-L", rows, ((rouge(*pair), 1.0) for pair in both), ratio))
        if self.config.meteor and rows:
            found.append(self._meteor(rows, own, references, found[0]))
        return found

    def submission(self, rows: Sequence[Answered]) -> Mapping[str, bytes]:
        """The file that COCO's server and script take."""
        results = [
            {"image_id": _number(row.question.id), "caption": " ".join((row.text or "").split())}
            for row in rows
        ]
        return {"captions_results.json": json.dumps(results, ensure_ascii=False).encode()}

    def _meteor(
        self,
        rows: Sequence[Scored],
        own: Sequence[Caption],
        references: Sequence[Sequence[Caption]],
        like: Metric,
    ) -> Metric:
        """METEOR has no interval: what it adds up stays in its program.

        Where the program cannot be run, as where answers are scored again on another machine, it has no value,
        and its name says why; the other numbers stand.
        """
        from vlit.evaluate.meteor import jar_of, meteor

        name, value = "METEOR", None
        texts = [[" ".join(one.words) for one in of] for of in references]
        try:
            jar = jar_of(self.config.meteor or "", self.base)
            value = 100 * meteor(jar, [" ".join(one.words) for one in own], texts)
        except VlitError as error:
            name = f"METEOR (none: {error.what})"
        return Metric(name, value, len(rows), failures=like.failures, unasked=like.unasked)

    def _captions(self, reading: Reading, annotations: Any) -> dict[str, list[str]]:
        """Captions by image, in the order of the file."""
        needs: Needs = {"image_id": (int, str), "caption": str}
        found: dict[str, list[str]] = {}
        records = reading.of(annotations, self.config.annotations)
        for record in evidence(reading, records, "id", needs):
            found.setdefault(str(record["image_id"]), []).append(record["caption"])
        return found

    def _split(self, reading: Reading) -> set[str] | None:
        """Ids of the images that are asked; ``None`` for all."""
        if self.config.split is None:
            return None
        value = reading.json(self.config.split)
        if isinstance(value, dict) and isinstance(value.get("images"), list):
            rows = [one for one in value["images"] if isinstance(one, dict) and one.get("split") == "test"]
            found = {str(one["cocoid"]) for one in rows if "cocoid" in one}
        elif isinstance(value, list):
            found = {str(one) for one in value if isinstance(one, (int, str))}
        else:
            found = set()
        if not found:
            raise reading.wrong(
                "the split names no image",
                reading.path(self.config.split),
                "give a JSON list of image ids, or Karpathy's dataset_coco.json",
            )
        return found


class _Bleu:
    """BLEU of n words as a function of sums."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __call__(self, sums: F64) -> F64:
        found: F64 = np.where(sums[..., -1] > 0, bleu(sums, self._n), np.nan)
        return found


def _of(text: str | None) -> Caption:
    return Caption.of(tokens(text or ""))


def _photo(reading: Reading, photos: Photos, record: Record) -> Image | None:
    """The photo by its file name, or where the file has none, by the id in twelve digits."""
    name = record.get("file_name") or record.id.zfill(12)
    return coco_photo(reading, photos, str(name), record, "file_name")


def _number(id: str) -> int | str:
    return int(id) if id.isdecimal() else id
