"""A plain folder of images with a table of captions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collect.annotated import caption, collect, listed, photo, reasons, write
from vlit.data.errors import VlitError


def texts(folder: Path, table: str, content: str, **options: str) -> dict[str, list[str]]:
    for name in ("a.jpg", "sub/b.png"):
        photo(folder / name)
    (folder / table).write_text(content, encoding="utf-8")
    scenes, _ = collect(folder, {"kind": "captions", "path": table, "name": "p", **options})
    return {key: [c.text for c in scene.captions] for key, scene in scenes.items()}


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("t.csv", 'file_name,caption\na.jpg,"A cat, black."\nsub/b.png,A dog.\na.jpg,Two.\n'),
        ("t.csv", '\ufeffFile_Name;Caption\r\na.jpg;"A cat, black."\r\nb.png;A dog.\r\na.jpg;Two.\r\n'),
        ("t.tsv", "image\ttext\na.jpg\tA cat, black.\n./sub/b.png\tA dog.\na.jpg\tTwo.\n"),
        (
            "t.csv",
            "image_name| comment_number| comment\n"
            "a.jpg| 0| A cat, black.\nb.png| 0| A dog.\na.jpg| 1| Two.\n",
        ),
        (
            "t.jsonl",
            '{"file_name":"a.jpg","text":["A cat, black.","Two."]}\n\n{"file_name":"b.png","text":"A  dog."}\n',
        ),
        ("t.csv", 'id,caption,image\n1,"A cat,\nblack.",a.jpg\n2,A dog.,b.png\n3,Two.,a.jpg\n'),
    ],
)  # fmt: skip
def test_tables(tmp_path: Path, table: str, content: str) -> None:
    assert texts(tmp_path, table, content) == {"p:a.jpg": ["A cat, black.", "Two."], "p:sub/b.png": ["A dog."]}


def test_columns_by_name(tmp_path: Path) -> None:
    found = texts(tmp_path, "t.csv", "pic,words\na.jpg,A cat.\n", file_column="pic", caption_column="words")
    assert found == {"p:a.jpg": ["A cat."]}
    with pytest.raises(VlitError, match="no column holds the file name; found: pic, words"):
        texts(tmp_path, "t.csv", "pic,words\na.jpg,A cat.\n")
    with pytest.raises(VlitError, match="no column holds the caption"):
        texts(tmp_path, "t.csv", "file,words\na.jpg,A cat.\n")


def test_bad_rows(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    rows = [
        '{"file": "a.jpg", "caption": "A cat."}',
        "{oops",
        '{"caption": "x"}',
        '{"file": "a.jpg", "caption": 3}',
        '{"file": "gone.jpg", "caption": "x"}',
        '{"file": "../a.jpg", "caption": "x"}',
        '{"file": "a.jpg", "caption": " "}',
        "[1]",
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    scenes, bad = collect(tmp_path, {"kind": "captions", "path": "t.jsonl"})
    assert [c.id for s in scenes.values() for c in s.captions] == ["caption:t.jsonl:1"]
    found = reasons(bad)
    assert found["line 2"].startswith("not a JSON object")
    assert found["line 8"].startswith("not a JSON object")
    assert found["line 3"] == "the row names no image file"
    assert found["line 4"] == "the caption is no text"
    assert found["image:gone.jpg"] == "there is no such photo"
    assert found["image:../a.jpg"] == "the file name leaves the image folder"
    assert found["caption:t.jsonl:7"] == "the caption is empty"


def test_join_with_coco_by_file_name(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    photo(tmp_path / "images/holiday.jpg")
    images = [listed(790), listed(3, "holiday.jpg")]
    write(tmp_path / "c.json", {"images": images, "annotations": [caption(5, 790), caption(6, 3)]})
    (tmp_path / "t.csv").write_text("file,caption\nCOCO_val2014_000000000790.jpg,Mine.\nholiday.jpg,Sea.\n")
    coco = {"kind": "coco", "images": "images", "captions": "c.json", "name": "x"}
    scenes, bad = collect(
        tmp_path, coco, {"kind": "captions", "path": "t.csv", "images": "images", "name": "x"}
    )
    assert {key: len(s.captions) for key, s in scenes.items()} == {"x:790": 2, "x:3": 2}
    assert not bad


def test_same_file_name_in_two_folders(tmp_path: Path) -> None:
    for split in ("train", "val"):
        photo(tmp_path / split / "1.jpg")
        (tmp_path / split / "metadata.csv").write_text(f"file_name,text\n1.jpg,It is {split}.\n")
    scenes, bad = collect(tmp_path, {"kind": "auto", "path": ".", "name": "x"})
    assert {k: [c.text for c in s.captions] for k, s in scenes.items()} == {
        "x:train/1.jpg": ["It is train."],
        "x:val/1.jpg": ["It is val."],
    }
    assert not bad
    (tmp_path / "all.csv").write_text("file_name,text\n1.jpg,Which?\n")
    (row,) = collect(tmp_path, {"kind": "auto", "path": ".", "name": "x"})[1]
    assert (row.file, row.reason) == ("all.csv", "2 photos have this name, in different folders")


def test_unquoted_commas_are_not_cut_off(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / "t.csv").write_text(",file,caption\n0,a.jpg,A cat.\n1,a.jpg,A cat, black, small.\n2,a.jpg\n")
    scenes, bad = collect(tmp_path, {"kind": "captions", "path": "t.csv"})
    assert [c.text for s in scenes.values() for c in s.captions] == ["A cat."]
    assert [(q.record, q.value) for q in bad] == [("line 3", "black small."), ("line 4", "None")]


def test_not_utf8(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / "t.csv").write_bytes("file,caption\na.jpg,Café\n".encode("latin-1"))
    with pytest.raises(VlitError, match="UTF-8"):
        collect(tmp_path, {"kind": "captions", "path": "t.csv"})


def test_a_quote_that_is_never_closed_costs_its_rows_and_says_which(tmp_path: Path) -> None:
    """Else one caption would silently take in all rows after it."""
    photo(tmp_path / "a.jpg")
    rows = ["file,caption", "a.jpg,A cat.", '"a.jpg","A "black" cat."', 'a.jpg,"A dog.', "a.jpg,A bird."]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    scenes, bad = collect(tmp_path, {"kind": "captions", "path": "t.csv", "name": "p"})
    assert [c.text for c in scenes["p:a.jpg"].captions] == ["A cat."]
    assert [(q.record, q.reason.split(":")[0]) for q in bad] == [
        ("line 3", "the line cannot be split into columns"),
        ("line 5", "lines 4 to 5 cannot be split into columns"),
    ]


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="columns of the same name: caption"):
        texts(tmp_path, "t.csv", "file,caption,Caption\na.jpg,A cat.,A dog.\n")


def test_whole_paths_of_photos_in_the_folder_are_good_names(tmp_path: Path) -> None:
    assert texts(tmp_path, "t.csv", f"file,caption\n{tmp_path}/a.jpg,A cat.\n") == {"p:a.jpg": ["A cat."]}


def test_a_table_in_the_encoding_of_a_spreadsheet_says_so(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / "t.csv").write_bytes("file,caption\na.jpg,A café.\n".encode("latin-1"))
    with pytest.raises(VlitError, match=r"not UTF-8: byte 0xe9 in b'[\s\S]*A caf[\s\S]*CSV UTF-8"):
        collect(tmp_path, {"kind": "auto", "path": "."})


def test_a_photo_of_a_kind_that_is_not_read_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / "b.heic").write_bytes(b"heic")
    (tmp_path / "t.csv").write_text("file,caption\na.jpg,A cat.\nb.heic,A dog.\n")
    _, bad = collect(tmp_path, {"kind": "captions", "path": "t.csv"})
    assert reasons(bad)["image:b.heic"].startswith("this kind of file is not read; known are .bmp")
