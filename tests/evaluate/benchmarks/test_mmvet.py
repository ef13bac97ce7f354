"""Tests of MM-Vet: a file in the official layout, capabilities by hand, a real judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Photo

from tests.teacher.asking import config
from tests.teacher.server import ScriptedTeacher
from vlit.evaluate.benchmarks.mmvet import MMVet, MMVetConfig, known
from vlit.evaluate.judge import judge
from vlit.evaluate.question import Answered, Question

OFFICIAL: Mapping[str, Any] = {
    "v1_0": ("v1_0.png", "What is x?", "x=-1<AND>x=-5", ["ocr", "math"]),
    "v1_1": ("v1_0.png", "Which town?", "Porto<OR>Oporto", ["rec", "know"]),
    "v1_2": ("v1_1.png", "How many?", 3, ["math", "ocr"]),
    "v1_3": ("v1_1.png", "Write a poem.", "a poem", ["gen", "rec"]),
    "v1_4": ("v1_9.png", "Lost?", "yes", ["rec"]),
    "v2_0": ("v1_1.png", "Of v2?", "yes", ["seq"]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos and six records, of which one has no photo and one is of version 2."""
    (tmp_path / "images").mkdir()
    for name in ("v1_0.png", "v1_1.png"):
        Photo.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    keys = ("imagename", "question", "answer", "capability")
    records = {id: {**dict(zip(keys, row, strict=True)), "imagesource": "web"} for id, row in OFFICIAL.items()}
    (tmp_path / "mm-vet.json").write_text(json.dumps(records), encoding="utf-8")
    return tmp_path


def bench(**more: Any) -> MMVet:
    return MMVet(MMVetConfig.model_validate(more))


def test_official_file_is_read_and_what_cannot_be_asked_is_told(folder: Path) -> None:
    loaded = bench().load(folder)
    assert [q.id for q in loaded.questions] == ["v1_0", "v1_1", "v1_2", "v1_3"]
    assert loaded.questions[0].prompt == "<image>\nWhat is x?"
    assert [q.groups["combination"] for q in loaded.questions] == [
        "ocr, math",
        "rec, know",
        "ocr, math",
        "rec, gen",
    ]
    assert [r.record for r in loaded.lost] == ["v1_4", "v2_0"]
    assert "no capability seq" in loaded.lost[1].reason


def test_the_official_grader_gets_an_answer_to_every_id(folder: Path) -> None:
    own = bench()
    rows = [Answered(question=own.load(folder).questions[1], text="Porto\n")]
    assert json.loads(own.submission(rows)["mmvet_answers.json"]) == {
        "v1_0": "", "v1_1": "Porto\n", "v1_2": "", "v1_3": "", "v1_4": "", "v2_0": "",
    }  # fmt: skip


def test_elements_of_the_truth_are_parted_by_their_marks() -> None:
    def of(text: str) -> str:
        return known(Question(id="1", prompt="", references=(text,)))

    assert of("x=-1<AND>x=-5") == "x=-1 <AND> x=-5"
    assert of("a <OR>b<OR> c") == "a <OR> b <OR> c"


def test_capabilities_combinations_and_total_by_hand(folder: Path, tmp_path: Path) -> None:
    grades = {"one": "Score: 0.5", "two": "1.0", "three": "0.0"}

    def says(body: dict[str, Any], *_: Any) -> str:
        asked = body["messages"][1]["content"]
        return next((grade for word, grade in grades.items() if f"Answer: {word}" in asked), "no idea")

    own = bench()
    questions = own.load(folder).questions
    rows = [
        Answered(question=q, text=t) for q, t in zip(questions, ("one", "two", "three", "four"), strict=True)
    ]
    with ScriptedTeacher(says=says) as server:
        judged = judge(own, rows, config(server.url), tmp_path / "journal")
    found = {(m.name, m.group): m for m in own.aggregate(own.scored_by(rows, judged))}
    total = found["total", ""]
    assert (total.value, total.n, total.failures) == (50.0, 3, 1)  # the fourth reply has no grade
    assert found["grade", "capability: math"].value == 25.0
    assert found["grade", "capability: rec"].value == 100.0 and found["grade", "capability: rec"].failures == 1
    assert found["grade", "capability: gen"].value is None
    assert found["grade", "combination: ocr, math"].value == 25.0
    assert ("grade", "capability: spat") not in found


def test_rounds_are_averaged_and_the_official_deviation_of_the_total_is_told(
    folder: Path, tmp_path: Path
) -> None:
    """Grades by round: a 0.2 0.4, b 0.4 0.0, c (empty) 0 0, of d one is unreadable. Of a, b, c: 20, 13.3."""
    own = bench(rounds=2)
    rows = [
        Answered(question=q, text=text)
        for q, text in zip(own.load(folder).questions, ("a", "b", "", "d"), strict=True)
    ]
    grades = {"a": ("0.2", "0.4"), "b": ("0.4", "0.0"), "d": ("1.0", "well")}

    def says(body: dict[str, Any], *_: Any) -> str:
        asked = body["messages"][1]["content"]
        return next(of[body["seed"] - 1] for name, of in grades.items() if f"Answer: {name}\n" in asked)

    with ScriptedTeacher(says=says) as server:
        judged = judge(own, rows, config(server.url), tmp_path / "journal")
    scored = own.scored_by(rows, judged)
    assert scored[0].parsed.value == "0.2 0.4" and scored[0].value == pytest.approx(0.3)
    assert (scored[3].value, scored[3].parsed.rule) == (1.0, "1 of 2 rounds unreadable")
    metrics = own.aggregate(scored)
    assert metrics[0].value == pytest.approx(100 * (0.3 + 0.2 + 0 + 1) / 4)
    deviation = metrics[-1]
    assert (deviation.name, deviation.n) == ("standard deviation over rounds", 3)
    assert deviation.value == pytest.approx((20 - 40 / 3) / 2)  # of 0.6 / 3 and 0.4 / 3


def test_empty_and_unasked_are_worth_nothing_and_are_counted(folder: Path, tmp_path: Path) -> None:
    own = bench()
    questions = own.load(folder).questions
    rows = [
        Answered(question=questions[0], text=" "),
        Answered(question=questions[1], problem="no photo"),
        Answered(question=questions[2], text="three"),
    ]
    with ScriptedTeacher(says=lambda *_: "1.0") as server:
        judged = judge(own, rows, config(server.url), tmp_path / "journal")
        assert len(server.log) == 1
    total = own.aggregate(own.scored_by(rows, judged))[0]
    assert total.value == pytest.approx(100 / 3)
    assert (total.n, total.failures, total.unasked) == (3, 1, 1)
