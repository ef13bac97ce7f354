"""Photos as they come: damaged, disguised, turned, resized."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.collect.annotated import caption, collect, instance, instances, listed, photo, reasons, write
from vlit.collect.build import fit
from vlit.collect.importer import Piece
from vlit.data.boxes import Box, oriented
from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem
from vlit.data.scene import Image as SceneImage
from vlit.run.engine import execute, plan
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

COCO = {"kind": "coco", "images": "images", "instances": "i.json"}


def folder_of(folder: Path, *names: str) -> None:
    """One good photo (id 0), and images 1, 2, 3 of these names."""
    photo(folder / "images/good.jpg")
    images = [listed(n, name) for n, name in enumerate(("good.jpg", *names))]
    write(folder / "i.json", instances(images, [instance(n, n) for n in range(len(images))]))


def test_damaged_photos(tmp_path: Path) -> None:
    folder_of(tmp_path, "empty.jpg", "text.jpg", "cut.jpg", "film.gif", "gone.jpg", "bomb.png")
    images = tmp_path / "images"
    (images / "empty.jpg").touch()
    (images / "text.jpg").write_text("this is no photo")
    whole = photo(images / "cut.jpg", (640, 480)).read_bytes()
    (images / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    frames = [Image.new("L", (64, 48), shade) for shade in (0, 255)]
    frames[0].save(images / "film.gif", save_all=True, append_images=frames[1:])
    photo(images / "bomb.png", (400, 300))
    scenes, bad = collect(tmp_path, COCO, max_pixels=400 * 300 - 1)
    assert list(scenes) == ["coco:0"]
    found = reasons(bad)
    assert "empty" in found["image:1"]
    assert "not an image" in found["image:2"]
    assert "more than" in found["image:3"] or "truncated" in found["image:3"]
    assert "animated" in found["image:4"]
    assert found["image:5"] == "there is no such photo"
    assert "bomb" in found["image:6"]
    assert {q.file for q in bad} == {"empty.jpg", "text.jpg", "cut.jpg", "film.gif", "i.json", "bomb.png"}


def test_truncated_photo(tmp_path: Path) -> None:
    folder_of(tmp_path, "cut.jpg")
    path = tmp_path / "images/cut.jpg"
    Image.effect_noise((64, 48), 90).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    assert "truncated" in reasons(collect(tmp_path, COCO)[1])["image:1"]
    assert list(collect(tmp_path, COCO, images="header")[0]) == ["coco:0", "coco:1"]  # the head is whole


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.jpg", "CMYK"),
        ("a.png", "I;16"),
        ("a.jpg", "L"),
        ("a.png", "RGBA"),
        ("a.gif", "P"),
        ("a.png", "1"),
    ],
)
def test_odd_modes_are_accepted(tmp_path: Path, name: str, mode: str) -> None:
    folder_of(tmp_path, name)
    photo(tmp_path / "images" / name, mode=mode)
    scenes, bad = collect(tmp_path, COCO)
    assert scenes["coco:1"].image.mode == mode
    assert not bad


@pytest.mark.parametrize(
    ("size", "box"),
    [((32, 24), Box(0.5, 1, 5.5, 11)), ((128, 96), Box(2, 4, 22, 44)), ((63, 47), None), ((21, 16), None)],
)
def test_resized_photos_take_their_boxes_along(tmp_path: Path, size: tuple[int, int], box: Box | None) -> None:
    folder_of(tmp_path, "a.jpg")
    photo(tmp_path / "images/a.jpg", size)
    (found,) = collect(tmp_path, COCO)[0]["coco:1"].objects
    assert found.box == (box or Box(1, 2, 11, 22).scaled(size[0] / 64, size[1] / 48))


def test_photo_of_another_shape(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.jpg")
    photo(tmp_path / "images/a.jpg", (64, 64))
    (row,) = collect(tmp_path, COCO)[1]
    assert row.reason == "the photo has 64x64 pixels, i.json describes one of 64x48"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("described", ["displayed", "stored"])
def test_turned_photos(tmp_path: Path, orientation: int, described: str) -> None:
    """Annotations made on the stored pixels are turned with the photo; others stay."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(tmp_path / "images/a.jpg", (64, 48), exif=exif)
    turned = orientation >= 5
    width, height = (48, 64) if turned and described == "displayed" else (64, 48)
    image = {**listed(1, "a.jpg"), "width": width, "height": height}
    write(tmp_path / "i.json", instances([image], [instance(7, 1)]))
    (scene,) = collect(tmp_path, COCO)[0].values()
    assert (scene.image.width, scene.image.height) == ((48, 64) if turned else (64, 48))
    as_annotated = Box(1, 2, 11, 22)
    expected = oriented(as_annotated, orientation, 64, 48) if turned and described == "stored" else as_annotated
    assert scene.objects[0].box == expected


