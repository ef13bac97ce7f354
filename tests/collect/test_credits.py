"""Licences and credits of photos from a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collect.annotated import caption, collect, listed, photo, reasons, write
from vlit.data.errors import VlitError


def collected(folder: Path, table: str, **options: object):  # type: ignore[no-untyped-def]
    for n in (1, 2):
        photo(folder / f"images/{n:012d}.jpg")
    licences = [{"id": 4, "name": "As COCO says"}]
    images = [listed(n, license=4, flickr_url=f"http://flickr/{n}") for n in (1, 2)]
    annotations = [caption(n, n) for n in (1, 2)]
    write(folder / "c.json", {"licenses": licences, "images": images, "annotations": annotations})
    (folder / "credits.csv").write_text(table)
    source = {"kind": "coco", "images": "images", "captions": "c.json", "attribution": "credits.csv"}
    return collect(folder, {**source, **options})


def test_the_table_goes_before_the_annotation_file(tmp_path: Path) -> None:
    scenes, bad = collected(
        tmp_path, "file_name,license,author\nCOCO_val2014_000000000001.jpg,CC0,Ann\n,CC0,Bob\n"
    )
    assert (scenes["coco:1"].licence, scenes["coco:1"].attribution) == ("CC0", "Ann")
    assert (scenes["coco:2"].licence, scenes["coco:2"].attribution) == ("As COCO says", "http://flickr/2")
    assert reasons(bad) == {"line 3": "the row names no photo"}


def test_a_table_without_licences(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="columns of photo and licence are needed, found: file_name, author"):
        collected(tmp_path, "file_name,author\n000000000001.jpg,Ann\n")


@pytest.mark.parametrize("table", ["", "\nfile_name,license\n"])
def test_a_table_without_header(tmp_path: Path, table: str) -> None:
    with pytest.raises(VlitError, match="no header line"):
        collected(tmp_path, table)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match=r"there is no 'gone.csv'"):
        collected(tmp_path, "file_name,license\n", attribution="gone.csv")
