"""LLaVA's captions and boxes: sizes told, found or made up, and every kind of dirt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collect.annotated import caption, collect, instance, instances, listed, photo, reasons, write
from tests.conftest import shared_data
from vlit.data.boxes import Box, to_normalised
from vlit.data.errors import VlitError
from vlit.data.scene import Scene
from vlit.data.score import Quarantined

NAME = "000000000790.jpg"
SOURCE = {"kind": "caps_boxes", "path": "boxes.jsonl"}


def line(boxes: Any = ((0.25, 0.5, 0.5, 0.75),), captions: Any = ("A cat.",), file: Any = NAME) -> Any:
    if isinstance(boxes, tuple):
        boxes = [{"category": "cat", "bbox": list(box)} for box in boxes]
    return {"id": Path(str(file)).stem, "image": file, "captions": captions, "instances": boxes}


def written(folder: Path, *lines: Any) -> Path:
    text = "\n".join(found if isinstance(found, str) else json.dumps(found) for found in lines)
    return write(folder / "boxes.jsonl", text.encode())


def of(folder: Path, *lines: Any, **options: Any) -> tuple[dict[str, Scene], list[Quarantined]]:
    """Scenes of these lines without photos."""
    written(folder, *lines)
    return collect(folder, {**SOURCE, **options}, images="skip")


def test_the_real_file_without_photos() -> None:
    folder = shared_data("llava")
    name = "caps_boxes_coco2014_val_80.jsonl"
    scenes, bad = collect(folder, {**SOURCE, "path": name}, images="skip")
    assert not bad
    lines = [json.loads(text) for text in (folder / name).read_text().splitlines()]
    assert len(scenes) == len(lines) == 80
    for found in lines:
        scene = scenes[f"coco:{int(found['id'])}"]
        assert scene.image.uri == str(folder / found["image"])
        assert [c.text for c in scene.captions] == [" ".join(c.split()) for c in found["captions"]]
        assert [o.label for o in scene.objects] == [i["category"] for i in found["instances"]]
        size = scene.image.width, scene.image.height
        assert [list(to_normalised(o.box, *size)) for o in scene.objects] == [
            i["bbox"] for i in found["instances"]
        ]
        assert scene.searched == ()


@given(
    st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_three_decimals_come_out_as_they_went_in(
    tmp_path: Path, values: list[int], size: tuple[int, int]
) -> None:
    x1, y1, x2, y2 = (value / 1000 for value in values)
    if not (x1 < x2 and y1 < y2):
        return
    scenes, _ = of(tmp_path, line(((x1, y1, x2, y2),)), nominal_size=size)
    (found,) = scenes["coco:790"].objects
    assert to_normalised(found.box, *size) == (x1, y1, x2, y2)


def test_boxes_follow_the_photo(tmp_path: Path) -> None:
    photo(tmp_path / "val2014/COCO_val2014_000000000790.jpg", (64, 48))
    written(tmp_path, line())
    scenes, bad = collect(tmp_path, {**SOURCE, "images": "val2014"})
    assert scenes["coco:790"].objects[0].box == Box(16, 24, 32, 36)
    assert scenes["coco:790"].image.sha256 is not None
    assert not bad


def test_boxes_follow_the_size_that_another_source_tells(tmp_path: Path) -> None:
    written(tmp_path, line())
    image = listed(790, "COCO_val2014_000000000790.jpg")
    write(tmp_path / "c.json", {"images": [image], "annotations": [caption(5, 790)]})
    scenes, bad = collect(tmp_path, SOURCE, {"kind": "coco", "captions": "c.json"}, images="skip")
    (scene,) = scenes.values()
    assert (scene.image.width, scene.image.height) == (64, 48)
    assert scene.objects[0].box == Box(16, 24, 32, 36)
    assert [c.id for c in scene.captions] == ["caption:cb1", "caption:5"]
    assert not bad


def test_what_two_sources_annotate_is_not_counted(tmp_path: Path) -> None:
    written(tmp_path, line())
    write(tmp_path / "i.json", instances([listed(790)], [instance(7, 790)]))
    scenes, _ = collect(tmp_path, SOURCE, {"kind": "coco", "instances": "i.json"}, images="skip")
    scene = scenes["coco:790"]
    assert len(scene.objects) == 2
    assert (scene.exact_count("cat"), scene.exact_count("dog")) == (None, 0)


def test_no_boxes_and_other_names(tmp_path: Path) -> None:
    scenes, bad = of(tmp_path, line(boxes=()), line(file="mine/a cat.png"), "")
    assert {i: (len(s.captions), len(s.objects)) for i, s in scenes.items()} == {
        "coco:790": (1, 0),
        "coco:mine/a cat.png": (1, 1),
    }
    assert not bad


def test_boxes_that_overhang(tmp_path: Path) -> None:
    scenes, bad = of(tmp_path, line(((-0.0005, 0, 0.5, 1.0009), (0.5, 0.5, 1.2, 0.9))))
    assert [o.box for o in scenes["coco:790"].objects] == [Box(0, 0, 500, 1000), Box(500, 500, 1000, 900)]
    assert [(q.record, q.action) for q in bad] == [("object:cb2", "repaired")]


@pytest.mark.parametrize(
    ("instance_", "record", "reason"),
    [
        ({"category": "cat", "bbox": [0.1, 0.1, 0.2]}, "line 1, instance 2", "length 4, got 3"),
        (
            {"category": "cat", "bbox": [0.1, 0.1, 0.2, "x"]},
            "line 1, instance 2",
            "expected `float`, got `str`",
        ),
        ({"category": "cat", "bbox": None}, "line 1, instance 2", "expected `array`, got `null`"),
        ({"category": "cat"}, "line 1, instance 2", "missing required field `bbox`"),
        ({"category": 5, "bbox": [0, 0, 1, 1]}, "line 1, instance 2", "expected `str`, got `int`"),
        ({"category": " ", "bbox": [0, 0, 1, 1]}, "object:cb2", "the label is empty"),
        ({"category": "cat", "bbox": [0.5, 0.5, 0.5, 1]}, "object:cb2", "the box has no area"),
        ({"category": "cat", "bbox": [1.5, 0.5, 1.7, 1]}, "object:cb2", "the box lies outside"),
        ({"category": "cat", "bbox": [10, 20, 110, 220]}, "line 1, instance 2", "these are no fractions"),
        ("cat", "line 1, instance 2", "expected `object`, got `str`"),
    ],
)
def test_a_bad_instance_costs_only_itself(tmp_path: Path, instance_: Any, record: str, reason: str) -> None:
    good = line()["instances"]
    scenes, bad = of(tmp_path, line([*good, instance_]))
    assert [o.id for o in scenes["coco:790"].objects] == ["object:cb1"]
    assert [q.record for q in bad] == [record]
    assert reason in bad[0].reason


@pytest.mark.parametrize(
    ("bad_line", "record", "reason"),
    [
        (line(file=None), "line 2", "the line names no image file"),
        (line(file=""), "line 2", "the line names no image file"),
        (line(file=790), "line 2", "the line names no image file"),
        (line(), "line 2", "a line of this image comes before it"),
        (line(file="COCO_val2014_000000000790.jpg"), "line 2", "a line of this image comes before it"),
        ('{"image": "a.jpg", "captions": ["A."], "instances": [NaN]}', "line 2", "not a JSON object"),
        ('{"image": "a.jpg"', "line 2", "not a JSON object: Input data was truncated"),
        ("[1]", "line 2", "not a JSON object"),
        (line(file="../b.jpg"), "image:../b.jpg", "the file name leaves the image folder"),
    ],
)
def test_a_bad_line_costs_only_itself(tmp_path: Path, bad_line: Any, record: str, reason: str) -> None:
    scenes, bad = of(tmp_path, line(), bad_line)
    assert list(scenes) == ["coco:790"]
    assert [q.record for q in bad] == [record]
    assert reason in bad[0].reason


def test_lists_that_are_none(tmp_path: Path) -> None:
    odd = line(captions="A cat.", file="a.jpg"), line(boxes={}, captions=["A cat.", None, " "], file="b.jpg")
    scenes, bad = of(tmp_path, *odd)
    assert {i: (len(s.captions), len(s.objects)) for i, s in scenes.items()} == {
        "coco:a.jpg": (0, 1),
        "coco:b.jpg": (1, 0),
    }
    assert reasons(bad) == {
        "line 1": "this is no list",
        "line 2": "this is no list",
        "line 2, caption 2": "the caption is no text",
        "caption:cb3": "the caption is empty",
    }


def test_a_folder(tmp_path: Path) -> None:
    photo(tmp_path / f"photos/{NAME}", (64, 48))
    written(tmp_path, line())
    scenes, bad = collect(tmp_path, {"kind": "auto", "path": ".", "name": "mine"})
    assert [len(s.objects) for s in scenes.values()] == [1]
    assert not bad


def test_a_size_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        of(tmp_path, line(), nominal_size=[0, 10])
    with pytest.raises(VlitError, match="no image folder was given"):
        written(tmp_path, line())
        collect(tmp_path, SOURCE)
