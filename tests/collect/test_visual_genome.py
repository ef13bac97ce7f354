"""Visual Genome: its files in three versions, the join with COCO, and every kind of dirt."""

from __future__ import annotations

import json  # writes NaN, as Python tools do
import math
from pathlib import Path
from typing import Any

import pytest

from tests.collect.annotated import (
    SIZE,
    caption,
    collect,
    instance,
    instances,
    listed,
    photo,
    reasons,
    write,
)
from tests.conftest import shared_data
from vlit.collect.stage import collect_folder
from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.scene import Answer, Scene
from vlit.data.score import Quarantined

FILES = {
    "image_data": "image_data.json",
    "objects": "objects.json",
    "attributes": "attributes.json",
    "relationships": "relationships.json",
    "regions": "region_descriptions.json",
    "questions": "question_answers.json",
}


def image(ident: Any = 1, coco: Any = None, size: tuple[int, int] = SIZE, **more: Any) -> dict[str, Any]:
    url = f"https://cs.stanford.edu/people/rak248/VG_100K_2/{ident}.jpg"
    about = {"width": size[0], "height": size[1], "coco_id": coco, "flickr_id": None}
    return {"image_id": ident, "url": url, **about, **more}


def thing(ident: Any, names: Any = ("cat",), box: Any = (1, 2, 10, 20), **more: Any) -> dict[str, Any]:
    x, y, w, h = box
    return {"object_id": ident, "names": names, "synsets": [], "x": x, "y": y, "w": w, "h": h, **more}


def end(ident: Any, name: str = "cat", box: Any = (1, 2, 10, 20)) -> dict[str, Any]:
    found = thing(ident, (), box)
    del found["names"]
    return {**found, "name": name}


def relation(ident: Any, subject: Any, object: Any, predicate: Any = "ON") -> dict[str, Any]:
    return {
        "relationship_id": ident,
        "predicate": predicate,
        "subject": subject,
        "object": object,
        "synsets": [],
    }


def region(ident: Any, phrase: Any = "a cat ", box: Any = (1, 2, 10, 20)) -> dict[str, Any]:
    x, y, w, h = box
    return {"region_id": ident, "image_id": 1, "phrase": phrase, "x": x, "y": y, "width": w, "height": h}


def qa(ident: Any, question: Any = "What is it?", answer: Any = "A cat.") -> dict[str, Any]:
    return {
        "qa_id": ident,
        "image_id": 1,
        "question": question,
        "answer": answer,
        "a_objects": [],
        "q_objects": [],
    }


