"""Readers of official files: what is read, what is lost and why, and what stops."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem
from vlit.evaluate.parsing.reading import Reading
from vlit.evaluate.question import Question


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading("seed", tmp_path)


def test_a_list_an_object_and_lines_give_records_with_their_places(reading: Reading) -> None:
    (reading.base / "list.json").write_text(json.dumps([{"a": 1}, {"a": 2}]))
    (reading.base / "object.json").write_text(json.dumps({"x": {"a": 1}, "y": {"a": 2}}))
    (reading.base / "lines.jsonl").write_text('{"a": 1}\n\n{"a": "\u2028"}\n', encoding="utf-8")
    (reading.base / "under.json").write_text(json.dumps({"questions": [{"a": 1}]}))
    assert [r.place for r in reading.records("list.json")] == ["record 1", "record 2"]
    assert [r.place for r in reading.records("object.json")] == ["x", "y"]
    lines = reading.records("lines.jsonl")
    assert [r.place for r in lines] == ["line 1", "line 3"]
    assert lines[1]["a"] == "\u2028"  # a line separator of Unicode is no end of a line of JSON
    assert reading.records("under.json", under="questions")[0]["a"] == 1
    assert list(reading.files) == ["list.json", "object.json", "lines.jsonl", "under.json"]
    assert not reading.lost


def test_a_packed_file_gives_the_same_records(reading: Reading) -> None:
    (reading.base / "lines.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n'))
    (reading.base / "bom.json").write_bytes(b'\xef\xbb\xbf[{"a": 1}]')
    assert reading.records("lines.jsonl.gz")[0]["a"] == reading.records("bom.json")[0]["a"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"other": []}', "has no 'questions'"),
        (b'[{"a": 1}]', "has no 'questions'"),
        (b'{"questions": 3}', "records are expected"),
        (b'{"questions": [', "no JSON"),
        (b"[" * 200_000, "nested too deep"),
        (b"[" + b"9" * 5_000 + b"]", "no JSON"),
        (b"\xff\xfe\x00", "no UTF-8"),
        (b"\x1f\x8b\x08broken", "cannot be read"),
    ],
)
def test_a_wrong_file_stops_with_its_name_and_what_it_has(reading: Reading, content: bytes, said: str) -> None:
    (reading.base / "file.json").write_bytes(content)
    with pytest.raises(VlitError, match=said) as error:
        reading.records("file.json", under="questions")
    assert "file.json" in str(error.value)
    assert error.value.todo


def test_a_missing_file_stops(reading: Reading) -> None:
    with pytest.raises(VlitError, match="there is no file"):
        reading.records("none.json")
    with pytest.raises(VlitError, match="there is no folder"):
        reading.photos("none")


def test_each_unusable_record_is_lost_with_its_reason(reading: Reading) -> None:
    rows = [
        {"id": 1, "question": "What?"},
        {"id": "1", "question": "Again?"},  # 1 and "1" are one id
        {"question": "No id?"},
        {"id": 2},
        {"id": 3, "question": "  "},
        {"id": 4, "question": 7},
        {"id": True, "question": "An id that is none?"},
        "no record",
    ]
    (reading.base / "q.json").write_text(json.dumps(rows))
    usable = list(reading.usable(reading.records("q.json"), "id", {"question": str}))
    assert [record.id for record in usable] == ["1"]
    assert [(row.record, row.reason) for row in reading.lost] == [
        ("record 8", "an object is expected, and this is text"),
        ("1 (record 2)", "the id stands twice: first at record 1"),
        ("record 3", "the record has no id"),
        ("2 (record 4)", "question is missing"),
        ("3 (record 5)", "question is missing"),
        ("4 (record 6)", "question should be text, and is a number"),
        ("record 7", "the record has no id"),
    ]
    assert all(row.file == "q.json" and row.stage == "evaluate" for row in reading.lost)


def test_a_broken_line_is_lost_and_the_others_are_read(reading: Reading) -> None:
    (reading.base / "q.jsonl").write_text('{"a": 1}\n{"a": \n[]\n')
    assert len(reading.records("q.jsonl")) == 1
    assert [row.record for row in reading.lost] == ["line 2", "line 3"]


def test_a_key_that_stands_twice_in_an_object_is_told(reading: Reading) -> None:
    (reading.base / "q.json").write_text('{"7": {"a": 1}, "7": {"a": 2}}')
    assert [r["a"] for r in reading.records("q.json")] == [2]
    (row,) = reading.lost
    assert (row.record, row.action) == ("7", "repaired")


def test_a_table_leaves_empty_cells_out_and_loses_ragged_rows(reading: Reading) -> None:
    (reading.base / "q.tsv").write_text('index\tquestion\thint\n1\t"a\nb"\t\n2\tx\n3\t"say ""c"""\th\n')
    rows = reading.table("q.tsv", columns=["index", "question"])
    assert [dict(r.values) for r in rows] == [
        {"index": "1", "question": "a\nb"},
        {"index": "3", "question": 'say "c"', "hint": "h"},
    ]
    assert [row.reason for row in reading.lost] == ["2 cells, and 3 columns in the first line"]
    with pytest.raises(VlitError, match="no column 'answer'"):
        reading.table("q.tsv", columns=["answer"])


