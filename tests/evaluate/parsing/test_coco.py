"""A photo of COCO is found under the name of any release, and is lost under the name that the file has."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Photo

from vlit.evaluate.parsing.coco import coco_photo
from vlit.evaluate.parsing.reading import Reading, Record

RECORD = Record("file.json", "record 1", {}, "1")


def found(folder: Path, there: str, asked: str) -> tuple[str | None, list[str]]:
    """Name of the photo that is found where one is there, and what is lost."""
    Photo.new("RGB", (4, 4)).save(folder / there)
    reading = Reading("test", folder)
    photo = coco_photo(reading, reading.photos("."), asked, RECORD, "image")
    return None if photo is None else Path(photo.uri).name, [row.value for row in reading.lost]


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("000000000042.jpg", "COCO_val2014_000000000042.jpg"),
        ("000000000042.jpg", "COCO_train2014_000000000042.jpg"),
        ("COCO_val2014_000000000042.jpg", "000000000042.jpg"),
        ("COCO_train2014_000000000042.jpg", "000000000042.jpg"),
        ("COCO_test2015_000000000042.jpg", "000000000042"),
        ("COCO_free_000000000042.jpg", "COCO_free_000000000042.jpg"),
        ("000000000042.jpg", "COCO_free_000000000042.jpg"),
    ],
)
def test_a_number_is_one_photo_whatever_the_release(tmp_path: Path, there: str, asked: str) -> None:
    assert found(tmp_path, there, asked) == (there, [])


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("000000000042.jpg", "000000000043.jpg"),
        ("COCO_val2014_001.jpg", "001.jpg"),  # no number of COCO: of LLaVA-Bench in the wild
        ("000000000042.jpg", "COCO_val2014_0000000000421.jpg"),
        ("000000000042.jpg", "elsewhere/000000000042.jpg"),
    ],
)
def test_another_photo_is_never_taken(tmp_path: Path, there: str, asked: str) -> None:
    assert found(tmp_path, there, asked) == (None, [asked])


def test_the_name_of_the_file_comes_first(tmp_path: Path) -> None:
    Photo.new("RGB", (4, 4)).save(tmp_path / "000000000042.jpg")
    assert found(tmp_path, "COCO_val2014_000000000042.jpg", "000000000042.jpg")[0] == "000000000042.jpg"
