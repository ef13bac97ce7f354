"""POPE: three settings, the official numbers and ours beside them, and stored scores of a real model."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared_data
from tests.evaluate.benchmarks import spreadsheets
from tests.evaluate.benchmarks.test_vqa import metrics, patch_photos, photos
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.benchmarks.pope import POPE, SETTINGS, POPEConfig
from vlit.evaluate.question import Answered, Question
from vlit.evaluate.statistics import with_intervals

PHOTOS = [f"COCO_val2014_{n:012d}.jpg" for n in (1, 2)]


def record(id: int, label: str = "yes", **changed: Any) -> dict[str, Any]:
    text = f"Is there a thing {id} in the imange?"
    return {"question_id": id, "image": PHOTOS[id % 2], "text": text, "label": label, **changed}


def write(folder: Path, records: Sequence[Any], settings: Sequence[str] = SETTINGS) -> None:
    for name in settings:
        lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
        (folder / f"coco_pope_{name}.json").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos(tmp_path / "val2014", PHOTOS)
    write(tmp_path, [record(1), record(2), record(3, "no"), record(4, "no")])
    return tmp_path


def load(folder: Path, settings: Sequence[str] = SETTINGS, **changed: Any) -> tuple[POPE, Loaded]:
    paths = {name: f"coco_pope_{name}.json" for name in settings}
    benchmark = POPE(POPEConfig(**{**paths, "images": "val2014", **changed}))
    return benchmark, benchmark.load(folder)


def number(id: str) -> int:
    return int(id.partition("/")[2])


def test_each_setting_is_asked_with_the_words_of_the_file(folder: Path) -> None:
    _, loaded = load(folder)
    assert len(loaded.questions) == 12 and not loaded.lost
    first = loaded.questions[0]
    assert first.id == "random/1" and first.groups == {"setting": "random"} and first.references == ("yes",)
    suffix = "Answer the question using a single word or phrase."
    assert first.prompt == f"<image>\nIs there a thing 1 in the imange?\n{suffix}", "imange is kept"
    _, plain = load(folder, protocol="plain")
    assert plain.questions[0].prompt == "<image>\nIs there a thing 1 in the imange?"


def test_numbers_are_those_of_the_four_counts(folder: Path) -> None:
    benchmark, loaded = load(folder)
    said = {1: "Yes", 2: "No, there is none.", 3: "Yes.", 4: "no"}  # tp, fn, fp, tn
    found = metrics(benchmark, loaded.questions, lambda q: said[number(q.id)])
    for group in ("", *(f"setting: {name}" for name in SETTINGS)):
        for name in ("accuracy", "precision", "recall", "F1", "yes ratio"):
            assert found[name, group].value == pytest.approx(50)
    assert next(iter(found)) == benchmark.metric
    assert found["yes ratio", ""].scale == 50
    assert found["F1 (whole answer)", ""].value == pytest.approx(50)


def test_quirk_a_silent_model_says_yes_to_the_official_script(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda _: "")
    assert found["F1", ""].value == pytest.approx(200 / 3)
    assert found["accuracy", ""].value == 50
    assert found["recall", ""].value == found["yes ratio", ""].value == 100
    assert found["F1", ""].failures == 12, "and every answer is counted as a failure"
    assert found["F1 (whole answer)", ""].value == 0
    assert found["accuracy (whole answer)", ""].value == 0
    assert found["accuracy (whole answer)", ""].failures == 12
    assert found["precision (whole answer)", ""].value is None, "nothing was found, right or wrong"
    rows = benchmark.scored([Answered(question=q, text="") for q in loaded.questions])
    assert {row.value for row in rows} == {0.0}, "an empty answer is wrong, whatever the label"


def test_quirk_a_no_in_capitals_is_a_yes_to_the_official_script(folder: Path) -> None:
    benchmark, loaded = load(folder)
    found = metrics(benchmark, loaded.questions, lambda q: q.references[0].upper())
    assert found["accuracy", ""].value == 50
    assert found["accuracy", ""].failures == 6
    assert found["accuracy (whole answer)", ""].value == 100
    assert found["accuracy (whole answer)", ""].failures == 0


def test_a_question_that_was_not_asked_is_no_yes(folder: Path) -> None:
    benchmark, loaded = load(folder)
    rows = [Answered(question=q, problem="the photo cannot be opened") for q in loaded.questions]
    found = {(m.name, m.group): m for m in benchmark.aggregate(benchmark.scored(rows))}
    assert found["accuracy", ""].value == found["yes ratio", ""].value == 0
    assert (found["accuracy", ""].unasked, found["accuracy", ""].failures) == (12, 0)
    assert found["F1", ""].value == 0


def test_the_mean_over_settings_has_no_value_where_one_is_missing(folder: Path) -> None:
    benchmark, loaded = load(folder, ["popular"])
    assert "not asked: random, adversarial" in loaded.remarks
    found = metrics(benchmark, loaded.questions, lambda q: q.references[0])
    assert found["F1", ""].value is None
    assert found["F1", "1 of 3 settings"].value == found["F1", "setting: popular"].value == 100
    assert found["F1, pooled", ""].value == 100


def test_the_mean_of_f1_is_over_settings_and_has_an_interval(folder: Path) -> None:
    benchmark, loaded = load(folder)
    rows = [
        Answered(question=q, text="yes" if q.groups["setting"] == "random" else q.references[0])
        for q in loaded.questions
    ]
    found = {(m.name, m.group): m for m in with_intervals(benchmark.aggregate(benchmark.scored(rows)))}
    assert found["F1", ""].value == pytest.approx((200 / 3 + 100 + 100) / 3)
    assert found["F1, pooled", ""].value == pytest.approx(100 * 12 / 14)
    low, high = found["F1", ""].interval or (0, 0)
    assert low < (200 / 3 + 200) / 3 < high


def test_bad_lines_are_lost_and_wrong_files_stop(folder: Path) -> None:
    bad = [record(1), record(1), "{broken", '"text"', record(5, "maybe"), record(6, image="absent.jpg")]
    write(folder, [*bad, record(7, text=""), record(8, text="<image>?"), {"question_id": 9}], ["popular"])
    _, loaded = load(folder, ["popular"])
    assert [q.id for q in loaded.questions] == ["popular/1"]
    assert len(loaded.lost) == 8
    for said in (
        "stands twice",
        "no JSON",
        "an object is expected",
        "neither yes nor no",
        "no such photo",
        "text is missing",
    ):
        assert any(said in row.reason for row in loaded.lost), said
    write(folder, ['[{"question_id": 1}]'], ["popular"])
    with pytest.raises(VlitError, match="an object is expected, and this is a list"):
        load(folder, ["popular"])
    write(folder, ["[", "]"], ["popular"])
    with pytest.raises(VlitError, match="no file of POPE: the line is no JSON"):
        load(folder, ["popular"])
    with pytest.raises(VlitError, match="nested too deep"):
        write(folder, ["[" * 100_000], ["popular"])
        load(folder, ["popular"])
    with pytest.raises(VlitError, match="no setting is named"):
        load(folder, [])
    with pytest.raises(VlitError, match="no question can be asked"):
        write(folder, [], ["popular"])
        load(folder, ["popular"])


def test_lines_that_no_reader_can_take_are_lost(folder: Path) -> None:
    surrogate = json.dumps(record(2, text="\ud83d?"))
    long = json.dumps(record(3, image="x" * 300))
    write(
        folder, [record(1), "[" * 100_000, '{"question_id": ' + "9" * 5_000 + "}", surrogate, long], ["popular"]
    )
    _, loaded = load(folder, ["popular"])
    assert [q.id for q in loaded.questions] == ["popular/1", "popular/2"]
    assert "\\ud83d?" in loaded.questions[1].prompt, "half a character can be written again"
    assert len(loaded.lost) == 3


def test_real_question_files(monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data("bench/pope")
    patch_photos(monkeypatch)
    benchmark, loaded = load(data, images=".")
    assert len(loaded.questions) == 9_000 and not loaded.lost
    assert loaded.remarks.count("3,000 questions in the files: as many as the set of a setting has") == 3
    found = metrics(benchmark, loaded.questions, lambda _: "Sure")
    assert found["F1", ""].value == pytest.approx(200 / 3)
    assert found["F1 (whole answer)", ""].value == 0
    for name in SETTINGS:
        assert found["accuracy", f"setting: {name}"].n == 3_000


def test_stored_scores_of_a_real_model() -> None:
    """The harness wants one of the two words alone; for these answers all rules agree, and so do numbers."""
    data = shared_data("bench/vila-8b")
    with (data / "vila_8b_POPE_score.csv").open(newline="") as file:
        stored = {row.pop("split"): {k: float(v) for k, v in row.items()} for row in csv.DictReader(file)}
    questions, said = [], {}
    for row in spreadsheets.rows(data / "vila_8b_POPE.xlsx"):
        for setting in row["category"].split(","):
            id = f"{setting}/{row['index']}"
            questions.append(
                Question(
                    id=id,
                    prompt=row["question"],
                    references=(row["answer"].lower(),),
                    groups={"setting": setting},
                )
            )
            said[id] = row["prediction"]
    found = metrics(POPE(POPEConfig(images="")), questions, lambda q: said[q.id])
    for split, numbers in stored.items():
        group = "" if split == "Overall" else f"setting: {split}"
        for suffix in ("", " (whole answer)"):
            f1 = found[("F1, pooled" if split == "Overall" else "F1") + suffix, group]
            assert f1.value == pytest.approx(numbers["Overall"], abs=1e-9)
            assert f1.failures == 0
            for name, short in (("accuracy", "acc"), ("precision", "precision"), ("recall", "recall")):
                assert found[name + suffix, group].value == pytest.approx(numbers[short], abs=1e-9)
    # What papers quote is the mean over settings, which the harness does not tell.
    assert found["F1", ""].value == pytest.approx(
        (84.8507744616547 + 83.40141106572595 + 81.82149362477233) / 3
    )
