"""GQA: official layout, exact match, and the other numbers of the official script, computed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.evaluate.benchmarks.test_vqa import metrics, patch_photos, photos
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.benchmarks.gqa import GQA, GQAConfig
from vlit.evaluate.question import Answered


def record(answer: str, structural: str = "query", **changed: Any) -> dict[str, Any]:
    return {
        "question": "What is hanging above the chalkboard?",
        "answer": answer,
        "imageId": "n1",
        "isBalanced": True,
        "entailed": [],
        "groups": {"global": "thing", "local": "14-chalkboard"},
        "types": {"structural": structural, "semantic": "rel", "detailed": "relS"},
        "semantic": [
            {"operation": "select", "argument": "chalkboard (0)"},
            {"operation": "relate", "argument": "_,hanging above,s (12)"},
            {"operation": "query", "argument": "name"},
        ],
        **changed,
    }


RECORDS = {
    "1": record("picture", entailed=["1", "2", "3"]),
    "2": record("yes", "verify", groups={"global": None, "local": "x"}),
    "3": record("no", "verify", isBalanced=False),
    "4": record("clock", entailed=["4"]),
    "5": record("picture"),
    "6": record(
        "color", "compare", types={"structural": "compare", "semantic": "attr", "detailed": "twoCommon"}
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos(tmp_path / "images", ["n1.jpg"])
    write(tmp_path, RECORDS)
    return tmp_path


def write(folder: Path, records: Any) -> None:
    (folder / "questions.json").write_text(json.dumps(records))


def load(folder: Path, **changed: Any) -> tuple[GQA, Loaded]:
    benchmark = GQA(GQAConfig(**{"questions": "questions.json", "images": "images", **changed}))
    return benchmark, benchmark.load(folder)


def test_balanced_questions_are_asked(folder: Path) -> None:
    _, loaded = load(folder)
    assert [q.id for q in loaded.questions] == ["1", "2", "4", "5", "6"]
    assert "1 questions are not balanced, and are not asked" in loaded.remarks
    first = loaded.questions[0]
    assert first.prompt == (
        "<image>\nWhat is hanging above the chalkboard?\nAnswer the question using a single word or phrase."
    )
    assert first.references == ("picture",)
    assert first.groups == {
        "structural": "query", "semantic": "rel", "detailed": "relS",
        "answers": "open", "steps": "2", "words": "6",
    }  # fmt: skip
    _, loaded = load(folder, consistency=True)
    assert [q.id for q in loaded.questions] == ["1", "2", "3", "4", "5", "6"], "3 is entailed by 1"


def test_accuracy_of_all_and_by_type(folder: Path) -> None:
    benchmark, loaded = load(folder)
    said = {"1": "Picture.", "2": "yes", "4": "picture", "5": "Picture", "6": "shape"}
    found = metrics(benchmark, loaded.questions, lambda q: said[q.id])
    assert next(iter(found)) == benchmark.metric
    assert found["accuracy", ""].value == pytest.approx(60)
    assert found["accuracy", "answers: open"].value == pytest.approx(200 / 3)
    assert found["accuracy", "answers: binary"].value == 50
    assert found["accuracy", "structural: compare"].value == 0
    assert found["accuracy", "semantic: rel"].value == 75
    assert found["accuracy", "detailed: twoCommon"].n == 1
    assert found["accuracy", "steps: 2"].n == found["accuracy", "words: 6"].n == 5
    assert ("validity", "") not in found and ("consistency", "") not in found


def test_quirk_of_gqa_only_periods_at_the_end_and_case_are_forgiven(folder: Path) -> None:
    benchmark, loaded = load(folder)
    question = loaded.questions[0]
    for text, official, trimmed in (
        ("Picture..", 100, 100), (" picture", 0, 100), ("picture!", 0, 100), ("a picture", 0, 100),
        ("picture. ", 0, 100), ("the big picture", 0, 0), ("pictures", 0, 0),
    ):  # fmt: skip
        found = metrics(benchmark, [question], lambda _, text=text: text)  # type: ignore[misc]
        assert found["accuracy", ""].value == official, text
        assert found["accuracy (trimmed)", ""].value == trimmed, text


def test_quirk_of_gqa_choices_of_common_questions_are_its_own(folder: Path) -> None:
    choices = {id: {"valid": ["picture", "clock", "size"], "plausible": ["picture"]} for id in RECORDS}
    (folder / "val_choices.json").write_text(json.dumps(choices))
    benchmark, loaded = load(folder, choices="val_choices.json")
    assert "val_choices.json" in loaded.files
    found = metrics(benchmark, loaded.questions, lambda _: "size")
    assert found["validity", ""].value == 80, "size is no choice of a question about what is common"
    assert found["plausibility", ""].value == 0
    found = metrics(benchmark, loaded.questions, lambda _: "shape")
    assert found["validity", ""].value == 20


def test_consistency_is_the_mean_over_right_answers_of_what_they_entail(folder: Path) -> None:
    benchmark, loaded = load(folder, consistency=True)
    said = {"1": "picture", "2": "yes", "3": "yes", "4": "clock", "5": "x", "6": "x"}
    found = metrics(benchmark, loaded.questions, lambda q: said[q.id])
    assert (found["consistency", ""].value, found["consistency", ""].n) == (50, 1), "4 entails itself alone"
    assert found["accuracy", ""].n == 5, "3 is not balanced"
    said["1"] = "wrong"
    assert ("consistency", "") not in metrics(benchmark, loaded.questions, lambda q: said[q.id])


def test_quirk_of_gqa_a_missing_entailed_answer_leaves_its_question_out_and_never_stops(folder: Path) -> None:
    benchmark, loaded = load(folder, consistency=True)
    some = [q for q in loaded.questions if q.id != "3"]
    assert ("consistency", "") not in metrics(benchmark, some, lambda q: q.references[0])


def test_quirk_of_gqa_distribution_looks_at_right_answers_alone(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda q: q.references[0])
    assert found["distribution", ""].value == 0
    assert found["distribution", ""].scale == 0, "lower is better"
    # In the group "thing" are picture twice, clock and color once: (0-2)^2/2 + (4-1)^2/1 + (0-1)^2/1 = 12.
    found = metrics(benchmark, loaded.questions, lambda _: "clock")
    assert found["distribution", ""].value == pytest.approx(12 / 100)
    assert found["distribution", ""].n == 4, "one question has no global group"
    assert metrics(benchmark, loaded.questions, lambda _: "x")["distribution", ""].value == pytest.approx(
        4 / 100
    )


def test_quirk_of_gqa_steps_are_left_out_by_parts_of_their_text(folder: Path) -> None:
    steps = [{"operation": "select", "argument": "existing (1)"}, {"operation": "exist", "argument": "?"}]
    write(folder, {"1": record("yes", "verify", semantic=[*steps, {"operation": "filter", "argument": "red"}])})
    _, loaded = load(folder)
    assert loaded.questions[0].groups["steps"] == "1", "an argument that holds exist is left out, too"


def test_an_empty_answer_is_wrong_and_counted(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda _: "\n")
    for name in ("accuracy", "accuracy (trimmed)"):
        assert (found[name, ""].value, found[name, ""].failures) == (0, 5)


def test_bad_records_are_lost_and_wrong_files_stop(folder: Path) -> None:
    bad = {
        **RECORDS,
        "7": record(""),
        "8": record("x", imageId="absent"),
        "9": "text",
        "10": record("x", question=3),
    }
    write(folder, {**bad, "11": record("x", question="<image>")})
    _, loaded = load(folder)
    assert len(loaded.questions) == 5
    reasons = [row.reason for row in loaded.lost]
    for said in (
        "answer is missing",
        "no such photo",
        "an object is expected",
        "should be text",
        "holds <image>",
    ):
        assert any(said in reason for reason in reasons), (said, reasons)
    text = json.dumps(RECORDS)
    (folder / "questions.json").write_text(f'{text[:-1]}, "1": {json.dumps(record("clock"))}}}')
    _, loaded = load(folder)
    assert any("key stands twice" in row.reason for row in loaded.lost)
    wrongs: list[Any] = [[], {"questions": []}]
    for wrong in wrongs:
        write(folder, wrong)
        with pytest.raises(VlitError, match="no object by question id"):
            load(folder)


@pytest.mark.parametrize(
    "changed",
    [{"types": 3}, {"types": []}, {"semantic": "x"}, {"semantic": [None]}, {"entailed": 3}, {"groups": "x"}],
)
def test_a_field_of_another_layout_is_lost_with_its_reason_and_never_a_crash(
    folder: Path, changed: Any
) -> None:
    write(folder, {**RECORDS, "7": record("x", **changed)})
    benchmark, loaded = load(folder, consistency=True)
    assert [(row.record, row.field) for row in loaded.lost] == [("7", next(iter(changed)))]
    assert metrics(benchmark, loaded.questions, lambda _: "picture")["accuracy", ""].n == 5


def test_numbers_that_were_asked_for_and_cannot_be_told_stop_before_a_question_is_asked(folder: Path) -> None:
    write(folder, {"1": record("picture", entailed=["1", "77"])})
    with pytest.raises(VlitError, match=r"does not hold what its questions entail[\s\S]*all questions"):
        load(folder, consistency=True)
    for wrong, why in (
        ({"9": {"valid": [], "plausible": []}}, "choices of none of the questions"),
        ({"1": {"valid": "picture", "plausible": []}}, "no lists valid and plausible"),
        ({"1": {"valid": []}}, "no lists valid and plausible"),
    ):
        (folder / "val_choices.json").write_text(json.dumps(wrong))
        with pytest.raises(VlitError, match=why):
            load(folder, choices="val_choices.json")


def test_numbers_over_a_part_say_so(folder: Path) -> None:
    write(folder, {**RECORDS, "7": record("x", entailed=["99"])})
    (folder / "val_choices.json").write_text(json.dumps({"1": {"valid": ["x"], "plausible": []}}))
    benchmark, loaded = load(folder, consistency=True, choices="val_choices.json")
    assert {
        "1 of 2 questions entail some that are not in the file; consistency leaves them out",
        "5 of 6 questions have no choices; validity and plausibility leave them out",
    } <= set(loaded.remarks)
    assert metrics(benchmark, loaded.questions, lambda _: "x")["validity", ""].n == 1


def test_pieces_of_a_folder_are_one_file(folder: Path) -> None:
    pieces = folder / "train_all_questions"
    pieces.mkdir()
    (pieces / "train_all_questions_0.json").write_text(json.dumps({"1": RECORDS["1"]}))
    (pieces / "train_all_questions_1.json").write_text(json.dumps({"5": RECORDS["5"], "1": RECORDS["1"]}))
    _, loaded = load(folder, questions="train_all_questions")
    assert [q.id for q in loaded.questions] == ["1", "5"]
    assert len(loaded.files) == 2
    assert any("stands twice" in row.reason for row in loaded.lost)


def test_predictions_in_the_official_layout_have_every_id(folder: Path) -> None:
    records = {id: {"question": "What?", "imageId": "n1", "isBalanced": id != "3"} for id in RECORDS}
    records["7"] = {"question": "What?", "imageId": "absent", "isBalanced": True}
    write(folder, records)
    benchmark, loaded = load(folder)
    assert len(loaded.questions) == 6, "of a test set all are asked"
    rows = [Answered(question=loaded.questions[1], text="Yes.")]
    assert benchmark.aggregate(benchmark.scored(rows))[0].value is None
    made = json.loads(benchmark.submission(rows)["predictions.json"])
    assert [one["questionId"] for one in made] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [one["prediction"] for one in made] == ["", "yes", "", "", "", "", ""]


def test_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data("gqa")
    benchmark, loaded = load(data)
    assert [q.id for q in loaded.questions] == ["202218649"] and not loaded.lost
    found = metrics(benchmark, loaded.questions, lambda _: "Picture.")
    assert found["accuracy", "steps: 2"].value == found["accuracy", "semantic: rel"].value == 100
    patch_photos(monkeypatch)
    _, loaded = load(data, questions="question_dir")
    assert [q.id for q in loaded.questions] == ["202218649"], "the other piece has an unbalanced question"
    assert len(loaded.files) == 2
