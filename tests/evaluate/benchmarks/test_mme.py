"""MME: both layouts, totals by the official rule and by one that reads the whole answer, and stored scores."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.evaluate.benchmarks import spreadsheets
from tests.evaluate.benchmarks.test_vqa import metrics, patch_photos, photos
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.benchmarks.mme import COGNITION, MME, PERCEPTION, MMEConfig
from vlit.evaluate.parsing.yes_no import whole_answer
from vlit.evaluate.question import Answered, Question
from vlit.evaluate.statistics import with_intervals

ASK = "Please answer yes or no."


def write(folder: Path, lines: dict[str, list[str]]) -> None:
    """Question files with photo, question and answer in each line, and the photos."""
    (folder / "questions").mkdir(exist_ok=True)
    for task, own in lines.items():
        (folder / "questions" / f"{task}.txt").write_text("\n".join(own) + "\n")
        photos(folder / "release" / task / "images", {line.split("\t")[0] for line in own if "\t" in line})


def pair(photo: str, yes: str = "Is it red?", no: str = "Is it  blue?") -> list[str]:
    return [f"{photo}\t{yes} {ASK}\tYes", f"{photo}\t{no} {ASK}\tNo"]


def load(folder: Path, **changed: Any) -> tuple[MME, Loaded]:
    benchmark = MME(MMEConfig(**{"images": "release", "questions": "questions", **changed}))
    return benchmark, benchmark.load(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {task: [*pair("1.jpg"), *pair("2.jpg")] for task in PERCEPTION + COGNITION})
    return tmp_path


def test_two_questions_of_a_photo_are_a_unit_and_prompts_keep_their_blanks(folder: Path) -> None:
    _, loaded = load(folder)
    assert len(loaded.questions) == 56 and not loaded.lost
    first, second = loaded.questions[:2]
    assert (first.id, second.id) == ("existence/1.jpg/1", "existence/1.jpg/2")
    assert first.unit == second.unit == "existence/1.jpg"
    assert first.images[0].uri.endswith("release/existence/images/1.jpg")
    assert second.prompt == "<image>\nIs it  blue?\nAnswer the question using a single word or phrase."
    assert second.references == ("no",)
    _, plain = load(folder, protocol="plain")
    assert plain.questions[1].prompt == f"<image>\nIs it  blue? {ASK}"


def test_perfect_answers_give_2000_and_800_and_always_yes_half_of_it_without_pairs(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda q: q.references[0].capitalize())
    assert (found["perception", ""].value, found["cognition", ""].value) == (2000, 800)
    assert (found["perception", ""].scale, found["cognition", ""].scale) == (2000, 800)
    assert next(iter(found)) == benchmark.metric
    found = metrics(benchmark, loaded.questions, lambda q: "Yes")
    assert (found["perception", ""].value, found["cognition", ""].value) == (500, 200)
    assert found["accuracy", "subtask: OCR"].value == 50
    assert found["accuracy+", "subtask: OCR"].value == 0
    assert ("broken pairs", "") not in found


def test_a_subtask_counts_accuracy_and_pairs(folder: Path) -> None:
    benchmark, loaded = load(folder)
    wrong = "existence/2.jpg/2"
    found = metrics(
        benchmark, loaded.questions, lambda q: "Yes" if q.id == wrong else q.references[0].capitalize()
    )
    assert found["score", "subtask: existence"].value == pytest.approx(75 + 50)
    assert found["score", "subtask: existence"].scale == 200
    assert found["perception", ""].value == pytest.approx(1800 + 125)


def test_quirk_official_rule_and_whole_answer_stand_side_by_side(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda q: f"The answer is {q.references[0]}.")
    assert found["perception", ""].value == 0, "the official rule reads four characters"
    assert found["perception", ""].failures == 40
    assert found["perception (whole answer)", ""].value == 2000
    assert found["perception (whole answer)", ""].failures == 0


def test_an_empty_answer_and_one_not_asked_are_wrong_and_counted_apart(folder: Path) -> None:
    benchmark, loaded = load(folder)
    rows = [Answered(question=q, text=q.references[0]) for q in loaded.questions]
    rows[0] = Answered(question=loaded.questions[0], text="")
    rows[2] = Answered(question=loaded.questions[2], problem="the photo cannot be opened")
    found = {(m.name, m.group): m for m in benchmark.aggregate(benchmark.scored(rows))}
    own = found["perception", ""]
    assert (own.failures, own.unasked, own.n) == (1, 1, 40)
    assert own.value == pytest.approx(1800 + 50)


def test_a_broken_pair_is_named_and_counted_and_never_stops(folder: Path) -> None:
    write(folder, {"count": [*pair("1.jpg"), f"odd.jpg\tIs it? {ASK}\tYes"]})
    benchmark, loaded = load(folder)
    assert any("1 photos have one question alone: count/odd.jpg" in remark for remark in loaded.remarks)
    found = metrics(
        benchmark, loaded.questions, lambda q: "Yes" if q.unit == "count/odd.jpg" else q.references[0]
    )
    assert found["broken pairs", ""].value == 1
    assert found["accuracy", "subtask: count"].n == 3
    assert found["accuracy+", "subtask: count"].value == 100, "over the one whole pair"
    assert found["perception", ""].value == 2000


def test_a_total_over_missing_subtasks_has_no_value(folder: Path) -> None:
    benchmark, loaded = load(folder)
    some = [q for q in loaded.questions if q.groups["subtask"] in ("count", "OCR")]
    found = metrics(benchmark, some, lambda q: q.references[0])
    assert found["perception", ""].value is None and found["perception", ""].scale == 2000
    assert found["perception", "2 of 10 subtasks"].value == 400
    assert found["perception", "2 of 10 subtasks"].scale == 400
    assert found["cognition", ""].value is None and found["cognition", ""].n == 0


def test_intervals_draw_photos_and_not_questions(folder: Path) -> None:
    benchmark, loaded = load(folder)
    rows = [Answered(question=q, text="yes") for q in loaded.questions if q.groups["subtask"] == "count"]
    found = {(m.name, m.group): m for m in with_intervals(benchmark.aggregate(benchmark.scored(rows)))}
    assert found["accuracy", "subtask: count"].interval is None, "each photo has one yes"


def test_the_release_itself_is_read(tmp_path: Path) -> None:
    for task in PERCEPTION:
        apart = task in ("posters", "celebrity", "scene", "landmark", "artwork")
        photos(tmp_path / task / "images" if apart else tmp_path / task, ["0001.png"])
        texts = tmp_path / task / "questions_answers_YN" if apart else tmp_path / task
        texts.mkdir(exist_ok=True)
        (texts / "0001.txt").write_text(f"Is it red? {ASK}\tYes\nIs it blue? {ASK}\tNo")
    _, loaded = load(tmp_path, images=".", questions=None)
    assert len(loaded.questions) == 20 and not loaded.lost
    assert loaded.questions[0].id == "existence/0001.png/1"
    assert loaded.questions[0].images[0].uri.endswith("existence/0001.png")
    assert "count/*.txt" in loaded.files and len(loaded.files) == 10
    assert any("without a file: commonsense_reasoning" in remark for remark in loaded.remarks)


def test_bad_lines_are_lost_and_a_wrong_folder_stops(folder: Path) -> None:
    bad = [*pair("1.jpg"), pair("1.jpg")[0], "only one cell", "2.jpg\tIs it?\tPerhaps", "2.jpg\t\tYes"]
    bad += [f"2.jpg\tIs it? {ASK}\tYes\tNo", f"2.jpg\t<image>? {ASK}\tYes"]
    write(folder, {"count": bad})
    (folder / "questions" / "count.txt").write_text("\n".join([*bad, f"absent.jpg\tIs it? {ASK}\tYes"]))
    _, loaded = load(folder)
    reasons = [row.reason for row in loaded.lost]
    assert len(reasons) == 7
    for said in ("stands twice", "between tabs", "neither yes nor no", "no such photo", "holds <image>"):
        assert any(said in reason for reason in reasons), said
    assert loaded.lost[0].record.startswith("line 4")
    with pytest.raises(VlitError, match="no questions of any subtask"):
        load(folder, questions="release")
    (folder / "results").mkdir()
    (folder / "results" / "count.txt").write_text(f"1.jpg\tIs it? {ASK}\tYes\tYes\n" * 2)
    with pytest.raises(VlitError, match="no line can be read: 2 x the line is not image, question, answer"):
        load(folder, questions="results")
    with pytest.raises(VlitError, match="there is no folder"):
        load(folder, questions="absent")


def test_real_question_files(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data("bench/mme")
    patch_photos(monkeypatch)
    benchmark = MME(MMEConfig(images=".", questions=".", protocol="plain"))
    loaded = benchmark.load(data)
    assert len(loaded.questions) == 2_374 and not loaded.lost
    assert "2,374 questions in the files: as many as the release has" in loaded.remarks
    assert len({q.unit for q in loaded.questions}) == 1_187
    assert sum("  " in q.prompt for q in loaded.questions) == 7, "double blanks are kept"
    found = metrics(benchmark, loaded.questions, lambda _: "yes")
    assert (found["perception", ""].value, found["perception", ""].n) == (500, 2_114)
    assert (found["cognition", ""].value, found["cognition", ""].n) == (200, 260)


#: Where the first four characters and the harness's rule, which wants one of the two words alone, differ.
DIFFERENT = {"commonsense_reasoning/0010.png/2", "commonsense_reasoning/0011.png/1", "count/000000423944.jpg/1"}


def test_stored_scores_of_a_real_model() -> None:
    """The harness takes "Yes, there is no person" for neither; the script and the whole answer for a yes."""
    data = shared_data("bench/vila-8b")
    with (data / "vila_8b_MME_score.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    stored = {name: float(value) for name, value in row.items()}
    questions, said = _answers(data / "vila_8b_MME.xlsx")
    benchmark = MME(MMEConfig(images=""))
    found = metrics(benchmark, questions, said)
    assert found["perception", ""].value == pytest.approx(1563.5247098839536, abs=1e-9)
    assert found["cognition", ""].value == pytest.approx(283.2142857142857, abs=1e-9)
    assert found["perception (whole answer)", ""].value == pytest.approx(1563.5247098839536, abs=1e-9)
    assert found["cognition (whole answer)", ""].value == pytest.approx(283.2142857142857, abs=1e-9)
    # By the harness's rule for these rows, the stored numbers.
    differ = {q.id for q in questions if _harness(said(q)) != benchmark.parse(q, said(q)).value}
    assert differ == DIFFERENT
    assert all(whole_answer(said(q)).value == "yes" for q in questions if q.id in differ)
    found = metrics(benchmark, questions, lambda q: _harness(said(q)) or "")
    assert found["perception", ""].value == pytest.approx(stored.pop("perception"), abs=1e-9)
    assert found["cognition", ""].value == pytest.approx(stored.pop("reasoning"), abs=1e-9)
    assert len(stored) == 14
    for task, value in stored.items():
        assert found["score", f"subtask: {task}"].value == pytest.approx(value, abs=1e-9)


def _answers(path: Path) -> tuple[list[Question], Callable[[Question], str]]:
    """Questions of stored answers, and what was said."""
    said: dict[str, str] = {}
    questions, seen = [], dict[str, int]()
    for row in spreadsheets.rows(path):
        seen[row["image_path"]] = seen.get(row["image_path"], 0) + 1
        question = Question(
            id=f"{row['image_path']}/{seen[row['image_path']]}",
            prompt=row["question"],
            references=(row["answer"].lower(),),
            groups={"subtask": row["category"]},
            unit=row["image_path"],
        )
        questions.append(question)
        said[question.id] = row.get("prediction", "")
    return questions, lambda question: said[question.id]


def _harness(text: str) -> str | None:
    """The stored scores' rule: the word yes without the word no, or the other way round."""
    words = {word.strip(".,!?;:'\"") for word in text.lower().replace("-", " ").split()}
    return {(True, False): "yes", (False, True): "no"}.get(("yes" in words, "no" in words))
