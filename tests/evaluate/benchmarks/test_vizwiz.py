"""VizWiz: both layouts, three scripts' numbers, the prompt that allows declining, and submissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import shared_data
from tests.evaluate.benchmarks.test_vqa import metrics, patch_photos, photos
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.benchmarks.vizwiz import VizWiz, VizWizConfig
from vlit.evaluate.question import Answered, Question

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


@pytest.mark.parametrize(
    ("said", "f1", "precision"),
    [
        (("Unanswerable.", "no", "unanswerable"), 200 / 3, 50),  # one of two declined is right; both are needed
        (("soup", "no", "Unanswerable"), 100, 100),
        (("soup", "unanswerable", "blurry"), 0, 100 / 3),  # what was declined is no use; then all three
        (("soup", "no", ""), 0, 100 / 3),
    ],
)
def test_declining_is_scored_as_the_second_task(
    folder: Path, said: tuple[str, ...], f1: float, precision: float
) -> None:
    benchmark, loaded = load(folder)
    by_name = dict(zip(NAMES, said, strict=True))
    found = metrics(benchmark, loaded.questions, lambda q: by_name[q.id])
    assert found["F1 of unanswerable", ""].value == pytest.approx(f1)
    assert found["average precision of unanswerable", ""].value == pytest.approx(precision)
    assert found["F1 of unanswerable", ""].n == 3


@settings(deadline=None)  # the first one imports scikit-learn
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_declining_equals_the_official_functions(pairs: list[tuple[bool, bool]]) -> None:
    oracle: Any = pytest.importorskip("sklearn.metrics")
    questions = [
        Question(id=str(n), prompt="", references=("x",) * 10, extra={"answerable": int(can)})
        for n, (can, _) in enumerate(pairs)
    ]
    said = {str(n): "unanswerable" if declined else "x" for n, (_, declined) in enumerate(pairs)}
    found = metrics(VizWiz(VizWizConfig(questions="", images="")), questions, lambda q: said[q.id])
    truth, given_up = [1 - can for can, _ in pairs], [float(declined) for _, declined in pairs]
    if not any(truth):
        assert found["F1 of unanswerable", ""].value is None, "nothing to find"
        return
    f1 = oracle.f1_score(truth, [x > 0.5 for x in given_up], zero_division=0)
    assert found["F1 of unanswerable", ""].value == pytest.approx(100 * f1)
    precision = oracle.average_precision_score(truth, given_up)
    assert found["average precision of unanswerable", ""].value == pytest.approx(100 * precision)


@pytest.mark.parametrize("answerable", [None, "1", 2, [1]])
def test_without_the_label_of_answerability_declining_is_not_told(folder: Path, answerable: Any) -> None:
    benchmark, loaded = load(folder, [{**one, "answerable": answerable} for one in RECORDS])
    found = metrics(benchmark, loaded.questions, lambda _: "unanswerable")
    assert not [name for name, _ in found if "unanswerable" in name]


def test_people_of_two_layouts_are_no_crash(folder: Path) -> None:
    mixed = [{**RECORDS[0], "answers": ["can", *answers(can=9)]}]
    benchmark, loaded = load(folder, mixed)
    assert metrics(benchmark, loaded.questions, lambda _: "can")["accuracy (VQA's script)", ""].value == 100


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
    told = {
        key: one.value for key, one in a.items() if "unanswerable" not in key[0]
    }  # VQA's layout has no labels
    assert told == {key: one.value for key, one in b.items()}


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
