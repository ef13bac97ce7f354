"""MMMU: official Parquet and JSON layouts, the official rules with their quirks, no random guess."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from vlit.data.errors import VlitError
from vlit.evaluate.benchmarks.mmmu import DISCIPLINES, MMMU, MMMUConfig, official
from vlit.evaluate.parsing.open_answer import candidates, matches
from vlit.evaluate.question import Answered

OPTIONS = ("$6", "$7", "Eight dollars", "a cat")


def png(colour: str) -> dict[str, Any]:
    data = io.BytesIO()
    PILImage.new("RGB", (8, 6), colour).save(data, "PNG")
    return {"bytes": data.getvalue(), "path": "x.png"}


def record(id: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": id,
        "question": "<image 1> What is the total?",
        "options": "['$6', '$7', 'Eight dollars', 'a cat']",
        "answer": "B",
        "question_type": "multiple-choice",
        "image_1": png("red"),
        "image_2": None,
        **changed,
    }


def write(folder: Path, records: list[dict[str, Any]], subject: str = "Accounting") -> None:
    (folder / "MMMU" / subject).mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(records)
    pq.write_table(table, folder / "MMMU" / subject / "validation-00000-of-00001.parquet")


def test_the_official_parquet_files_are_asked_in_the_official_form(tmp_path: Path) -> None:
    first = record("validation_Accounting_1")
    opened = record(
        "validation_Accounting_2",
        question_type="open",
        options="[]",
        answer="['$6,000', '6000']",
        question="How much?",
        image_2=png("blue"),
    )
    write(tmp_path, [first, opened])
    loaded = MMMU(MMMUConfig()).load(tmp_path)
    choice, phrase = loaded.questions
    assert choice.prompt == (
        "<image> What is the total?\n(A) $6\n(B) $7\n(C) Eight dollars\n(D) a cat\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert choice.groups == {"discipline": "Business", "subject": "Accounting"}
    assert phrase.prompt == (
        "<image>\n<image>\nHow much?\nAnswer the question using a single word or phrase."
    )  # photos that are named nowhere come first
    assert len(phrase.images) == 2 and phrase.references == ("$6,000", "6000") and not phrase.options
    assert Path(choice.images[0].uri).parent == tmp_path / "MMMU.images"
    assert loaded.remarks == ("2 questions: 1 of choice, 1 open",)


def test_photos_stand_where_they_are_named(tmp_path: Path) -> None:
    options = "['<image 2>', '<image 1>']"
    write(tmp_path, [record("validation_Art_1", options=options, image_2=png("blue"), answer="A")], "Art")
    (question,) = MMMU(MMMUConfig()).load(tmp_path).questions
    assert question.prompt.startswith("<image> What is the total?\n(A) <image>\n(B) <image>\n\nAnswer")
    names = [Path(image.uri).name for image in question.images]
    assert names == ["validation_Art_1_1.png", "validation_Art_1_2.png", "validation_Art_1_1.png"]


def test_a_json_file_of_the_same_records(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    PILImage.new("RGB", (8, 6)).save(tmp_path / "photos" / "1.png")
    records = [
        record("validation_Math_1", options=["1", "2"], image_1="1.png"),
        record("validation_Math_1", image_1="1.png"),
        record("validation_Cooking_1", image_1="1.png"),
        record("validation_Math_2", image_1="none.png"),
        record("validation_Math_3", image_1="1.png", answer="E"),
        record("validation_Math_4", image_1="1.png", question="See <image 2>"),
        record("validation_Math_5", image_1="1.png", answer="AB"),
        record("validation_Math_6", image_1="1.png", answer="[]"),
        record("validation_Math_7", image_1="1.png", answer=["A", "E"]),
        record("validation_Math_8", image_1="1.png", question_type="multiple_choice"),
        record("validation_Math_9", image_1="x" * 300),
        record("validation_Math_10", image_1="1.png", question="Is <image> a mark?"),
        record("validation_Math_11", image_1="1.png", question_type="short-answer", options=[], answer="7"),
    ]
    (tmp_path / "val.json").write_text(json.dumps(records))
    loaded = MMMU(MMMUConfig(path="val.json", images="photos")).load(tmp_path)
    assert [q.id for q in loaded.questions] == ["validation_Math_1", "validation_Math_11"]
    assert loaded.questions[1].options == () and loaded.questions[1].references == ("7",)
    assert [row.reason for row in loaded.lost] == [
        "the id stands twice: first at record 1",
        "the id names none of the 30 subjects",
        "photo: there is no such photo below the image folder",
        "there are 4 options",
        "a photo that it names is not there",
        "there are 4 options",
        "answer is missing",
        "there are 4 options",
        "a question is multiple-choice or open or short-answer",
        "photo: this is no file name: File name too long",
        "the question holds <image>",
    ]


def test_wrong_folders_and_files_stop(tmp_path: Path) -> None:
    (tmp_path / "MMMU").mkdir()
    with pytest.raises(VlitError, match=r"no validation-\*.parquet"):
        MMMU(MMMUConfig()).load(tmp_path)
    (tmp_path / "MMMU" / "validation-0.parquet").write_bytes(b"PAR0")
    with pytest.raises(VlitError, match="no Parquet file"):
        MMMU(MMMUConfig()).load(tmp_path)
    with pytest.raises(VlitError, match="there is no file"):
        MMMU(MMMUConfig(path="none")).load(tmp_path)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(B) because (A) is too small", "A"),  # quirk: the last bracketed letter, whatever is said of it
        ("I take B or C today", "C"),
        ("A dog has four legs", "A"),  # quirk: the article
        ("it must have been eight dollars in the end", "C"),
        ("eight dollars", None),  # quirk: contents count in more than five words alone
        ("b", None),  # quirk: the case of letters counts
        ("B. $7", None),  # quirk: neither brackets nor spaces around the letter
        ("", None),
        ("   ", None),
        ("I do not know that", None),
    ],
)
def test_the_official_rule_for_choice(answer: str, letter: str | None) -> None:
    assert official(answer, OPTIONS).value == letter


@given(st.text(), st.lists(st.text(), min_size=2, max_size=5))
def test_nothing_is_guessed_and_nothing_crashes(answer: str, options: list[str]) -> None:
    assert official(answer, options) == official(answer, options)
    matches(json.loads(json.dumps(candidates(answer))), options)


@pytest.mark.parametrize(
    ("answer", "references", "right"),
    [
        ("The answer is 6,000.", ("$6,000", "6000"), True),
        ("6000.001", ("6000",), True),  # two decimals
        ("x = 3.5", ("3.50",), True),
        ("So the result is 1.2e3", ("1200",), True),
        ("not a dog", ("dog",), True),  # quirk: a reference inside the candidate is enough
        ("a", ("b",), False),
        ("cab", ("b",), False),  # quirk: a single character needs a space beside it
        ("vitamin b", ("b",), True),
        ("", ("6",), False),
        ("about 7", ("6",), False),
    ],
)
def test_the_official_rule_for_open_answers(answer: str, references: tuple[str, ...], right: bool) -> None:
    assert matches(candidates(answer), references) is right


def test_scores_by_discipline_and_subject(tmp_path: Path) -> None:
    write(tmp_path, [record("validation_Accounting_1"), record("validation_Accounting_2")])
    write(tmp_path, [record("validation_Math_1", question_type="open", options="[]", answer="7")], "Math")
    mmmu = MMMU(MMMUConfig())
    said = ["B", "B. $7", "It is 7"]
    rows = [Answered(question=q, text=t) for q, t in zip(mmmu.load(tmp_path).questions, said, strict=True)]
    found = {(m.name, m.group): (m.value, m.n, m.failures) for m in mmmu.aggregate(mmmu.scored(rows))}
    assert found["accuracy", ""] == (pytest.approx(200 / 3), 3, 1)  # type: ignore[comparison-overlap]
    assert found["accuracy", "discipline: Business"] == (50.0, 2, 1)
    assert found["accuracy", "subject: Math"] == (100.0, 1, 0)
    assert found["accuracy", "kind: open"] == (100.0, 1, 0)
    assert found["accuracy, stated letter", ""] == (100.0, 3, 0)
    written = json.loads(mmmu.submission(rows)["mmmu.json"])
    assert written["validation_Accounting_2"] == "" and written["validation_Math_1"] == "It is 7"


def test_answers_that_are_not_public_are_not_scored(tmp_path: Path) -> None:
    opened = record("test_Accounting_2", answer="?", options="[]", question_type="open")
    write(tmp_path, [record("test_Accounting_1", answer="?"), opened])
    mmmu = MMMU(MMMUConfig())
    loaded = mmmu.load(tmp_path)
    assert "not public" in loaded.remarks[1]
    rows = [Answered(question=q, text="(B)") for q in loaded.questions]
    (overall, *_) = mmmu.aggregate(mmmu.scored(rows))
    assert (overall.value, overall.n) == (None, 0)
    assert json.loads(mmmu.submission(rows)["mmmu.json"]) == {
        "test_Accounting_1": "B",
        "test_Accounting_2": "(B)",
    }


def test_there_are_thirty_subjects_in_six_disciplines() -> None:
    assert (len(DISCIPLINES), sum(map(len, DISCIPLINES.values()))) == (6, 30)
