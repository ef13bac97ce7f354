"""VizWiz: both layouts, three scripts' numbers, the prompt that allows declining, and submissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.evaluate.benchmarks.test_vqa import metrics, patch_photos, photos
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.benchmarks.vizwiz import VizWiz, VizWizConfig
from vlit.evaluate.question import Answered

NAMES = [f"VizWiz_val_0000000{n}.jpg" for n in range(3)]


def answers(**counts: int) -> list[dict[str, str]]:
    """Answers without an ``answer_id``, as VizWiz has them; all are sure of it."""
    return [{"answer": a, "answer_confidence": "yes"} for a, n in counts.items() for _ in range(n)]


RECORDS: list[dict[str, Any]] = [
    {"image": NAMES[0], "question": "What is this? ", "answerable": 1, "answer_type": "other",
     "answers": answers(can=6, soup=4)},
    {"image": NAMES[1], "question": "Is it on?", "answerable": 1, "answer_type": "yes/no",
     "answers": answers(no=10)},
    {"image": NAMES[2], "question": "And this?", "answerable": 0, "answer_type": "unanswerable",
     "answers": answers(unanswerable=9, blurry=1)},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos(tmp_path / "val", NAMES)
    return tmp_path


def load(folder: Path, records: Any = RECORDS, **changed: Any) -> tuple[VizWiz, Loaded]:
    (folder / "val.json").write_text(json.dumps(records))
    benchmark = VizWiz(VizWizConfig(**{"questions": "val.json", "images": "val", **changed}))
    return benchmark, benchmark.load(folder)


def test_the_prompt_of_llava_allows_to_decline(folder: Path) -> None:
    _, loaded = load(folder)
    assert loaded.questions[0].prompt == (
        "<image>\nWhat is this? \nWhen the provided information is insufficient, respond with 'Unanswerable'.\n"
        "Answer the question using a single word or phrase."
    )
    _, short = load(folder, protocol="short")
    assert short.questions[0].prompt.endswith(
        "What is this? \nAnswer the question using a single word or phrase."
    )
    _, plain = load(folder, protocol="plain")
    assert plain.questions[0].prompt == "<image>\nWhat is this? "


def test_quirk_without_answer_ids_the_official_scorer_of_vqa_drops_identical_answers(folder: Path) -> None:
    benchmark, loaded = load(folder)
    said = dict(zip(NAMES, ("Can", "no", "Unanswerable"), strict=True))
    found = metrics(benchmark, loaded.questions, lambda q: said[q.id])
    assert found["accuracy", ""].value == pytest.approx(100)
    # "can" stays for the four who said soup, "no" has nobody left, "unanswerable" stays for the blurry one.
    assert found["accuracy (VQA's script)", ""].value == pytest.approx(100 * (0.4 + 0 + 0.1) / 3)
    assert found["accuracy (EvalAI processor)", ""].value == pytest.approx(100)
    assert [found["accuracy", f"answer_type: {t}"].n for t in ("other", "yes/no", "unanswerable")] == [1, 1, 1]


def test_both_layouts_give_the_same_numbers(folder: Path) -> None:
    benchmark, loaded = load(folder)
    questions = [
        {"image_id": r["image"], "question": r["question"], "question_id": n} for n, r in enumerate(RECORDS)
    ]
    annotations = [
        {"question_id": n, "question_type": r["answer_type"], "answers": r["answers"]}
        for n, r in enumerate(RECORDS)
    ]
    (folder / "questions.json").write_text(json.dumps({"questions": questions}))
    (folder / "annotations.json").write_text(json.dumps({"annotations": annotations}))
    config = VizWizConfig(questions="questions.json", annotations="annotations.json", images="val")
    other = VizWiz(config)
    converted = other.load(folder)
    assert [q.id for q in converted.questions] == ["0", "1", "2"]
    a = metrics(benchmark, loaded.questions, lambda _: "can")
    b = metrics(other, converted.questions, lambda _: "can")
    assert {key: one.value for key, one in a.items()} == {key: one.value for key, one in b.items()}


def test_bad_records_are_lost_and_wrong_files_stop(folder: Path) -> None:
    bad = [*RECORDS, RECORDS[0], {"image": NAMES[0]}, {**RECORDS[1], "image": "absent.jpg"}, {"question": "?"}]
    _, loaded = load(folder, bad)
    assert len(loaded.questions) == 3
    assert len(loaded.lost) == 4
    with pytest.raises(VlitError, match="annotations are named"):
        load(folder, annotations="val.json")
    with pytest.raises(VlitError, match="no question can be asked"):
        load(folder, [])


def test_an_empty_answer_is_wrong_and_counted(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda _: "")
    for name in ("accuracy", "accuracy (VQA's script)", "accuracy (EvalAI processor)"):
        assert (found[name, ""].value, found[name, ""].failures) == (0, 3)


def test_the_test_set_is_submitted_by_photo(folder: Path) -> None:
    records = [{"image": name, "question": "What?"} for name in (*NAMES, "lost.jpg")]
    benchmark, loaded = load(folder, records)
    assert len(loaded.questions) == 3
    files = benchmark.submission([Answered(question=loaded.questions[1], text="The Can.")])
    assert json.loads(files["vizwiz_answers.json"]) == [
        {"image": NAMES[0], "answer": ""},
        {"image": NAMES[1], "answer": "can"},
        {"image": NAMES[2], "answer": ""},
        {"image": "lost.jpg", "answer": ""},
    ]


def test_real_validation_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data("bench/vizwiz")
    patch_photos(monkeypatch)
    config = VizWizConfig(
        questions="val_questions_vqa_format.json", annotations="val_annotations_vqa_format.json", images="."
    )
    benchmark = VizWiz(config)
    loaded = benchmark.load(data)
    assert len(loaded.questions) == 4_319 and not loaded.lost
    assert "4,319 questions in the files: as many as val has" in loaded.remarks
    # A model that always declines, by the scripts themselves. VQA's normalises nothing where all agree, so that
    # the capital that the prompt asks for costs 3.5 points more.
    found = metrics(benchmark, loaded.questions, lambda _: "Unanswerable")
    assert found["accuracy (VQA's script)", ""].value == pytest.approx(39.4466311646, abs=1e-9)
    found = metrics(benchmark, loaded.questions, lambda _: "unanswerable")
    assert found["accuracy", ""].value == pytest.approx(52.123176661263926, abs=1e-9)
    assert found["accuracy (VQA's script)", ""].value == pytest.approx(42.9412672687, abs=1e-9)
    kinds = ("unanswerable", "other", "yes/no", "number")
    assert [found["accuracy", f"answer_type: {kind}"].n for kind in kinds] == [1_385, 2_691, 195, 48]