def source(folder: Path, files: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A source whose files are written; a list that is no list of images is that of image 1."""
    keys = {"regions": "regions", "questions": "qas"}
    for option, data in files.items():
        whole = option == "image_data" or isinstance(data, bytes) or (data and "image_id" in data[0])
        if option in keys and not isinstance(data, bytes):
            whole = bool(data) and keys[option] in data[0]
        ident = "id" if option in keys else "image_id"
        write(folder / FILES[option], data if whole else [{ident: 1, keys.get(option, option): data}])
    return {"kind": "visual_genome", **{o: FILES[o] for o in files}, "images": ".", **more}


def one(folder: Path, **files: Any) -> tuple[Scene, list[Quarantined]]:
    """The scene of image 1 with these lists."""
    photo(folder / "VG_100K_2/1.jpg")
    scenes, bad = collect(folder, source(folder, {"image_data": [image()], **files}))
    return scenes["visual_genome:1"], bad


def test_the_real_files() -> None:
    folder = shared_data("visual-genome")
    names = {o: f"annotations/{n.removesuffix('.json')}_v1.2.0.json" for o, n in FILES.items()}
    scenes, bad = collect(folder, {"kind": "visual_genome", **names, "images": "images"})
    assert list(scenes) == [f"visual_genome:{n}" for n in (1, 2, 4, 5)]
    assert [len(s.objects) for s in scenes.values()] == [40, 27, 24, 34]
    assert [len(s.regions) for s in scenes.values()] == [262, 256, 257, 248]
    assert [len(s.relations) for s in scenes.values()] == [41, 23, 16, 28]
    assert [len(s.questions) for s in scenes.values()] == [91, 165, 156, 168]
    assert {q.record: q.reason for q in bad} == {"image:3": "there is no such photo"}
    scene = scenes["visual_genome:1"]
    assert (scene.objects[0].label, scene.objects[0].attributes) == ("clock", ("green", "tall"))
    assert scene.objects[0].box == Box(421, 91, 500, 430)
    assert scene.relations[0].predicate == "on"  # ON in the file
    assert scene.regions[1].phrase == "shade is along the street"  # a space follows in the file
    assert scene.questions[0].answers == (Answer(text="Green", count=1),)
    assert scene.searched == ()
    assert scene.exact_count("clock") is None
    assert len(set(scene.annotation_ids())) == len(list(scene.annotation_ids()))


def test_the_real_folder_is_recognised() -> None:
    scenes, bad = collect_folder(shared_data("visual-genome"))
    assert [s.id for s in scenes] == [f"visual-genome:vg{n}" for n in (1, 2, 4, 5)]
    assert sum(len(s.regions) for s in scenes) == 262 + 256 + 257 + 248
    assert [q.record for q in bad] == ["image:vg3"]


def test_objects_of_all_files_are_the_same(tmp_path: Path) -> None:
    scene, bad = one(
        tmp_path,
        objects=[thing(5, ["cat", "kitten"]), thing(6, [" red  mat"], (0, 5, 9, 9))],
        attributes=[
            thing(5, ["cat", "kitten"], attributes=["grey", " very  old", ""]),
            thing(6, ["red mat"], (0, 5, 9, 9)),
            thing(7, ["hat"], (3, 3, 4, 4), attributes=["blue"]),
            thing(5, ["cat"], attributes=["grey", "asleep"]),
        ],
        relationships=[
            relation(1, end(5), end(6, "red mat", (0, 5, 9, 9))),
            relation(2, end(8, "dog", (30, 3, 9, 9)), end(5), "next to"),
            relation(3, end(8, "dog", (30, 3, 9, 9)), end(7), "WEARING"),
        ],
    )
    assert {o.id: (o.label, o.attributes) for o in scene.objects} == {
        "object:vg5": ("cat", ("grey", "very old", "asleep")),
        "object:vg6": ("red mat", ()),
        "object:vg7": ("hat", ("blue",)),
        "object:vg8": ("dog", ()),
    }
    assert [(r.subject[-1], r.predicate, r.object[-1]) for r in scene.relations] == [
        ("5", "on", "6"),
        ("8", "next to", "5"),
        ("8", "wearing", "7"),
    ]
    assert not bad


def test_version_1_0_counts_objects_anew_in_each_file(tmp_path: Path) -> None:
    photo(tmp_path / "VG_100K/1.jpg")

    def old(found: dict[str, Any], **names: str) -> dict[str, Any]:
        swap = {"object_id": "id", "relationship_id": "id", "region_id": "id", "qa_id": "id", **names}
        return {swap.get(key, key): value for key, value in found.items() if key != "synsets"}

    bare = {"id": 1, "url": "https://x/static_indoor/img_1.jpg", "width": 64, "height": 48, "coco_id": None}
    files: dict[str, Any] = {
        "image_data": [bare],
        "objects": [{"id": 1, "objects": [old(thing(10)), old(thing(11, ["mat"], (0, 5, 9, 9)))]}],
        "attributes": [
            {"id": 1, "attributes": [old(thing(20, attributes=["grey"]), names="object_names")]},
        ],
        "relationships": [
            {"id": 1, "relationships": [old(relation(1, old(end(30)), old(end(31, "mat", (0, 5, 9, 9)))))]}
        ],
        "regions": [{"id": 1, "regions": [old(region(3))]}],
        "questions": [{"id": 1, "qas": [qa(4)]}],
    }
    for option, data in files.items():
        write(tmp_path / FILES[option], data)
    scenes, bad = collect(tmp_path, {"kind": "visual_genome", **FILES, "images": "."})
    (scene,) = scenes.values()
    assert [(o.id, o.attributes) for o in scene.objects] == [("object:vg10", ("grey",)), ("object:vg11", ())]
    assert [(r.subject, r.object) for r in scene.relations] == [("object:vg10", "object:vg11")]
    assert [r.id for r in scene.regions] == ["region:vg3"]
    assert not bad


def test_version_1_4_merged_objects(tmp_path: Path) -> None:
    scene, bad = one(
        tmp_path,
        objects=[thing(5, merged_object_ids=[6, 7])],
        attributes=[
            thing(6, box=(2, 2, 9, 9), attributes=["grey"]),
            thing(9, ["mat"], (0, 0, 3, 3)),  # no object any more, and nothing is said of it
        ],
        relationships=[
            relation(1, end(7, "tom"), {**thing(5), "merged_object_ids": [6, 7]}, "looks like"),
        ],
    )
    assert [(o.id, o.attributes) for o in scene.objects] == [("object:vg5", ("grey",))]
    assert [(r.subject, r.object) for r in scene.relations] == [("object:vg5", "object:vg5")]
    assert not bad


@pytest.mark.parametrize(
    ("field", "data", "record", "reason"),
    [
        ("objects", [thing(5), thing(6, box=(math.nan, 1, 2, 3))], "object:vg6", "not a finite number"),
        ("objects", [thing(5), thing(6, "cat")], "object:vg6", "expected `array`, got `str`"),
        ("objects", [thing(5), thing(6, [None])], "object:vg6", "expected `str`, got `null`"),
        ("objects", [thing(5), thing(6, [])], "object:vg6", "the label is empty"),
        ("objects", [thing(5), thing(6, [" "])], "object:vg6", "the label is empty"),
        ("objects", [thing(5), thing(6.5)], "objects[1] of image 1", "expected `int | null`, got `float`"),
        ("objects", [thing(5), thing(None)], "objects[1] of image 1", "the field is missing"),
        (
            "objects",
            [thing(5), {"object_id": 6, "names": ["x"]}],
            "object:vg6",
            "the field is missing",
        ),
        ("objects", [thing(5), 17], "objects[1] of image 1", "not a JSON object: Expected `object`, got `int`"),
        ("objects", [thing(5), thing(5, ["dog"])], "object:vg5", "an annotation of this id comes before it"),
        ("objects", [thing(5), thing(6, box=(1, 1, 0, 5))], "object:vg6", "the box has no area"),
        (
            "objects",
            [thing(5), thing(6, box=(90, 1, 5, 5))],
            "object:vg6",
            "the box lies outside the 64x48 image",
        ),
        ("attributes", [thing(5, attributes=["a"]), thing(6, attributes=[7])], "object:vg6", "expected `str`"),
        ("attributes", [thing(5), thing(None, attributes=["a"])], "attributes[1] of image 1", "is missing"),
        ("regions", [region(5), region(6, "  ")], "region:vg6", "the phrase is empty"),
        ("regions", [region(5), region(6, None)], "region:vg6", "expected `str`, got `null`"),
        ("regions", [region(5), region(None)], "regions[1] of image 1", "the field is missing"),
        ("questions", [qa(5), qa(6, answer=" . ")], "question:vg6", "the question has no answer"),
        ("questions", [qa(5), qa(6, question="")], "question:vg6", "the question is empty"),
        ("questions", [qa(5), qa(6, answer=None)], "question:vg6", "expected `str`, got `null`"),
        ("questions", [qa(5), qa(None)], "qas[1] of image 1", "the field is missing"),
        ("relationships", [relation(5, end(1), end(2)), relation(6, end(1), end(None))], "[1]", "is missing"),
        (
            "relationships",
            [relation(5, end(1), end(2)), relation(None, end(1), end(2))],
            "relationships[1] of image 1",
            "the field is missing",
        ),
        (
            "relationships",
            [relation(5, end(1), end(2)), relation(6, end(1), end(2), " ")],
            "relation:vg6",
            "the predicate is empty",
        ),
        (
            "relationships",
            [relation(5, end(1), end(2)), relation(6, None, end(2))],
            "relation:vg6",
            "expected `object`, got `null`",
        ),
    ],
)
def test_a_bad_entry_costs_only_itself(
    tmp_path: Path, field: str, data: list[Any], record: str, reason: str
) -> None:
    key = {"questions": "qas"}.get(field, field)
    lists = {field: json.dumps([{"image_id": 1, key: data}]).encode()}
    scene, bad = one(tmp_path, **lists)
    assert len(list(scene.annotation_ids())) in (1, 2)  # relationships bring the objects that they relate
    assert [(q.file, q.action) for q in bad] == [(FILES[field], "dropped")]
    assert record in bad[0].record
    assert reason in bad[0].reason


def test_relations_of_a_lost_object(tmp_path: Path) -> None:
    scene, bad = one(
        tmp_path,
        objects=[thing(5), thing(6, box=(1, 1, 0, 0))],
        attributes=[thing(6, box=(1, 1, 0, 0), attributes=["red"])],
        relationships=[relation(1, end(5), end(6, box=(1, 1, 0, 0)))],
    )
    assert len(scene.objects) == 1
    assert [(q.file, q.record, q.reason) for q in bad] == [
        ("objects.json", "object:vg6", "the box has no area"),
        ("attributes.json", "object:vg6", "the object that they describe was not kept"),
        ("relationships.json", "relation:vg1", "an object that it relates was not kept"),
    ]


def test_overhanging_boxes_are_cut(tmp_path: Path) -> None:
    scene, bad = one(tmp_path, regions=[region(5, box=(60, 40, 30, 30)), region(6, box=(-1, 0, 9, 9))])
    assert [r.box for r in scene.regions] == [Box(60, 40, 64, 48), Box(0, 0, 8, 9)]
    assert [(q.record, q.action) for q in bad] == [("region:vg5", "repaired")]


def test_bad_records_of_images(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        photo(tmp_path / f"{n}.jpg")
    records = [{"image_id": n, "objects": [thing(n)]} for n in (1, 1, None, "2", 2)] + [[], {"image_id": 3}]
    data = [image(1), image(1), image(None), image(2, width="wide"), image(3)]
    scenes, bad = collect(tmp_path, source(tmp_path, {"image_data": data, "objects": records}))
    assert [len(s.objects) for s in scenes.values()] == [1, 1]
    assert sorted((q.file, q.record, q.reason) for q in bad) == [
        ("3.jpg", "image:3", "the photo has no annotation"),
        ("image_data.json", "image:1", "an image of this id comes before it"),
        ("image_data.json", "record[2]", "the field is missing"),
        ("image_data.json", "record[3]", "expected `float | null`, got `str`"),
        ("objects.json", "image:1", "an image of this id comes before it"),
        ("objects.json", "record[2]", "the field is missing"),
        ("objects.json", "record[3]", "expected `int | null`, got `str`"),
        ("objects.json", "record[5]", "not a JSON object: Expected `object`, got `array`"),
        ("objects.json", "record[6]", "the field is missing"),
    ]


def test_a_list_that_is_none(tmp_path: Path) -> None:
    scene, bad = one(
        tmp_path, objects=[{"image_id": 1, "objects": None}], regions=[{"id": 1, "regions": [region(5)]}]
    )
    assert len(scene.regions) == 1
    assert [(q.record, q.reason) for q in bad] == [
        ("objects of image 1", "expected `array`, got `null`"),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([{"image_id": 1, "regions": []}, {"image_id": 2, "regions": []}], "give it as `regions:`"),
        (b"PK\x03\x04 objects.json", "this is a zip archive, not JSON[\\s\\S]*unpack it"),
        (b'[{"image_id": 1, "obj', "ends in the middle"),
        ({"objects": []}, "not the expected annotation file"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, data: Any, said: str) -> None:
    photo(tmp_path / "1.jpg")
    write(tmp_path / "image_data.json", [image()])
    write(tmp_path / "objects.json", data)
    with pytest.raises(VlitError, match=said):
        collect(tmp_path, {"kind": "visual_genome", "image_data": "image_data.json", "objects": "objects.json"})


def coco(folder: Path, ident: int = 790, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """A source of COCO with a caption and an instance of one image."""
    images = [listed(ident, f"COCO_train2014_{ident:012d}.jpg")]
    images[0].update(width=size[0], height=size[1])
    write(folder / "captions.json", {"images": images, "annotations": [caption(5, ident)]})
    write(folder / "instances.json", instances(images, [instance(5, ident)]))
    return {
        "kind": "coco",
        "captions": "captions.json",
        "instances": "instances.json",
        "images": ["train2014"],
    }


LISTS = {"objects": [thing(5, ["dog"], (10, 20, 30, 40))], "regions": [region(5)], "questions": [qa(5)]}
TWICE = (SIZE[0] * 2, SIZE[1] * 2)


@pytest.mark.parametrize("first", ["coco", "visual genome"])
@pytest.mark.parametrize("there", ["coco", "visual genome", "both"])
@pytest.mark.parametrize("value", [790, 790.0, "790"])
def test_images_join_by_coco_id(tmp_path: Path, first: str, there: str, value: Any) -> None:
    """The photo has another name and size in each set: boxes follow the one that is used."""
    names = {"coco": ("train2014/COCO_train2014_000000000790.jpg", SIZE), "visual genome": ("vg/1.jpg", TWICE)}
    (tmp_path / "train2014").mkdir()
    (tmp_path / "vg").mkdir()
    for name, (file, size) in names.items():
        if there in (name, "both"):
            photo(tmp_path / file, size)
    files = {"image_data": [image(1, value, TWICE)], **LISTS}
    sources = [coco(tmp_path), source(tmp_path, files, join="coco", images="vg")]
    scenes, bad = collect(tmp_path, *(sources if first == "coco" else sources[::-1]), keep_unannotated=True)
    (scene,) = scenes.values()
    used = names["visual genome" if there == "visual genome" else "coco"]
    assert (scene.id, scene.image.uri) == ("coco:790", str(tmp_path / used[0]))
    assert sorted(scene.annotation_ids()) == [
        "caption:5",
        "object:5",
        "object:vg5",
        "question:vg5",
        "region:vg5",
    ]
    ours, theirs = sorted(scene.objects, key=lambda o: o.id, reverse=True)
    scale = used[1][0] // SIZE[0]
    assert ours.box == Box(5, 10, 20, 30).scaled(scale, scale)
    assert theirs.box == Box(1, 2, 11, 22).scaled(scale, scale)
    assert scene.searched == ("cat",)  # Visual Genome has a dog, which COCO searched for and has not
    assert not bad


def test_without_photos_the_name_of_coco_is_taken(tmp_path: Path) -> None:
    files = {"image_data": [image(1, 790, TWICE), image(2, 791)], **LISTS}
    vg = source(tmp_path, {**files, "attributes": [{"image_id": 2, "attributes": [thing(9)]}]}, join="coco")
    (tmp_path / "train2014").mkdir()
    scenes, bad = collect(tmp_path, coco(tmp_path), vg, images="skip")
    assert {i: s.image.uri for i, s in scenes.items()} == {
        "coco:790": str(tmp_path / "train2014/COCO_train2014_000000000790.jpg"),
        "coco:791": str(tmp_path / "train2014/VG_100K_2/2.jpg"),
    }
    assert scenes["coco:790"].objects[1].box == Box(5, 10, 20, 30)
    assert not bad


@pytest.mark.parametrize("value", [None, math.nan, "", "x", -1, 0, 790.5])
def test_an_image_without_coco_id_stays_alone(tmp_path: Path, value: Any) -> None:
    photo(tmp_path / "train2014/COCO_train2014_000000000001.jpg")
    photo(tmp_path / "1.jpg")
    data = json.dumps([image(1, value)]).encode()
    vg = source(tmp_path, {"image_data": data, "objects": [thing(5)]}, join="coco")
    scenes, bad = collect(tmp_path, coco(tmp_path, 1), vg)
    assert list(scenes) == ["coco:1", "coco:vg1"]
    assert {q.reason: q.action for q in bad} == (
        {} if value is None else {"this is no id of COCO: the image is a scene of its own": "repaired"}
    )


def test_two_images_of_one_coco_id(tmp_path: Path) -> None:
    for n in (1, 2):
        photo(tmp_path / f"{n}.jpg")
    files = {
        "image_data": [image(1, 790), image(2, 790)],
        "objects": [{"image_id": n, "objects": [thing(5)]} for n in (1, 2)],
    }
    scenes, bad = collect(tmp_path, source(tmp_path, files, join="coco"))
    assert {i: Path(s.image.uri).name for i, s in scenes.items()} == {"coco:790": "1.jpg", "coco:vg2": "2.jpg"}
    assert reasons(bad) == {"image:2": "image 1 has the same: the image is a scene of its own"}


def test_an_image_of_another_shape_costs_only_its_own_annotations(tmp_path: Path) -> None:
    photo(tmp_path / "train2014/COCO_train2014_000000000790.jpg")
    files = {"image_data": [image(1, 790, (48, 64))], **LISTS}
    scenes, bad = collect(tmp_path, coco(tmp_path), source(tmp_path, files, join="coco"))
    assert list(scenes["coco:790"].annotation_ids()) == ["caption:5", "object:5"]
    assert [q.file for q in bad] == ["objects.json", "region_descriptions.json", "question_answers.json"]
    assert bad[0].reason == "the photo has 64x48 pixels, objects.json describes one of 48x64"


def test_ids_of_visual_genome_are_not_those_of_coco(tmp_path: Path) -> None:
    """In one folder with COCO, image 790 of Visual Genome is another one."""
    photo(tmp_path / "train2014/COCO_train2014_000000000790.jpg")
    photo(tmp_path / "VG_100K/790.jpg")
    coco(tmp_path)
    objects = [{"image_id": 790, "objects": [thing(5)]}]
    source(tmp_path, {"image_data": [image(790)], "objects": objects})
    scenes, bad = collect(tmp_path, {"kind": "auto", "path": ".", "name": "mine"})
    assert {i: len(s.objects) for i, s in scenes.items()} == {"mine:790": 1, "mine:vg790": 1}
    assert not bad


def test_files_are_recognised(tmp_path: Path) -> None:
    photo(tmp_path / "VG_100K/1.jpg")
    relations = [relation(7, end(5), end(6, "mat", (0, 5, 9, 9)))]
    files = {"image_data": [image()], **LISTS, "relationships": relations}
    source(tmp_path, {**files, "attributes": [thing(5, ["dog"], attributes=["old"])]})
    graphs = {"image_id": 1, "objects": [thing(5)], "relationships": []}
    write(tmp_path / "scene_graphs.json", [graphs])
    scenes, bad = collect(tmp_path, {"kind": "auto", "path": ".", "name": "mine"})
    assert sorted(scenes["mine:vg1"].annotation_ids()) == [
        "object:vg5",
        "object:vg6",
        "question:vg5",
        "region:vg5",
        "relation:vg7",
    ]
    assert "Visual Genome scene graphs" in reasons(bad)["scene_graphs.json"]


def test_a_folder_without_the_list_of_images(tmp_path: Path) -> None:
    photo(tmp_path / "VG_100K/1.jpg")
    source(tmp_path, LISTS)
    with pytest.raises(VlitError, match=r"Visual Genome needs its list of images"):
        collect(tmp_path, {"kind": "auto", "path": "."})


def test_captions_by_the_name_of_a_joined_photo(tmp_path: Path) -> None:
    photo(tmp_path / "VG_100K_2/1.jpg")
    (tmp_path / "mine.csv").write_text("file,caption\n1.jpg,A cat.\n")
    vg = source(tmp_path, {"image_data": [image(1, 790)], "objects": [thing(5)]}, join="coco")
    scenes, bad = collect(tmp_path, vg, {"kind": "captions", "path": "mine.csv", "name": "coco"})
    assert len(scenes["coco:790"].captions) == len(scenes["coco:790"].objects) == 1
    assert not bad