def test_a_half_character_is_written_out(reading: Reading) -> None:
    (reading.base / "q.json").write_text('[{"a": "\\ud83d", "b": "\\ud83d\\ude00", "c": ["\\uDC00"]}]')
    (record,) = reading.records("q.json")
    assert dict(record.values) == {"a": "\\ud83d", "b": "\U0001f600", "c": ["\\udc00"]}


def test_an_empty_table_has_no_columns(reading: Reading) -> None:
    (reading.base / "q.tsv").write_text("")
    with pytest.raises(VlitError, match="no column 'index'"):
        reading.table("q.tsv", columns=["index"])
    (reading.base / "q.tsv").write_bytes(b"index\n\x00\r\r1\n")
    reading.table("q.tsv")


_ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_ANY)
def test_any_json_gives_records_losses_or_an_error_that_teaches(value: object) -> None:
    with TemporaryDirectory() as folder:
        reading = Reading("seed", Path(folder))
        (reading.base / "q.json").write_text(json.dumps(value))
        try:
            usable = list(reading.usable(reading.records("q.json"), "id", {"question": str}))
        except VlitError as error:
            assert error.todo
        else:
            assert isinstance(value, (list, dict)) and len(usable) + len(reading.lost) >= len(value)


def test_photos_are_found_by_name_path_or_without_suffix(reading: Reading) -> None:
    folder = reading.base / "photos"
    for name in ("a/1.png", "b/1.png", "b/2.jpg", "3"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PILImage.new("RGB", (4, 3)).save(folder / name, "PNG")
    (folder / "bad.png").write_bytes(b"no photo")
    photos = reading.photos("photos")
    assert photos.find("b/1.png").uri.endswith("photos/b/1.png")
    assert reading.photos(".").find("b/2.jpg").uri.endswith("photos/b/2.jpg")
    assert photos.find("2").width == 4
    assert photos.find("3").height == 3  # the first SEED-Bench names its photos without a suffix
    assert photos.find("3") is photos.find("3")
    for name, said in [
        ("1.png", "2 photos"),
        ("4", "no such photo"),
        ("x/2.jpg", "no such photo"),  # another folder's photo of that name is another photo
        ("../q", "no file name"),
        ("/etc/x", "no file name"),
        ("bad.png", "not an image"),
    ]:
        with pytest.raises(ImageProblem, match=said):
            photos.find(name)


def test_an_absent_photo_is_lost_with_count(reading: Reading) -> None:
    (reading.base / "photos").mkdir()
    (reading.base / "q.json").write_text('[{"id": "7", "image": "x.jpg"}, {"id": "8", "image": "y.jpg"}]')
    photos = reading.photos("photos")
    records = list(reading.usable(reading.records("q.json"), "id", {"image": str}))
    assert [reading.photo(photos, record["image"], record) for record in records] == [None, None]
    assert len(reading.lost) == 2
    with pytest.raises(VlitError, match="2 x photo: there is no such photo"):
        reading.loaded([])


def test_what_was_read_is_told(reading: Reading) -> None:
    for folder in ("a", "b"):
        (reading.base / folder).mkdir()
        (reading.base / folder / "q.json").write_text("[{}]")
        reading.records(f"{folder}/q.json")
    reading.remarks.append("version 1")
    loaded = reading.loaded([Question(id="1", prompt="What?")])
    assert list(loaded.files) == ["q.json", "b/q.json"]
    assert loaded.remarks == ("version 1",)
