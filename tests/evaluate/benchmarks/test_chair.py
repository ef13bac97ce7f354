"""Tests of CHAIR: a small COCO, mentions by hand, official quirks by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Photo

from vlit.data.errors import VlitError
from vlit.evaluate.benchmarks.chair import Chair, ChairConfig, mentions
from vlit.evaluate.metric import Metric
from vlit.evaluate.question import Answered

CATEGORIES = {1: "dog", 2: "cat", 3: "dining table", 4: "hot dog", 5: "bicycle"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos: a dog at a table; a cat; nothing. A box of no category."""
    (tmp_path / "images").mkdir()
    for i in (1, 2, 3):
        Photo.new("RGB", (8, 8)).save(tmp_path / "images" / f"{i:012d}.jpg")
    boxes = [(1, 1), (1, 3), (2, 2), (2, 9)]
    instances = {
        "images": [{"id": i, "file_name": f"{i:012d}.jpg"} for i in (1, 2, 3)],
        "categories": [{"id": i, "name": name} for i, name in CATEGORIES.items()],
        "annotations": [{"id": n, "image_id": i, "category_id": c} for n, (i, c) in enumerate(boxes)],
    }
    captions = {"annotations": [{"id": 1, "image_id": 2, "caption": "A cat beside a bike."}]}
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    return tmp_path


def bench(**more: Any) -> Chair:
    return Chair(ChairConfig.model_validate({"instances": "instances.json", "images": "images"} | more))


def scored(folder: Path, own: Chair, *texts: str) -> dict[str, Metric]:
    questions = own.load(folder).questions
    rows = [Answered(question=q, text=t) for q, t in zip(questions, texts, strict=True)]
    return {m.name: m for m in own.aggregate(own.scored(rows))}


def test_what_is_there_comes_of_boxes_and_captions(folder: Path) -> None:
    loaded = bench(captions="captions.json").load(folder)
    assert [(q.id, q.references) for q in loaded.questions] == [
        ("1", ("dining table", "dog")),
        ("2", ("bicycle", "cat")),  # "bike" is evidence
    ]
    assert [(row.reason, row.action) for row in loaded.lost] == [
        ("there is no such category; the box is left out", "repaired")  # no photo is lost: the score is whole
    ]
    assert list(loaded.remarks) == ["1 photos without any box are not asked"]
    assert bench().load(folder).questions[1].references == ("cat",)


def test_chair_and_recall_by_hand(folder: Path) -> None:
    found = scored(folder, bench(), "A puppy and a cat at the dining table.", "A cat with a hot dog.")
    assert found["CHAIRi"].value == pytest.approx(100 * 2 / 5)  # a cat in 1, a hot dog in 2; of 3 and 2
    assert found["CHAIRs"].value == 100
    assert found["recall"].value == 100
    assert found["objects a description"].value == 2.5
    assert found["free of hallucination"].value == 0


def test_official_quirk_every_mention_counts(folder: Path) -> None:
    found = scored(folder, bench(), "A cat, another cat, and a dog.", "A cat.")
    assert found["CHAIRi"].value == pytest.approx(100 * 2 / 4)


def test_official_quirk_what_is_denied_counts_as_mentioned(folder: Path) -> None:
    assert scored(folder, bench(), "There is no cat.", "A cat.")["CHAIRs"].value == 50


def test_official_quirk_crowds_and_words_of_captions_are_there(folder: Path) -> None:
    whole = json.loads((folder / "instances.json").read_text())
    whole["annotations"].append({"id": 9, "image_id": 2, "category_id": 1, "iscrowd": 1})
    (folder / "instances.json").write_text(json.dumps(whole))
    found = scored(folder, bench(captions="captions.json"), "A dog.", "A dog, a cat and a bicycle.")
    assert found["CHAIRi"].value == 0 and found["recall"].value == pytest.approx(100 * 4 / 5)


def test_official_quirk_silence_hallucinates_nothing_but_is_counted(folder: Path) -> None:
    found = scored(folder, bench(), "", "A cat.")
    assert (found["CHAIRs"].value, found["CHAIRi"].value) == (0, 0)
    assert found["CHAIRs"].failures == 1
    assert found["free of hallucination"].value == 50
    assert found["recall"].value == pytest.approx(100 / 3)


def test_words_that_may_mean_something_else_accuse_nobody(folder: Path) -> None:
    own = bench()
    question = own.load(folder).questions[0]
    assert mentions(own.parse(question, "A bike leans on the wall.")) == []
    assert own.parse(question, "A bike leans on the wall.").rule == "no object is mentioned"
    assert mentions(own.parse(question, "Two dogs eat a hot dog.")) == ["dog", "hot dog"]


def test_no_mention_at_all_gives_no_chair_i(folder: Path) -> None:
    assert scored(folder, bench(), "A view.", "A view.")["CHAIRi"].value is None


def test_unasked_is_left_out_of_chair_and_counted(folder: Path) -> None:
    own = bench()
    questions = own.load(folder).questions
    rows = [Answered(question=questions[0], problem="lost"), Answered(question=questions[1], text="A dog.")]
    found = {m.name: m for m in own.aggregate(own.scored(rows))}
    assert (found["CHAIRs"].value, found["CHAIRs"].n) == (100, 1)
    assert found["free of hallucination"].unasked == 1


def test_photos_are_drawn_by_seed_and_id(folder: Path) -> None:
    def ids(**more: Any) -> Sequence[str]:
        return [q.id for q in bench(photos=1, **more).load(folder).questions]

    assert ids() == ids() and len(ids()) == 1
    assert {ids(seed=seed)[0] for seed in range(20)} == {"1", "2"}


def test_another_file_stops(folder: Path) -> None:
    with pytest.raises(VlitError, match="no images, annotations and categories"):
        bench(instances="captions.json").load(folder)
