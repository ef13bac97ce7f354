"""What an annotation file is, told by its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Outline:
    """The skeleton of a JSON file: its top-level keys, and the first record's keys of each list."""

    keys: tuple[str, ...] | None  #: None for a file that is a list; that list is called ""
    records: Mapping[str, frozenset[str]]

    def __str__(self) -> str:
        if self.keys is None:
            inner = self.records.get("", frozenset())
            return f"a list whose records have the keys {', '.join(sorted(inner)) or 'none'}"
        return f"the top-level keys {', '.join(self.keys) or 'none'}"


@dataclass(frozen=True)
class Guess:
    """What a file looks like."""

    what: str  #: in words
    kind: str | None = None  #: the importer that reads it
    option: str | None = None  #: the option of that importer that takes the file


UNKNOWN = Guess("nothing known")


def recognise(outline: Outline) -> Guess:
    """The kind of a file; ``UNKNOWN`` where its keys say nothing."""
    return _of_list(outline.records.get("", frozenset())) if outline.keys is None else _of_object(outline)


def _of_list(record: frozenset[str]) -> Guess:
    if {"question_id", "image_id", "question"} <= record and record & {
        "direct_answers",
        "choices",
        "rationales",
    }:
        return Guess("A-OKVQA questions", "aokvqa", "questions")
    if "conversations" in record:
        return Guess("training data in LLaVA's layout, which holds no annotations")
    return UNKNOWN


def _of_object(outline: Outline) -> Guess:
    annotation = outline.records.get("annotations", frozenset())
    if {"question_id", "question"} <= outline.records.get("questions", frozenset()):
        return Guess("VQA questions", "vqa", "questions")
    if "question_id" in annotation:
        return Guess("VQA annotations (the answers)", "vqa", "annotations")
    if "caption" in annotation:
        return Guess("COCO captions", "coco", "captions")
    if "keypoints" in annotation:
        return Guess("COCO keypoints, whose boxes the instances have too")
    if "segments_info" in annotation:
        return Guess("COCO panoptic segmentation, which is not read yet")
    if {"bbox", "category_id"} <= annotation or (
        "categories" in outline.records and "annotations" in outline.records
    ):
        return Guess("COCO instances", "coco", "instances")
    if "images" in outline.records and "annotations" not in outline.records:
        return Guess("a list of images without annotations")
    return UNKNOWN


def advice(outline: Outline) -> str:
    """What to do with a file that was given to the wrong importer."""
    guess = recognise(outline)
    if guess.kind:
        return f"it looks like {guess.what}: use `kind: {guess.kind}` and give it as `{guess.option}:`"
    if guess is UNKNOWN:
        return "check that it is the annotation file that is meant"
    return f"it looks like {guess.what}"
