"""MMBench: official tables with photos inside, vanilla and circular, and the server's spreadsheet."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from tests.evaluate.benchmarks import spreadsheets
from vlit.data.errors import VlitError
from vlit.evaluate.benchmarks.mmbench import MMBench, MMBenchConfig
from vlit.evaluate.question import Answered
from vlit.evaluate.spreadsheet import xlsx

COLUMNS = ("index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image", "l2-category")


def photo(colour: str = "red") -> str:
    data = io.BytesIO()
    PILImage.new("RGB", (8, 6), colour).save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


def row(index: int, **changed: Any) -> dict[str, Any]:
    return {
        "index": index,
        "question": "What colour is it?",
        "hint": "",
        "A": "red",
        "B": "blue",
        "C": "green",
        "D": "",
        "answer": "B",
        "category": "attribute_recognition",
        "image": photo(),
        "l2-category": "finegrained_perception (instance-level)",
        **changed,
    }


def write(folder: Path, rows: list[dict[str, Any]], columns: tuple[str, ...] = COLUMNS) -> None:
    with (folder / "mmbench_dev_en.tsv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, delimiter="\t", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def said(benchmark: MMBench, folder: Path, texts: list[str]) -> list[Answered]:
    questions = benchmark.load(folder).questions
    return [Answered(question=q, text=t) for q, t in zip(questions, texts, strict=True)]


def test_vanilla_asks_as_llava_does(tmp_path: Path) -> None:
    write(tmp_path, [row(241, hint="Look closely."), row(242)])
    first, second = MMBench(MMBenchConfig()).load(tmp_path).questions
    assert first.prompt == (
        "<image>\nLook closely.\nWhat colour is it?\nA. red\nB. blue\nC. green\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert second.prompt.startswith("<image>\nWhat colour is it?")
    assert first.groups["category"] == "attribute_recognition"
    chinese = MMBench(MMBenchConfig(language="cn")).load(tmp_path).questions[0]
    assert chinese.prompt.endswith("\n请直接回答选项字母。")


def test_quirk_options_end_at_the_first_empty_cell(tmp_path: Path) -> None:
    write(tmp_path, [row(1, C="", D="black"), row(2, C="nan", D="black"), row(3, C="None", D="black")])
    asked = MMBench(MMBenchConfig()).load(tmp_path).questions
    assert [q.options for q in asked[:2]] == [("red", "blue")] * 2
    assert asked[2].options == ("red", "blue", "None", "black")  # LLaVA's script ends at "None" as well


def test_photos_are_written_beside_the_table_once(tmp_path: Path) -> None:
    rows = [row(241), row(242, image="241"), row(243, image="no photo"), row(244, image="99")]
    write(tmp_path, [*rows, row(245, image="data:image/jpeg;base64,\n" + photo()[:76] + "\n" + photo()[76:])])
    loaded = MMBench(MMBenchConfig()).load(tmp_path)
    first, second, broken = loaded.questions
    assert broken.images[0].sha256 == first.images[0].sha256
    assert first.images == second.images  # a short number is the index of the row that holds the photo
    path = Path(first.images[0].uri)
    assert path == tmp_path / "mmbench_dev_en.images" / "241.jpeg" and first.images[0].width == 8
    changed = path.stat().st_mtime_ns
    assert MMBench(MMBenchConfig()).load(tmp_path).questions == loaded.questions
    assert path.stat().st_mtime_ns == changed
    assert "no base64" in loaded.lost[0].reason
    assert loaded.lost[1].reason == "photo: it is that of a row that is not there"


def test_a_folder_that_cannot_be_written_stops(tmp_path: Path) -> None:
    write(tmp_path, [row(241)])
    (tmp_path / "file").touch()
    with pytest.raises(VlitError, match="cannot be written"):
        MMBench(MMBenchConfig(images="file/photos")).load(tmp_path)


def test_circular_turns_the_options_and_the_answer(tmp_path: Path) -> None:
    write(tmp_path, [row(241)])
    questions = MMBench(MMBenchConfig(protocol="circular")).load(tmp_path).questions
    assert [(q.id, q.options, q.references, q.unit) for q in questions] == [
        ("241#1", ("red", "blue", "green"), ("B",), "241"),
        ("241#2", ("blue", "green", "red"), ("A",), "241"),
        ("241#3", ("green", "red", "blue"), ("C",), "241"),
    ]


def test_a_question_counts_when_all_its_rotations_are_right(tmp_path: Path) -> None:
    write(tmp_path, [row(1), row(2), row(3)])
    circular = MMBench(MMBenchConfig(protocol="circular"))
    answers = said(circular, tmp_path, ["B", "A", "C", "B", "B", "C", "B", "A", ""])
    found = {(m.name, m.group): m for m in circular.aggregate(circular.scored(answers))}
    assert found["accuracy", ""].value == pytest.approx(100 / 3)
    assert (found["accuracy", ""].n, found["accuracy", ""].failures) == (3, 1)
    assert found["accuracy, first rotation alone", ""].value == 100.0
    assert found["accuracy", "category: attribute_recognition"].n == 3
    part = {m.name: m for m in circular.aggregate(circular.scored(answers[:5]))}
    assert (part["accuracy"].n, part["accuracy"].unasked) == (2, 1)


def test_rotations_of_the_table_are_taken(tmp_path: Path) -> None:
    turned = row(1_000_241, A="blue", B="green", C="red", answer="A", image="241")
    orphan = row(1_000_999, image="241")
    write(tmp_path, [row(241), turned, orphan])
    loaded = MMBench(MMBenchConfig(protocol="circular")).load(tmp_path)
    assert [q.options[0] for q in loaded.questions] == ["red", "blue", "green"]
    assert [q.id for q in loaded.questions] == ["241#1", "241#2", "241#3"]
    assert [lost.reason for lost in loaded.lost] == ["its first rotation is not there"]
    assert len(MMBench(MMBenchConfig()).load(tmp_path).questions) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"answer": ""},
        {"answer": "D"},  # out of range
        {"answer": "B"},  # another option than in the question
        {"A": "pink"},
        {"C": ""},
    ],
)
def test_a_row_that_is_no_rotation_of_its_question_is_made_anew(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    turned = row(1_000_241, **{"A": "blue", "B": "green", "C": "red", "answer": "A", "image": "241"} | changed)
    write(tmp_path, [row(241), turned])
    loaded = MMBench(MMBenchConfig(protocol="circular")).load(tmp_path)
    assert [(q.options, q.references) for q in loaded.questions][1] == (("blue", "green", "red"), ("A",))
    (lost,) = loaded.lost
    assert "a rotation is made" in lost.reason and lost.action == "repaired", "the score is of all questions"


def test_official_rotations_may_turn_the_other_way(tmp_path: Path) -> None:
    write(tmp_path, [row(241), row(1_000_241, A="green", B="red", C="blue", answer="C", image="241")])
    loaded = MMBench(MMBenchConfig(protocol="circular")).load(tmp_path)
    assert loaded.questions[1].options == ("green", "red", "blue") and not loaded.lost


def test_quirk_of_llava_a_hint_that_is_called_none_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, [row(1, hint="None"), row(2, hint="nan"), row(3, hint="None of them moves.")])
    asked = [q.prompt.split("\n")[1] for q in MMBench(MMBenchConfig()).load(tmp_path).questions]
    assert asked == ["What colour is it?", "What colour is it?", "None of them moves."]


def test_without_answers_nothing_is_scored_and_the_file_is_written(tmp_path: Path) -> None:
    columns = tuple(name for name in COLUMNS if name != "answer")
    write(tmp_path, [row(1), row(2)], columns)
    vanilla = MMBench(MMBenchConfig())
    assert "no answers" in vanilla.load(tmp_path).remarks[1]
    answers = said(vanilla, tmp_path, ["B.", "I cannot tell"])
    assert vanilla.aggregate(vanilla.scored(answers))[0].value is None
    (tmp_path / "out.xlsx").write_bytes(vanilla.submission(answers)["mmbench_en.xlsx"])
    assert spreadsheets.rows(tmp_path / "out.xlsx") == [
        {
            "index": "1",
            "question": "What colour is it?",
            "A": "red",
            "B": "blue",
            "C": "green",
            "prediction": "B",
        },
        {
            "index": "2",
            "question": "What colour is it?",
            "A": "red",
            "B": "blue",
            "C": "green",
            "prediction": "I cannot tell",
        },
    ]


def test_each_row_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    rows = [row(1), row(1), row(2, answer="D"), row(3, B=""), {**row(4), "index": "x"}]
    rows += [
        row(5, answer="AB"),
        row(6, answer="a"),
        {**row(7), "index": "07"},
        {**row(8), "index": "8" * 5_000},
    ]
    write(tmp_path, [*rows, row(9, question="What is <image> for?")])
    loaded = MMBench(MMBenchConfig()).load(tmp_path)
    assert [q.id for q in loaded.questions] == ["1"]
    assert [lost.reason for lost in loaded.lost] == [
        "the id stands twice: first at line 2",
        "B is missing",
        "the index is no whole number",
        "the index is no whole number",
        "the index is no whole number",
        "there are 3 options",
        "there are 3 options",
        "there are 3 options",
        "the question holds <image>",
    ]
    (tmp_path / "mmbench_dev_en.tsv").write_text("id\tquestion\n1\tx\n")
    with pytest.raises(VlitError, match="no column 'index'"):
        MMBench(MMBenchConfig()).load(tmp_path)


def test_a_spreadsheet_holds_any_text_and_is_the_same_each_time(tmp_path: Path) -> None:
    rows: list[list[str | int | None]] = [["index", "text"], [7, 'a < "b" & \x00 答\n'], [8, None], [9, " x "]]
    data = xlsx(rows)
    assert data == xlsx(rows)
    (tmp_path / "t.xlsx").write_bytes(data)
    assert spreadsheets.rows(tmp_path / "t.xlsx") == [
        {"index": "7", "text": 'a < "b" &   答\n'},
        {"index": "8"},
        {"index": "9", "text": " x "},
    ]
