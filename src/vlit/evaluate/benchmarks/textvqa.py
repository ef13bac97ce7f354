"""TextVQA: questions whose answer is written in the photo, with and without the words that OCR found.

Sources: Singh et al. (2019), ``m4c_evaluators.py``; prompts of LLaVA-1.5, Liu et al. (2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from vlit.evaluate.benchmark import BenchmarkConfig, Loaded
from vlit.evaluate.benchmarks.vqa import SHORT, OpenAnswers, asked, ids_of, prompt_of, whole, with_answers
from vlit.evaluate.parsing.reading import Needs, Reading, Record
from vlit.evaluate.parsing.vqa import ALWAYS, EVALAI, Rule
from vlit.evaluate.question import Question


class TextVQAConfig(BenchmarkConfig):
    """Official files, in either of two layouts."""

    questions: str = Field(
        description='TextVQA_0.5.1_val.json: {"data": [{"question_id", "question", "image_id", "answers"}]}; '
        "or the questions in VQA's layout"
    )
    annotations: str | None = Field(None, description="annotations, where the questions are in VQA's layout")
    images: str = Field(description="folder of the photos")
    ocr: str | None = Field(
        None, description='words of the photos, for the protocol "ocr": {"data": [{"image_id", "ocr_tokens"}]}'
    )


class TextVQA(OpenAnswers[TextVQAConfig]):
    """Answers are found by the id of their question.

    LLaVA's script finds them by the photo and the question in lower case instead, so that of two questions with
    the same words about one photo the answers of the second count for both.

    With words of OCR in the prompt a score can be 20 points higher: protocol "ocr" gives them as LLaVA-1.5
    does, and a photo without words gets the line without any.
    """

    name: ClassVar[str] = "textvqa"
    title: ClassVar[str] = "TextVQA"
    source: ClassVar[str] = "Singh et al. (2019); m4c_evaluators.py"
    licence: ClassVar[str] = "CC BY 4.0"
    protocols: ClassVar[tuple[str, ...]] = ("short", "ocr", "plain")
    rules: ClassVar[tuple[Rule, ...]] = (EVALAI, ALWAYS)
    groups: ClassVar[tuple[str, ...]] = ()
    sizes: ClassVar[Mapping[str, int]] = {"train": 34_602, "val": 5_000, "test": 5_734}
    Config = TextVQAConfig

    def load(self, base: Path) -> Loaded:
        """The questions, each with its answers where the files have them.

        Raises:
            VlitError: When a file is missing or is of neither layout, or words of OCR are wanted and not there.
        """
        config, reading = self.config, Reading(self.name, base)
        head = reading.json(config.questions)
        if isinstance(head, dict) and "questions" in head:
            records = reading.of(head["questions"], config.questions)
            annotations = reading.records(config.annotations, "annotations") if config.annotations else None
            pairs = with_answers(reading, records, annotations)
        else:
            records = reading.of(
                head["data"] if isinstance(head, dict) and "data" in head else head, config.questions
            )
            pairs = _with_own(reading, records)
        whole(reading, len(records), self.sizes)
        words = self._words(reading, records)
        photos = reading.photos(config.images)
        found: list[Question] = []
        for record, answers in pairs:
            name = str(record["image_id"])
            prompt = self._prompt(record["question"])
            if words is not None:
                prompt = prompt_of(
                    record["question"], f"Reference OCR token: {', '.join(words.get(name, ()))}", SHORT
                )
            question = asked(reading, photos, record, answers, name, prompt)
            found += [question] if question else []
        self._ids = ids_of(reading, records, None)
        return reading.loaded(found)

    def _words(self, reading: Reading, records: Sequence[Record]) -> Mapping[str, Sequence[str]] | None:
        """Words of each photo, for the protocol that shows them."""
        if self.protocol != "ocr":
            return None
        own = records
        if self.config.ocr is not None:
            own = reading.records(self.config.ocr, "data")
        needs: Needs = {"ocr_tokens": list, "image_id": (str, int)}
        found = {str(r["image_id"]): [str(w) for w in r["ocr_tokens"]] for r in own if _has(r, needs)}
        if not found:
            raise reading.wrong(
                'protocol "ocr" shows words of OCR, and the files have none',
                reading.path(self.config.ocr or self.config.questions),
                "set ocr to a file with ocr_tokens by image_id, such as TextVQA_Rosetta_OCR_v0.2_val.json",
            )
        without = {str(r.get("image_id")) for r in records} - found.keys()
        if without:
            reading.remarks.append(f"{len(without):,} photos have no words of OCR, and are asked without")
        return found


def _has(record: Record, needs: Needs) -> bool:
    return all(isinstance(record.get(name), types) for name, types in needs.items())


def _with_own(reading: Reading, records: Sequence[Record]) -> Iterator[tuple[Record, Record | None]]:
    """Records of TextVQA's layout, which hold their answers themselves, or of a test set none at all."""
    test = not any("answers" in record.values for record in records)
    needs: Needs = {"image_id": str, "question": str} | ({} if test else {"answers": list})
    for record in reading.usable(records, "question_id", needs):
        yield record, None if test else record
