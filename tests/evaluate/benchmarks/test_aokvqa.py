"""A-OKVQA: the official layout, multiple choice and direct answers with the script's quirks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from vlit.evaluate.benchmarks.aokvqa import AOKVQA, AOKVQAConfig
from vlit.evaluate.question import Answered

PEOPLE = ["paris", "france", "france", "paris", *["france"] * 5, "Europe"]


def record(id: str, **changed: Any) -> dict[str, Any]:
    return {
        "split": "val",
        "image_id": 456496,
        "question_id": id,
        "question": "In what nation is this scene located?",
        "choices": ["spain", "china", "italy", "france"],
        "correct_choice_idx": 3,
        "direct_answers": PEOPLE,
        "difficult_direct_answer": False,
        "rationales": ["There is the eiffel tower."],
        **changed,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "val2017").mkdir()
    PILImage.new("RGB", (8, 6)).save(tmp_path / "val2017" / "000000456496.jpg")
    PILImage.new("RGB", (8, 6)).save(tmp_path / "val2017" / "COCO_val2014_000000000007.jpg")
    return tmp_path


def write(folder: Path, records: list[Any]) -> None:
    (folder / "aokvqa_v1p0_val.json").write_text(json.dumps(records))


def answered(benchmark: AOKVQA, folder: Path, texts: list[str]) -> list[Answered]:
    questions = benchmark.load(folder).questions
    return [Answered(question=q, text=t) for q, t in zip(questions, texts, strict=True)]


def test_choice_asks_for_the_letter(folder: Path) -> None:
    write(folder, [record("a"), record("b", image_id=7, correct_choice_idx=0)])
    choice = AOKVQA(AOKVQAConfig())
    first, second = choice.load(folder).questions
    assert first.prompt == (
        "<image>\nIn what nation is this scene located?\nA. spain\nB. china\nC. italy\nD. france\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert first.references == ("D",) and second.images[0].uri.endswith("COCO_val2014_000000000007.jpg")
    rows = answered(choice, folder, ["The answer is D.", "france"])
    metrics = choice.aggregate(choice.scored(rows))
    assert [(m.name, m.value) for m in metrics] == [("accuracy", 50.0), ("accuracy, lone letter", 50.0)]
    assert json.loads(choice.submission(rows)["aokvqa_multiple_choice.json"]) == {
        "a": {"multiple_choice": "france"},
        "b": {"multiple_choice": "france"},
    }


def test_quirk_of_two_options_with_one_content_either_is_right(folder: Path) -> None:
    write(folder, [record("a", choices=["france", "china", "italy", "france"])])
    choice = AOKVQA(AOKVQAConfig())
    rows = answered(choice, folder, ["A"])
    assert choice.aggregate(choice.scored(rows))[0].value == 100, "the script compares contents"


def test_the_servers_file_has_every_id(folder: Path) -> None:
    write(folder, [record("a"), record("lost", image_id=9), record("hard", difficult_direct_answer=True)])
    for protocol, key in (("choice", "multiple_choice"), ("direct", "direct_answer")):
        benchmark = AOKVQA(AOKVQAConfig(protocol=protocol))
        questions = benchmark.load(folder).questions
        made = json.loads(
            benchmark.submission([Answered(question=questions[0], text="france")])[f"aokvqa_{key}.json"]
        )
        assert made == {"a": {key: "france"}, "lost": {key: ""}, "hard": {key: ""}}


@pytest.mark.parametrize(
    ("answer", "official", "normalised"),
    [
        ("france", 100.0, 100.0),
        ("paris", 200 / 3, 200 / 3),
        (" france\n", 100.0, 100.0),
        ("France.", 0.0, 100.0),  # quirk: letter by letter
        ("europe", 0.0, 100 / 3),
        ("spain", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_direct_answers_count_a_third_for_each_person(
    folder: Path, answer: str, official: float, normalised: float
) -> None:
    write(folder, [record("a")])
    direct = AOKVQA(AOKVQAConfig(protocol="direct"))
    rows = answered(direct, folder, [answer])
    assert rows[0].question.prompt.endswith("located?\nAnswer the question using a single word or phrase.")
    first, second = direct.aggregate(direct.scored(rows))
    assert first.value == pytest.approx(official) and second.value == pytest.approx(normalised)
    assert first.failures == (answer == "")


def test_questions_too_open_are_left_out_of_direct_answers_alone(folder: Path) -> None:
    write(folder, [record("a", difficult_direct_answer=True), record("b")])
    assert len(AOKVQA(AOKVQAConfig()).load(folder).questions) == 2
    loaded = AOKVQA(AOKVQAConfig(protocol="direct")).load(folder)
    assert [q.id for q in loaded.questions] == ["b"]
    assert loaded.remarks == ("1 questions are too open for direct answers, and are not asked",)


def test_without_answers_nothing_is_scored(folder: Path) -> None:
    hidden = {k: v for k, v in record("a").items() if k not in ("correct_choice_idx", "direct_answers")}
    write(folder, [hidden])
    for protocol in AOKVQA.protocols:
        benchmark = AOKVQA(AOKVQAConfig(protocol=protocol))
        rows = answered(benchmark, folder, ["D"])
        assert benchmark.aggregate(benchmark.scored(rows))[0].value is None
        assert benchmark.submission(rows)


def test_each_question_that_cannot_be_asked_is_named(folder: Path) -> None:
    write(
        folder,
        [
            record("a"),
            record("a"),
            record("b", correct_choice_idx=4),
            record("c", choices=[]),
            record("d", image_id=9),
            record("e", direct_answers="france"),
        ],
    )
    loaded = AOKVQA(AOKVQAConfig()).load(folder)
    assert [q.id for q in loaded.questions] == ["a"]
    assert [row.reason for row in loaded.lost] == [
        "the id stands twice: first at record 1",
        "there are 4 choices",
        "choices is missing",
        "photo: there is no such photo below the image folder",
        "direct_answers should be a list",
    ]


def test_the_photos_that_ship(demo: Path, tmp_path: Path) -> None:
    """The A-OKVQA records of the demo, which name their own photos by COCO's numbers."""
    found = sorted(demo.rglob("*aokvqa*.json"))
    if not found:
        pytest.skip("the demo has no A-OKVQA records")
    config = AOKVQAConfig(questions=str(found[0]), images=str(demo))
    loaded = AOKVQA(config).load(tmp_path)
    assert loaded.questions and not loaded.lost
