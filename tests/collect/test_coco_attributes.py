"""COCO Attributes: both published layouts, the join with objects of another file, and every kind of dirt."""

from __future__ import annotations

import json  # writes NaN, as Python tools do
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.collect.annotated import collect, instance, instances, listed, photo, reasons, write
from vlit.data.errors import VlitError
from vlit.data.scene import Scene
from vlit.data.score import Quarantined

#: Not in the order of their ids, as in the published file.
ATTRIBUTES = [
    {"id": 30, "name": "wet", "supercategory": "object attributes"},
    {"id": 10, "name": "alone / lonely", "supercategory": "object attributes"},
    {"id": 20, "name": " furry ", "supercategory": "object attributes"},
]
SOURCE = {"kind": "coco_attributes", "path": "a.json"}


def published(vectors: dict[str, Any], anns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "info": {"version": "0.5", "year": 2016},
        "type": "attributes",
        "attributes": ATTRIBUTES,
        "ann_vecs": vectors,
        "patch_id_to_ann_id": anns,
        "split": dict.fromkeys(vectors, "train2014"),
        **more,
    }


def of(folder: Path, data: Any, **options: Any) -> tuple[Scene, list[Quarantined]]:
    """The scene of a photo with the objects 7 and 8, of which 8 has no area."""
    photo(folder / "images/000000000790.jpg")
    annotations = [instance(7, 790), instance(8, 790, (1, 1, 0, 0)), instance(9, 790, (5, 5, 9, 9))]
    write(folder / "i.json", instances([listed(790)], annotations))
    write(folder / "a.json", json.dumps(data).encode())
    coco = {"kind": "coco", "instances": "i.json", "images": "images"}
    scenes, bad = collect(folder, {**SOURCE, **options}, coco)
    return scenes["coco:790"], [q for q in bad if q.file == "a.json"]


def test_attributes_join_objects(tmp_path: Path) -> None:
    vectors = {"100": [0.5, 1.0, 0.0], "101": [-1.0, 0.499, 0.667]}
    scene, bad = of(tmp_path, published(vectors, {"100": 7, "101": 9, "102": 55}))
    assert {o.id: o.attributes for o in scene.objects} == {
        "object:7": ("alone / lonely", "furry"),
        "object:9": ("wet",),
    }
    assert scene.exact_count("cat") is None  # object 8 was lost
    assert not bad


def test_the_other_layout(tmp_path: Path) -> None:
    values = {"7": {"attrs_vector": [0, 1, 0], "split": "train2014"}}
    scene, bad = of(tmp_path, {"attributes": ATTRIBUTES, "ann_attrs": values})
    assert scene.objects[0].attributes == ("furry",)
    assert not bad


def test_another_threshold(tmp_path: Path) -> None:
    scene, _ = of(tmp_path, published({"1": [0.6, 0.9, 1]}, {"1": 7}), threshold=0.9)
    assert scene.objects[0].attributes == ("furry", "wet")


def test_objects_that_are_not_there(tmp_path: Path) -> None:
    vectors = {"1": [1, 0, 0], "2": [0, 0, 1], "3": [0, 1, 1], "4": [0, 0, 0]}
    _, bad = of(tmp_path, published(vectors, {"1": 7, "2": 8, "3": 55, "4": 56}))
    assert [(q.record, q.field, q.value, q.reason) for q in bad] == [
        ("object:55", "attributes", "furry, wet", "no object has this id"),
        ("object:8", "attributes", "wet", "the object that they describe was not kept"),
    ]


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([1, 0], "2 values, but there are 3 attributes"),
        ([1, 0, 0, 0], "4 values, but there are 3 attributes"),
        ([1, None, 0], "expected `float`, got `null` - at `$[1]`"),
        ([1, math.nan, 0], "expected `float`, got `str` - at `$[1]`"),
        ("1, 0, 0", "expected `array`, got `str`"),
        (None, "expected `array`, got `null`"),
    ],
)
def test_a_bad_vector_costs_only_itself(tmp_path: Path, vector: Any, reason: str) -> None:
    scene, bad = of(tmp_path, published({"1": [1, 0, 0], "2": vector}, {"1": 7, "2": 9}))
    assert [o.attributes for o in scene.objects] == [("alone / lonely",), ()]
    assert reasons(bad) == {"patch:2": reason}


@pytest.mark.parametrize(
    ("anns", "found"),
    [
        ({"1": 7}, {"patch:2": "no object is named for this patch"}),
        ({"1": 7, "2": 7}, {"patch:2": "an annotation of this object comes before it"}),
        (
            {"1": 7, "2": "x"},
            {
                "patch_id_to_ann_id[2]": "expected `int`, got `str`",
                "patch:2": "no object is named for this patch",
            },
        ),
        (
            {"1": 7, "2": 9.5},
            {
                "patch_id_to_ann_id[2]": "expected `int`, got `float`",
                "patch:2": "no object is named for this patch",
            },
        ),
    ],
)
def test_ids_of_objects(tmp_path: Path, anns: Any, found: dict[str, str]) -> None:
    _, bad = of(tmp_path, published({"1": [1, 0, 0], "2": [1, 0, 0]}, anns))
    assert reasons(bad) == found


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ([*ATTRIBUTES[:2], {"id": 10, "name": "dry"}], "'alone / lonely' and 'dry' have the same id 10"),
        (
            [*ATTRIBUTES[:2], {"id": 20}],
            r"attributes\[2\] \(id 20\) cannot be read: name: the field is missing",
        ),
        ([*ATTRIBUTES[:2], {"id": None, "name": "x"}], "id: expected `int`, got `null`"),
    ],
)
def test_without_its_attributes_the_file_means_nothing(tmp_path: Path, attributes: Any, said: str) -> None:
    with pytest.raises(VlitError, match=said):
        of(tmp_path, published({"1": [1, 0, 0]}, {"1": 7}, attributes=attributes))


def test_an_attribute_without_name(tmp_path: Path) -> None:
    attributes = [*ATTRIBUTES[:2], {"id": 20, "name": " "}]
    scene, bad = of(tmp_path, published({"1": [1, 1, 1]}, {"1": 7}, attributes=attributes))
    assert scene.objects[0].attributes == ("alone / lonely", "wet")
    assert reasons(bad) == {"attribute:20": "the name is empty"}


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    photo(tmp_path / "images/000000000790.jpg")
    write(tmp_path / "a.pkl", pickle.dumps({"attributes": Trap()}, protocol=2))
    with pytest.raises(VlitError, match=r"a pickle, which can run any program[\s\S]*convert it to JSON"):
        collect(tmp_path, {**SOURCE, "path": "a.pkl"})
    assert not (tmp_path / "sprung").exists()


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.json", {"attributes": ATTRIBUTES, "ann_vecs": {}})
    with pytest.raises(VlitError, match="there are no values of attributes"):
        collect(tmp_path, SOURCE)
    write(tmp_path / "a.json", instances([listed(1)], [instance(7, 1)]))
    with pytest.raises(VlitError, match="it looks like COCO instances"):
        collect(tmp_path, SOURCE)


def test_a_folder(tmp_path: Path) -> None:
    of(tmp_path, published({"1": [1, 0, 0]}, {"1": 7}))
    scenes, _ = collect(tmp_path, {"kind": "auto", "path": ".", "name": "mine"})
    assert scenes["mine:790"].objects[0].attributes == ("alone / lonely",)
