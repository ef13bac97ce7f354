"""TextVQA: both layouts, with and without words of OCR, and the stored score of a real model."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.evaluate.benchmarks import spreadsheets
from tests.evaluate.benchmarks.test_vqa import metrics, patch_photos, photos
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.benchmarks.textvqa import TextVQA, TextVQAConfig
from vlit.evaluate.question import Answered, Question

RECORDS: list[dict[str, Any]] = [
    {
        "question_id": 1,
        "question": "What brand?",
        "image_id": "aa",
        "answers": ["dakota"] * 6 + ["digital"] * 4,
    },
    {"question_id": 2, "question": "What Brand?", "image_id": "aa", "answers": ["nikon"] * 10},
    {"question_id": 3, "question": "what time?", "image_id": "bb", "answers": ["10:10"] * 2 + ["ten"] * 8},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos(tmp_path / "train_images", ["aa.jpg", "bb.jpg"])
    words = [{"image_id": "aa", "ocr_tokens": ["DAKOTA", "DIGITAL,"]}, {"image_id": "bb", "ocr_tokens": []}]
    (tmp_path / "ocr.json").write_text(json.dumps({"data": words}))
    return tmp_path


def load(folder: Path, records: Any = RECORDS, **changed: Any) -> tuple[TextVQA, Loaded]:
    (folder / "val.json").write_text(json.dumps({"data": records}))
    benchmark = TextVQA(TextVQAConfig(**{"questions": "val.json", "images": "train_images", **changed}))
    return benchmark, benchmark.load(folder)


def test_words_of_ocr_are_shown_where_they_are_asked_for(folder: Path) -> None:
    _, loaded = load(folder)
    suffix = "Answer the question using a single word or phrase."
    assert loaded.questions[0].prompt == f"<image>\nWhat brand?\n{suffix}"
    _, loaded = load(folder, protocol="ocr", ocr="ocr.json")
    assert loaded.questions[0].prompt == (
        f"<image>\nWhat brand?\nReference OCR token: DAKOTA, DIGITAL,\n{suffix}"
    )
    assert loaded.questions[2].prompt == f"<image>\nwhat time?\nReference OCR token: \n{suffix}"
    assert set(loaded.files) == {"val.json", "ocr.json"}
    with pytest.raises(VlitError, match="words of OCR"):
        load(folder, protocol="ocr")
    (folder / "ocr.json").write_text(json.dumps({"data": [{"image_id": "aa", "ocr_tokens": ["x"]}]}))
    _, loaded = load(folder, protocol="ocr", ocr="ocr.json")
    assert "1 photos have no words of OCR, and are asked without" in loaded.remarks


def test_quirk_of_llava_answers_are_found_by_question_id_and_not_by_the_words(folder: Path) -> None:
    benchmark, loaded = load(folder)
    first, second = loaded.questions[:2]
    assert first.prompt.lower() == second.prompt.lower() and first.images == second.images
    found = metrics(benchmark, [first], lambda _: "Dakota")
    assert found["accuracy", ""].value == 100, "by photo and words it would be compared with nikon"


def test_two_processors_stand_side_by_side(folder: Path) -> None:
    benchmark, loaded = load(folder)
    said = {"1": "dakota", "2": "Nikon,", "3": "10:10"}
    found = metrics(benchmark, loaded.questions, lambda q: said[q.id])
    assert found["accuracy", ""].value == pytest.approx(100 * (1 + 1 + 0.6) / 3)
    records = [{**RECORDS[0], "answers": ["rock's"] * 10}]
    benchmark, loaded = load(folder, records)
    found = metrics(benchmark, loaded.questions, lambda _: "rock 's")
    assert found["accuracy", ""].value == 100, "the EvalAI processor sets the possessive apart"
    assert found["accuracy (always normalised)", ""].value == 0


def test_bad_records_are_lost_with_reasons(folder: Path) -> None:
    bad = [
        *RECORDS,
        RECORDS[0],
        {**RECORDS[0], "question_id": None},
        {**RECORDS[0], "question_id": 9, "image_id": "z"},
    ]
    _, loaded = load(folder, [*bad, {"question_id": 10, "image_id": "aa", "question": "?"}])
    assert len(loaded.questions) == 3
    assert [row.reason.split(":")[0] for row in loaded.lost] == [
        "the id stands twice", "the record has no question_id", "photo", "answers is missing",
    ]  # fmt: skip


def test_a_test_set_gives_a_submission(folder: Path) -> None:
    records = [{key: value for key, value in record.items() if key != "answers"} for record in RECORDS]
    benchmark, loaded = load(folder, records)
    files = benchmark.submission([Answered(question=loaded.questions[0], text="Dakota.")])
    assert json.loads(files["textvqa_answers.json"])[:2] == [
        {"question_id": 1, "answer": "dakota"}, {"question_id": 2, "answer": ""},
    ]  # fmt: skip


def test_real_validation_set_in_vqas_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data("bench/textvqa-val")
    patch_photos(monkeypatch)
    config = TextVQAConfig(
        questions="val_questions_vqa_format.json", annotations="val_annotations_vqa_format.json", images="."
    )
    benchmark = TextVQA(config)
    loaded = benchmark.load(data)
    assert len(loaded.questions) == 5_000 and not loaded.lost
    assert "5,000 questions in the files: as many as val has" in loaded.remarks
    found = metrics(benchmark, loaded.questions, lambda q: q.references[0])
    assert found["accuracy", ""].value == pytest.approx(87.144, abs=1e-9)
    assert found["accuracy (always normalised)", ""].value == pytest.approx(87.152, abs=1e-9)


def test_real_files_in_the_official_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data("textvqa")
    patch_photos(monkeypatch)
    loaded = TextVQA(TextVQAConfig(questions="TextVQA_0.5.1_val.json", images=".")).load(data)
    assert not loaded.lost and loaded.questions[0].id == "34602" and len(loaded.questions[0].references) == 10
    test = TextVQA(TextVQAConfig(questions="TextVQA_0.5.1_test.json", images=".")).load(data)
    assert not test.lost and not test.questions[0].references


def test_stored_score_of_a_real_model() -> None:
    """The harness that stored it always normalises as VQA's script does; EvalAI's processor gives the same."""
    data = shared_data("bench/vila-8b")
    rows = spreadsheets.rows(data / "vila_8b_TextVQA_VAL.xlsx")
    questions = [
        Question(id=row["index"], prompt=row["question"], references=tuple(ast.literal_eval(row["answer"])))
        for row in rows
    ]
    said = {row["index"]: row.get("prediction", "") for row in rows}
    found = metrics(TextVQA(TextVQAConfig(questions="", images="")), questions, lambda q: said[q.id])
    with (data / "vila_8b_TextVQA_VAL_acc.csv").open(newline="") as file:
        (stored,) = [float(row["Overall"]) for row in csv.DictReader(file)]
    assert len(rows) == 5_000
    assert found["accuracy (always normalised)", ""].value == pytest.approx(stored, abs=1e-9)
    assert found["accuracy", ""].value == pytest.approx(stored, abs=1e-9)
    assert found["accuracy", ""].failures == 0
