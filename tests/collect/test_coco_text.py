"""COCO-Text: its layout, its join with COCO, what is illegible, and every kind of dirt."""

from __future__ import annotations

import json  # writes NaN, as Python tools do
import math
from pathlib import Path
from typing import Any

import pytest

from tests.collect.annotated import SIZE, caption, collect, listed, photo, reasons, write
from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.scene import Scene
from vlit.data.score import Quarantined

NAME = "COCO_train2014_{:012d}.jpg"
SOURCE = {"kind": "coco_text", "path": "COCO_Text.json", "images": "train2014"}


def text(ident: Any, string: Any = "STOP", image: Any = 790, box: Any = (1, 2, 10, 20), **more: Any) -> Any:
    found = {
        "id": ident,
        "image_id": image,
        "bbox": box,
        "mask": [1.0, 2.0, 11.0, 2.0, 11.0, 22.0, 1.0, 22.0],
        "area": 200.0,
        "class": "machine printed",
        "language": "english",
        "legibility": "legible",
        "utf8_string": string,
        **more,
    }
    return {key: value for key, value in found.items() if value != "absent"}


def illegible(ident: int, **more: Any) -> Any:
    """Version 1 leaves the string out; version 2 writes an empty one."""
    return text(ident, "absent", legibility="illegible", language="na", **more)


def annotated(texts: list[Any], images: tuple[int, ...] = (790,)) -> dict[str, Any]:
    imgs = {
        str(i): {"id": i, "file_name": NAME.format(i), "width": SIZE[0], "height": SIZE[1], "set": "train"}
        for i in images
    }
    anns = {str(n + 100): t for n, t in enumerate(texts)}
    return {
        "cats": {"legibility": [{"id": 1, "name": "legible"}]},
        "anns": anns,
        "imgs": imgs,
        "imgToAnns": {"790": [int(key) for key in anns]},
        "info": {"version": "1.4"},
    }


def of(folder: Path, texts: list[Any]) -> tuple[Scene, list[Quarantined]]:
    """The scene of image 790 with these texts."""
    photo(folder / "train2014" / NAME.format(790))
    write(folder / "COCO_Text.json", json.dumps(annotated(texts)).encode())
    scenes, bad = collect(folder, SOURCE)
    return scenes["coco:790"], bad


def test_texts_join_captions(tmp_path: Path) -> None:
    photo(tmp_path / "train2014" / NAME.format(790))
    write(tmp_path / "COCO_Text.json", annotated([text(45, " STOP\n sign "), text(46, "Ж", box=(5, 5, 9, 9))]))
    write(tmp_path / "c.json", {"images": [listed(790, NAME.format(790))], "annotations": [caption(5, 790)]})
    scenes, bad = collect(tmp_path, SOURCE, {"kind": "coco", "captions": "c.json"})
    (scene,) = scenes.values()
    assert [(t.id, t.text, t.box) for t in scene.texts] == [
        ("text:45", "STOP sign", Box(1, 2, 11, 22)),
        ("text:46", "Ж", Box(5, 5, 14, 14)),
    ]
    assert [c.id for c in scene.captions] == ["caption:5"]
    assert not bad


def test_illegible_texts_are_counted_in_one_row(tmp_path: Path) -> None:
    scene, bad = of(tmp_path, [text(1), *(illegible(n) for n in range(2, 9)), illegible(9, utf8_string="")])
    assert [t.id for t in scene.texts] == ["text:1"]
    assert [(q.file, q.record, q.field, q.reason, q.action) for q in bad] == [
        (
            "COCO_Text.json",
            "",
            "legibility",
            "8 of 9 texts are illegible: they have a box, but no string",
            "dropped",
        )
    ]


@pytest.mark.parametrize(
    ("bad_text", "record", "reason"),
    [
        (text(2, "absent"), "text:2", "the text is empty"),
        (text(2, " \n"), "text:2", "the text is empty"),
        (text(2, 17), "text:2", "expected `str | null`, got `int`"),
        (text(1, "twice"), "text:1", "an annotation of this id comes before it"),
        (text(2.5), "anns[101]", "expected `int`, got `float`"),
        (text("absent"), "anns[101]", "the field is missing"),
        (text(2, image=None), "text:2", "expected `int`, got `null`"),
        (text(2, legibility="maybe"), "text:2", "invalid enum value 'maybe'"),
        (text(2, legibility="absent"), "text:2", "the field is missing"),
        (text(2, box=(1, 1, math.nan, 5)), "text:2", "not a finite number"),
        (text(2, box=(1, 1, 5)), "text:2", "length 4, got 3"),
        (text(2, box=(1, 1, 0, 5)), "text:2", "the box has no area"),
        (text(2, box=(80, 1, 5, 5)), "text:2", "the box lies outside the 64x48 image"),
        (None, "anns[101]", "not a JSON object"),
    ],
)
def test_a_bad_text_costs_only_itself(tmp_path: Path, bad_text: Any, record: str, reason: str) -> None:
    scene, bad = of(tmp_path, [text(1), bad_text])
    assert [t.id for t in scene.texts] == ["text:1"]
    assert [q.record.partition(" (")[0] for q in bad] == [record]
    assert reason in bad[0].reason


def test_images_without_text_and_texts_of_unlisted_images(tmp_path: Path) -> None:
    for ident in (790, 791, 792):
        photo(tmp_path / "train2014" / NAME.format(ident))
    data = annotated([text(1), text(2, image=792)], (790, 791))
    data["imgs"]["x"] = {"id": 790, "file_name": "other.jpg"}
    data["imgs"]["y"] = {"id": "793"}
    write(tmp_path / "COCO_Text.json", data)
    scenes, bad = collect(tmp_path, SOURCE)
    assert list(scenes) == ["coco:790", "coco:792"]
    assert reasons(bad) == {
        "image:790": "an image of this id is listed before",
        "imgs[y] (id 793)": "expected `int`, got `str`",
        "image:791": "the photo has no annotation",
    }


def test_a_folder(tmp_path: Path) -> None:
    photo(tmp_path / "train2014" / NAME.format(790))
    write(tmp_path / "cocotext.v2.json", annotated([text(45)]))
    scenes, bad = collect(tmp_path, {"kind": "auto", "path": ".", "name": "mine"})
    assert [t.text for t in scenes["mine:790"].texts] == ["STOP"]
    assert not bad


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train2014").mkdir()
    write(tmp_path / "COCO_Text.json", {"images": [], "annotations": [caption(5, 1)]})
    with pytest.raises(VlitError, match=r"no key 'anns'.*[\s\S]*COCO captions: use `kind: coco`"):
        collect(tmp_path, SOURCE)
    with pytest.raises(
        VlitError, match="it looks like COCO-Text: use `kind: coco_text` and give it as `path:`"
    ):
        write(tmp_path / "c.json", annotated([text(1)]))
        collect(tmp_path, {"kind": "coco", "captions": "c.json"})