@given(w=st.integers(20, 5000), h=st.integers(20, 5000), longest=st.integers(200, 4000))
def test_any_usual_resize_is_recognised(w: int, h: int, longest: int) -> None:
    scale = longest / max(w, h)
    width, height = max(1, round(w * scale)), max(1, round(h * scale))
    to_photo = fit(Piece(origin="x", width=w, height=h), SceneImage(uri="x", width=width, height=height))
    whole = Box(0, 0, w, h) if to_photo is None else to_photo(Box(0, 0, w, h))
    assert whole.x2 == pytest.approx(width) and whole.y2 == pytest.approx(height)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ImageProblem):
        fit(Piece(origin="x", width=640, height=480), SceneImage(uri="x", width=640, height=427))


def test_skip_believes_the_annotations(tmp_path: Path) -> None:
    write(tmp_path / "i.json", instances([listed(790)], [instance(7, 790)]))
    write(tmp_path / "c.json", {"annotations": [caption(5, 12)]})
    source: dict[str, Any] = {"kind": "coco", "instances": "i.json", "captions": "c.json"}
    scenes, bad = collect(tmp_path, source, images="skip")
    assert scenes["coco:790"].image == SceneImage(uri=str(tmp_path / "000000000790.jpg"), width=64, height=48)
    assert scenes["coco:12"].image.width == 0
    assert not bad
    scenes, _ = collect(tmp_path, {**source, "images": "https://example.org/train/"}, images="skip")
    assert scenes["coco:790"].image.uri == "https://example.org/train/000000000790.jpg"


def test_skip_needs_a_size_for_boxes(tmp_path: Path) -> None:
    write(
        tmp_path / "i.json",
        instances([{"id": 1, "file_name": "a.jpg"}, listed(2)], [instance(7, 1), instance(8, 2)]),
    )
    scenes, bad = collect(tmp_path, {"kind": "coco", "instances": "i.json"}, images="skip")
    assert list(scenes) == ["coco:2"]
    assert "do not tell the image's size" in bad[0].reason


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    folder_of(tmp_path)
    (tmp_path / "images/loop").symlink_to(tmp_path / "images")
    scenes, bad = collect(tmp_path, COCO)
    assert len(scenes) == 1
    assert not bad


def test_a_name_that_is_not_utf8_is_quarantined(tmp_path: Path) -> None:
    write(tmp_path / "c.csv", b"file_name,caption\na.jpg,A cat.\n")
    photo(tmp_path / "a.jpg")
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jpg"))
    photo(tmp_path / "b.jpg").rename(odd)
    run = RunFolder(tmp_path / "runs" / "r")
    source = "sources: [{kind: auto, path: .}]"
    for _ in range(2):
        execute(parse_recipe(f"name: r\ncollect: {{{source}}}", base=tmp_path), run, workers=1)
    assert [s.id.partition(":")[2] for s in run.scenes] == ["a.jpg"]
    (row,) = run.quarantine
    assert row.file == "caf\\udce9.jpg" and "UTF-8" in row.reason


def test_a_run_below_the_photos_is_not_read_as_annotations(tmp_path: Path) -> None:
    write(tmp_path / "c.csv", b"file_name,caption\na.jpg,A cat.\n")
    photo(tmp_path / "a.jpg")
    recipe = parse_recipe("name: r\ncollect: {sources: [{kind: auto, path: .}]}", base=tmp_path)
    run = RunFolder(tmp_path / "runs" / "r")
    execute(recipe, run, workers=1)
    assert [p.state for p in plan(recipe, run)] == ["complete"]
    assert not len(run.quarantine)


def test_photos_behind_urls(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    write(tmp_path / "c.json", {"images": [listed(1, "a.jpg")], "annotations": [caption(5, 1)]})
    source = {"kind": "coco", "captions": "c.json"}
    scenes, _ = collect(tmp_path, {**source, "images": f"file://{tmp_path}"})
    assert scenes["coco:1"].image.width == 64
    with pytest.raises(VlitError, match=r"gopher:// cannot be read: Protocol not known[\s\S]*correct the URL"):
        collect(tmp_path, {**source, "images": "gopher://x"})
    _, bad = collect(tmp_path, {**source, "images": "memory://x"})
    assert reasons(bad) == {"image:1": "the file is missing"}
