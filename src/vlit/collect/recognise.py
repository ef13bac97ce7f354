"""What an annotation file is, told by its keys."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outline:
    """The skeleton of a JSON file: its top-level keys, and the first record's keys of each list."""

    keys: tuple[str, ...] | None  #: None for a file that is a list; that list is called ""
    records: Mapping[str, frozenset[str]]
    mappings: Mapping[str, frozenset[str]] = field(default_factory=dict)  #: first records' keys of mappings

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
    known: bool = True


_LISTS = ("annotations", "categories", "images", "questions")


def recognise(outline: Outline) -> Guess:
    """The kind of a file, or what it has where that says nothing."""
    found = _of_list(outline) if outline.keys is None else _of_object(outline)
    nothing = f"no annotation file that is known: it has {outline}{_flaw(outline)}"
    return found or Guess(nothing, known=False)


def _flaw(outline: Outline) -> str:
    """What may be wrong with a list that annotation files have."""
    keys = outline.keys or ()
    for key in keys:
        near = difflib.get_close_matches(key, _LISTS, n=1, cutoff=0.8)
        if near and near[0] not in keys:
            return f"; is {key!r} meant to be {near[0]!r}?"
    for key in (key for key in keys if key in _LISTS):
        if key not in outline.records:
            return f", but {key!r} is no list"
        if not outline.records[key]:
            return f", but {key!r} holds no records"
    return ""


def _of_list(outline: Outline) -> Guess | None:
    record = outline.records.get("", frozenset())
    if {"question_id", "image_id", "question"} <= record and record & {
        "direct_answers",
        "choices",
        "rationales",
    }:
        return Guess("A-OKVQA questions", "aokvqa", "questions")
    if "conversations" in record:
        return Guess("training data in LLaVA's layout, which holds no annotations")
    if {"coco_id", "flickr_id"} <= record:
        return Guess("Visual Genome's list of images", "visual_genome", "image_data")
    if {"objects", "relationships"} <= record and "image_id" in record:
        return Guess("Visual Genome scene graphs, whose objects and relationships have files of their own")
    if record & {"image_id", "id"}:
        for key, what, option in _VISUAL_GENOME:
            if key in record:
                return Guess(f"Visual Genome {what}", "visual_genome", option)
    return None


#: The list in each record, what it holds, the option that takes the file.
_VISUAL_GENOME = (
    ("objects", "objects", "objects"),
    ("attributes", "attributes", "attributes"),
    ("relationships", "relationships", "relationships"),
    ("regions", "region descriptions", "regions"),
    ("qas", "questions", "questions"),
)


def _of_object(outline: Outline) -> Guess | None:
    annotation = outline.records.get("annotations", frozenset())
    if {"question_id", "question"} <= outline.records.get("questions", frozenset()):
        return Guess("VQA questions", "vqa", "questions")
    if "question_id" in annotation:
        return Guess("VQA annotations (the answers)", "vqa", "annotations")
    if "caption" in annotation:
        return Guess("COCO captions", "coco", "captions")
    if "legibility" in outline.mappings.get("anns", ()):
        return Guess("COCO-Text", "coco_text", "path")
    if "attributes" in outline.records and outline.mappings.keys() & {"ann_vecs", "ann_attrs"}:
        return Guess("COCO Attributes", "coco_attributes", "path")
    if "keypoints" in annotation:
        return Guess("COCO keypoints, whose boxes the instances have too")
    if "segments_info" in annotation:
        return Guess("COCO panoptic segmentation, which is not read yet")
    if {"bbox", "category_id"} <= annotation or (
        "categories" in outline.records and "annotations" in outline.records
    ):
        return Guess("COCO instances", "coco", "instances")
    if "images" in outline.records and "annotations" not in outline.records:
        return Guess(f"a list of images without annotations{_flaw(outline)}")
    return None


def advice(outline: Outline, missing: str = "") -> str:
    """What to do with a file that does not have what the importer needs.

    Args:
        outline: What it has.
        missing: The top-level key that it lacks, if that is all.
    """
    near = difflib.get_close_matches(missing, outline.keys or (), n=1, cutoff=0.7)
    if near:
        return f"rename its key {near[0]!r} to {missing!r}"
    guess = recognise(outline)
    if guess.option == "instances" and missing == "categories":
        return "add the list `categories`: without it the ids of categories mean nothing"
    if guess.kind:
        return f"it looks like {guess.what}: use `kind: {guess.kind}` and give it as `{guess.option}:`"
    return f"it looks like {guess.what}" if guess.known else "give the annotation file that is meant"
