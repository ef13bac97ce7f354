"""A folder is scanned: what is recognised, what is told of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collect.annotated import caption, collect, instance, instances, listed, photo, reasons, write
from tests.conftest import shared_data
from vlit.collect.stage import collect_folder
from vlit.data.errors import VlitError

AUTO = {"kind": "auto", "path": ".", "name": "mine"}


def test_the_built_in_example(demo: Path) -> None:
    scenes, bad = collect_folder(demo)
    assert [len(scenes), sum(len(s.captions) for s in scenes), sum(len(s.objects) for s in scenes)] == [
        44,
        220,
        521,
    ]
    assert sum(len(s.questions) for s in scenes) == 13
    assert all(s.licence and s.attribution and s.image.sha256 for s in scenes)
    assert all(len(s.searched) == 80 for s in scenes)
    assert all(max(s.image.width, s.image.height) <= 384 for s in scenes)  # annotations are of larger photos
    for s in scenes:
        assert all(0 <= o.box.x1 < o.box.x2 <= s.image.width and o.box.y2 <= s.image.height for o in s.objects)
        assert len(set(s.annotation_ids())) == len(list(s.annotation_ids()))
    assert not bad


def test_real_coco() -> None:
    scenes, bad = collect_folder(shared_data("coco-mini"))
    assert [len(scenes), sum(len(s.captions) for s in scenes), sum(len(s.objects) for s in scenes)] == [
        80,
        400,
        739,
    ]
    assert not bad


def test_real_dirt() -> None:
    scenes, bad = collect_folder(shared_data("coco-dirty"))
    assert len(scenes) == 36
    assert {(q.file, q.record, q.reason) for q in bad} == {
        ("images/train2017/000000058636.jpg", "image:58636", "the photo has no annotation"),
        ("images/train2017/000000226111.jpg", "image:226111", "the photo has no annotation"),
    }


def test_everything_in_one_folder(tmp_path: Path) -> None:
    for ident in (1, 2):
        photo(tmp_path / f"photos/{ident:012d}.jpg")
    write(tmp_path / "captions.json", {"images": [listed(1)], "annotations": [caption(5, 1)]})
    write(tmp_path / "a/instances.json", instances([listed(1)], [instance(7, 1)]))
    write(tmp_path / "a/person_keypoints.json", instances([listed(1)], [instance(7, 1, keypoints=[0])]))
    write(tmp_path / "q.json", {"questions": [{"question_id": 1, "image_id": 1, "question": "A?"}]})
    answers = [{"answer": "b"}]
    write(tmp_path / "qa.json", {"annotations": [{"question_id": 1, "image_id": 1, "answers": answers}]})
    write(tmp_path / "package.json", {"name": "something else"})
    (tmp_path / "prices.csv").write_text("fruit,price\napple,1\n")
    (tmp_path / "credits.csv").write_text("file_name,license,author\n000000000001.jpg,CC0,Ann\n")
    (tmp_path / ".hidden.json").write_text("{")
    scenes, bad = collect(tmp_path, AUTO)
    (scene,) = scenes.values()
    assert list(scene.annotation_ids()) == ["caption:5", "object:7", "question:1"]
    assert (scene.licence, scene.attribution) == ("CC0", "Ann")
    odd = "not read: it looks like"
    assert reasons(bad) == {
        "photos/000000000002.jpg": "no annotation file mentions the photo",
        "a/person_keypoints.json": "not read: it looks like COCO keypoints, whose boxes the instances have too",
        "package.json": f"{odd} no annotation file that is known: it has the top-level keys name",
        "prices.csv": f"{odd} a table of fruit, price, without columns for a photo and a caption",
    }


def test_questions_without_annotations(tmp_path: Path) -> None:
    photo(tmp_path / "000000000001.jpg")
    write(tmp_path / "q.json", {"questions": [{"question_id": 1, "image_id": 1, "question": "A?"}]})
    with pytest.raises(VlitError, match="only one is here"):
        collect(tmp_path, AUTO)


def test_photos_without_annotation_are_kept_on_demand(tmp_path: Path) -> None:
    photo(tmp_path / "a/1.jpg")
    photo(tmp_path / "000000000790.jpg")
    scenes, bad = collect(tmp_path, AUTO, keep_unannotated=True)
    assert list(scenes) == ["mine:790", "mine:a/1.jpg"]
    assert not bad
    with pytest.raises(VlitError, match="2 x no annotation file mentions the photo"):
        collect(tmp_path, AUTO)


def test_split_folders_decide_between_photos_of_one_name(tmp_path: Path) -> None:
    for split in ("train", "val"):
        photo(tmp_path / split / "1.jpg")
    write(tmp_path / "instances_train.json", instances([listed(1, "1.jpg")], [instance(7, 1)]))
    write(tmp_path / "instances_val.json", instances([listed(2, "1.jpg")], [instance(8, 2)]))
    scenes, _ = collect(tmp_path, AUTO)
    assert {k: Path(s.image.uri).parent.name for k, s in scenes.items()} == {"mine:1": "train", "mine:2": "val"}


def test_damaged_file_stops_before_anything_is_made(tmp_path: Path) -> None:
    write(tmp_path / "captions.json", b'{"annotations": [')
    with pytest.raises(VlitError, match="download"):
        collect(tmp_path, AUTO)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="there is no 'gone'"):
        collect(tmp_path, {"kind": "auto", "path": "gone"})


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("instances", "it looks like COCO instances: use `kind: coco` and give it as `instances:`"),
        ("aokvqa", "it looks like A-OKVQA questions: use `kind: aokvqa` and give it as `questions:`"),
    ],
)
def test_wrong_file_is_named(tmp_path: Path, given: str, advice: str) -> None:
    files = {
        "instances": instances([listed(1)], [instance(7, 1)]),
        "aokvqa": [{"question_id": "a", "image_id": 1, "question": "A?", "choices": []}],
    }
    write(tmp_path / "x.json", files[given])
    with pytest.raises(VlitError, match=advice):
        collect(tmp_path, {"kind": "vqa", "questions": "x.json", "annotations": "x.json"})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"imgs": [], "anns": []}, "it has the top-level keys imgs, anns"),
        ({"images": [], "anotations": []}, "is 'anotations' meant to be 'annotations'?"),
        ({"info": {}, "annotations": {"1": {}}}, "but 'annotations' is no list"),
        ({"info": {}, "annotations": []}, "but 'annotations' holds no records"),
    ],
)
def test_a_file_that_is_not_recognised_says_what_it_has(tmp_path: Path, data: object, said: str) -> None:
    photo(tmp_path / "000000000001.jpg")
    write(tmp_path / "good.json", {"images": [listed(1)], "annotations": [caption(5, 1)]})
    write(tmp_path / "odd.json", data)
    _, bad = collect(tmp_path, AUTO)
    assert said in reasons(bad)["odd.json"]


def test_a_folder_without_annotations_says_what_to_give(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    with pytest.raises(
        VlitError, match=r"no annotation file mentions the photo[\s\S]*CSV with the columns `file`"
    ):
        collect(tmp_path, AUTO)


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    with pytest.raises(VlitError, match=r"'a\.jpg' is a file, a folder is needed"):
        collect(tmp_path, {**AUTO, "path": "a.jpg"})
    write(tmp_path / "c.json", {"images": [listed(1, "a.jpg")], "annotations": [caption(5, 1)]})
    with pytest.raises(VlitError, match=r"'a\.jpg' is a file, a folder is needed"):
        collect(tmp_path, {"kind": "coco", "captions": "c.json", "images": "a.jpg"})
