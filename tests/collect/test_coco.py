"""COCO captions and instances: layouts, licences, and every kind of dirt in their records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.collect.annotated import caption, collect, instance, instances, listed, photo, reasons, write
from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.scene import Scene
from vlit.data.score import Quarantined


def of_instances(
    folder: Path, annotations: list[Any], images: list[Any] | None = None, **options: Any
) -> tuple[dict[str, Scene], list[Quarantined]]:
    """Scenes of one photo (id 790) with these instances."""
    photo(folder / "images/000000000790.jpg")
    write(folder / "instances.json", instances(images or [listed(790)], annotations))
    return collect(folder, {"kind": "coco", "images": "images", "instances": "instances.json"}, **options)


@pytest.mark.parametrize(
    ("listed_name", "photo_name"),
    [
        ("000000000790.jpg", "000000000790.jpg"),
        ("COCO_train2014_000000000790.jpg", "COCO_train2014_000000000790.jpg"),
        ("COCO_train2014_000000000790.jpg", "000000000790.jpg"),
        ("000000000790.jpg", "train2014/COCO_train2014_000000000790.jpg"),
        ("train2017/000000000790.jpg", "train2017/000000000790.jpg"),
        ("somewhere/else/a cat.png", "a cat.png"),
    ],
)
def test_layouts(tmp_path: Path, listed_name: str, photo_name: str) -> None:
    photo(tmp_path / "images" / photo_name)
    write(tmp_path / "c.json", {"images": [listed(790, listed_name)], "annotations": [caption(5, 790)]})
    scenes, bad = collect(tmp_path, {"kind": "coco", "images": "images", "captions": "c.json"})
    assert scenes["coco:790"].image.uri == str(tmp_path / "images" / photo_name)
    assert [c.id for c in scenes["coco:790"].captions] == ["caption:5"]
    assert not bad


def test_captions_and_instances_join(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    head = {"licenses": [{"id": 4, "name": "Attribution License", "url": "u"}]}
    images = [listed(790, license=4, flickr_url="http://farm9/a.jpg")]
    write(tmp_path / "c.json", {**head, "images": images, "annotations": [caption(5, 790, "  A\n cat. ")]})
    write(tmp_path / "i.json", {**head, **instances(images, [instance(7, 790), instance(8, 790, iscrowd=1)])})
    source = {"kind": "coco", "images": "images", "captions": "c.json", "instances": ["i.json"], "name": "mine"}
    (scene,) = collect(tmp_path, source)[0].values()
    assert (scene.id, scene.source) == ("mine:790", "mine")
    assert (scene.licence, scene.attribution) == ("Attribution License", "http://farm9/a.jpg")
    assert [c.text for c in scene.captions] == ["A cat."]
    assert [(o.id, o.label, o.box, o.crowd) for o in scene.objects] == [
        ("object:7", "cat", Box(1, 2, 11, 22), False),
        ("object:8", "cat", Box(1, 2, 11, 22), True),
    ]
    assert scene.searched == ("cat", "dog")
    assert scene.exact_count("dog") == 0


def test_no_info_no_licences_no_images(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    write(tmp_path / "c.json", {"annotations": [caption(5, 790)]})
    scenes, bad = collect(
        tmp_path, {"kind": "coco", "images": "images", "captions": "c.json", "licence": "mine"}
    )
    assert scenes["coco:790"].licence == "mine"
    assert not bad


def test_null_and_empty_captions(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    annotations = [caption(1, 790, None), caption(2, 790, " \n"), caption(3, 790, 17), caption(4, 790)]
    write(tmp_path / "c.json", {"images": [listed(790)], "annotations": annotations})
    scenes, bad = collect(tmp_path, {"kind": "coco", "images": "images", "captions": "c.json"})
    assert [c.id for c in scenes["coco:790"].captions] == ["caption:4"]
    assert reasons(bad) == {
        "caption:1": "the caption is empty",
        "caption:2": "the caption is empty",
        "caption:3": "expected `str | null`, got `int`",
    }


@pytest.mark.parametrize(
    ("box", "kept", "repaired"),
    [
        ((60, 40, 4, 8), Box(60, 40, 64, 48), False),
        ((60, 40, 4.9, 8.9), Box(60, 40, 64, 48), False),  # rounding
        ((-1, -0.5, 4, 8), Box(0, 0, 3, 7.5), False),
        ((60, 40, 5.5, 8), Box(60, 40, 64, 48), True),
        ((-3, 1, 10, 10), Box(0, 1, 7, 11), True),
        ((-1e9, -1e9, 2e9, 2e9), Box(0, 0, 64, 48), True),
    ],
)
def test_overhanging_boxes_are_cut(tmp_path: Path, box: Any, kept: Box, repaired: bool) -> None:
    scenes, bad = of_instances(tmp_path, [instance(7, 790, box)])
    assert scenes["coco:790"].objects[0].box == kept
    assert [(q.record, q.field, q.action) for q in bad] == [("object:7", "box", "repaired")] * repaired
    assert scenes["coco:790"].exact_count("cat") == 1


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((70, 10, 5, 5), "the box lies outside the 64x48 image"),
        ((64, 10, 5, 5), "the box lies outside the 64x48 image"),
        ((-9, 10, 5, 5), "the box lies outside the 64x48 image"),
        ((1, 1, 0, 5), "the box has no area"),
        ((1, 1, 5, -2), "the box has no area"),
        ((1, 1, 5), "length 4, got 3"),
        ((1, 1, 5, 5, 5), "length 4"),
        ((1, 1, None, 5), "expected `float`, got `null`"),
        (None, "expected `array`, got `null`"),
        ("1,1,5,5", "expected `array`, got `str`"),
    ],
)
def test_unusable_boxes_are_dropped_and_uncount_their_label(tmp_path: Path, box: Any, reason: str) -> None:
    scenes, bad = of_instances(tmp_path, [instance(7, 790, box), instance(8, 790, category=2)])
    scene = scenes["coco:790"]
    assert [o.id for o in scene.objects] == ["object:8"]
    assert scene.searched == ("dog",)
    assert (scene.exact_count("cat"), scene.exact_count("dog")) == (None, 1)
    (row,) = bad
    assert (row.record, row.action, row.file) == ("object:7", "dropped", "instances.json")
    assert reason in row.reason


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_none_costs_only_its_record(tmp_path: Path, number: bytes) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    good = instances(
        [listed(790, flickr_url="NaN, Infinity")], [instance(7, 790, "HERE"), instance(8, 790, category=2)]
    )
    raw = write(tmp_path / "i.json", good)
    raw.write_bytes(raw.read_bytes().replace(b'"HERE"', b"[1, " + number + b", 5, 5]"))
    (scene,) = collect(tmp_path, {"kind": "coco", "images": "images", "instances": "i.json"})[0].values()
    assert [o.id for o in scene.objects] == ["object:8"]
    assert scene.searched == ("dog",)
    assert scene.attribution == "NaN, Infinity"


def test_nan_in_a_field_that_is_not_needed(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    raw = write(tmp_path / "i.json", instances([listed(790)], [instance(7, 790, area="HERE")]))
    raw.write_bytes(raw.read_bytes().replace(b'"HERE"', b"NaN"))
    scenes, bad = collect(tmp_path, {"kind": "coco", "images": "images", "instances": "i.json"})
    assert len(scenes["coco:790"].objects) == 1
    assert not bad


def test_crowds_as_run_lengths(tmp_path: Path) -> None:
    rle = {"counts": [20736, 2, 453], "size": [48, 64]}
    scenes, bad = of_instances(tmp_path, [instance(7, 790, iscrowd=1, segmentation=rle), instance(8, 790)])
    assert [o.crowd for o in scenes["coco:790"].objects] == [True, False]
    assert scenes["coco:790"].exact_count("cat") is None
    assert not bad


def test_unknown_category(tmp_path: Path) -> None:
    scenes, bad = of_instances(tmp_path, [instance(7, 790, category=99), instance(8, 790)])
    assert [o.id for o in scenes["coco:790"].objects] == ["object:8"]
    assert reasons(bad) == {"object:7": "no category has this id"}


def test_a_record_without_category_uncounts_every_label(tmp_path: Path) -> None:
    scenes, bad = of_instances(tmp_path, [{"id": 7, "image_id": 790, "bbox": [1, 1, 5, 5]}, instance(8, 790)])
    assert scenes["coco:790"].searched == ()
    assert reasons(bad) == {"object:7": "the field is missing"}


def test_duplicate_ids(tmp_path: Path) -> None:
    copies = [
        instance(7, 790),
        instance(7, 790),
        instance(8, 790, category=2),
        instance(8, 790, (3, 3, 9, 9), 2),
    ]
    scenes, bad = of_instances(tmp_path, copies, [listed(790), listed(790, "other.jpg")])
    scene = scenes["coco:790"]
    assert [o.id for o in scene.objects] == ["object:7", "object:8"]
    assert scene.searched == ("cat",)  # the second cat is a copy; the second dog is another one
    assert [(q.record, q.field) for q in bad] == [("image:790", "id"), ("object:7", ""), ("object:8", "")]


def test_an_image_that_is_listed_nowhere(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000791.jpg")
    scenes, bad = of_instances(tmp_path, [instance(7, 790), instance(8, 791), instance(9, 5)])
    assert list(scenes) == ["coco:790", "coco:791"]
    reason = "there is no such photo: no file name is listed, and none has this number"
    assert reasons(bad) == {"image:5": reason}


@pytest.mark.parametrize("name", ["../../etc/x.jpg", "/etc/x.jpg", "a/../../x.jpg", "..\\x.jpg", "C:/x.jpg"])
def test_names_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    photo(tmp_path / "x.jpg")
    images = [listed(790), listed(1, name)]
    scenes, bad = of_instances(tmp_path, [instance(7, 790), instance(8, 1)], images)
    assert list(scenes) == ["coco:790"]
    assert reasons(bad) == {"image:1": "the file name leaves the image folder"}


def test_two_images_of_one_id(tmp_path: Path) -> None:
    for split in ("train", "val"):
        photo(tmp_path / f"{split}/{split}.jpg")
        write(tmp_path / f"{split}.json", instances([listed(1, f"{split}.jpg")], [instance(7, 1)]))
    source = {"kind": "coco", "images": ["train", "val"], "instances": ["train.json", "val.json"]}
    scenes, bad = collect(tmp_path, source)
    assert scenes["coco:1"].image.uri.endswith("train.jpg")
    assert len(scenes["coco:1"].objects) == 1
    assert any("name these sources differently" in q.reason for q in bad)
    apart = [{**source, "instances": f"{s}.json", "name": s, "images": s} for s in ("train", "val")]
    assert list(collect(tmp_path, *apart)[0]) == ["train:1", "val:1"]


def test_boxes_stay_inside_and_finite(tmp_path: Path) -> None:
    wild = [-math.pi, 0.0, 1e-9, 3.5, 47.9, 64.0, 70.0]
    boxes = [(x, y, w, h) for x in wild for y in wild for w in wild for h in wild]
    scenes, bad = of_instances(tmp_path, [instance(n, 790, box) for n, box in enumerate(boxes)])
    kept = scenes["coco:790"].objects
    assert all(0 <= o.box.x1 < o.box.x2 <= 64 and 0 <= o.box.y1 < o.box.y2 <= 48 for o in kept)
    assert len(kept) + sum(q.action == "dropped" for q in bad) == len(boxes)


def test_nothing_usable_says_why(tmp_path: Path) -> None:
    write(
        tmp_path / "c.json", {"images": [listed(1), listed(2)], "annotations": [caption(5, 1), caption(6, 2)]}
    )
    (tmp_path / "images").mkdir()
    with pytest.raises(VlitError, match=r"2 x there is no such photo \(e.g. 000000000001.jpg\)"):
        collect(tmp_path, {"kind": "coco", "images": "images", "captions": "c.json"})


def test_two_categories_of_one_id(tmp_path: Path) -> None:
    """Else all cats would silently become horses."""
    photo(tmp_path / "images/000000000790.jpg")
    data = instances([listed(790)], [instance(7, 790)])
    write(tmp_path / "i.json", {**data, "categories": [*data["categories"], {"id": 1, "name": "horse"}]})
    scenes, bad = collect(tmp_path, {"kind": "coco", "instances": "i.json", "images": "images"})
    assert [o.label for o in scenes["coco:790"].objects] == ["cat"]
    assert reasons(bad) == {"category:1": "the category of this id before it is 'cat'"}


def test_bad_records_are_named_by_what_they_are(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    images = [listed(790), {"id": 3, "file_name": 7}]
    write(tmp_path / "c.json", {"images": images, "annotations": [caption(5, 790), caption(6, 790, 5)]})
    _, bad = collect(tmp_path, {"kind": "coco", "captions": "c.json", "images": "images"})
    assert reasons(bad) == {
        "image:3": "expected `str | null`, got `int`",
        "caption:6": "expected `str | null`, got `int`",
    }


def test_text_that_is_not_utf8_costs_its_record(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    data = {"images": [listed(790)], "annotations": [caption(5, 790), caption(6, 790, "A caf?.")]}
    write(tmp_path / "c.json", orjson.dumps(data).replace(b"caf?", b"caf\xe9"))
    _, bad = collect(tmp_path, {"kind": "coco", "captions": "c.json", "images": "images"})
    assert reasons(bad) == {"caption:6": "its text is not UTF-8: byte 0xe9"}


@pytest.mark.parametrize(
    ("option", "data", "said"),
    [
        ("captions", instances([listed(1)], [instance(7, 1), instance(8, 1)]), "give it as `instances:`"),
        (
            "instances",
            {"images": [], "annotations": [], "categorys": []},
            "rename its key 'categorys' to 'categories'",
        ),
        ("instances", {"annotations": [instance(7, 1)]}, "add the list `categories`"),
    ],
)
def test_a_file_in_the_wrong_place_says_so(tmp_path: Path, option: str, data: object, said: str) -> None:
    photo(tmp_path / "images/000000000001.jpg")
    write(tmp_path / "x.json", data)
    with pytest.raises(VlitError, match=said):
        collect(tmp_path, {"kind": "coco", option: "x.json", "images": "images"})
