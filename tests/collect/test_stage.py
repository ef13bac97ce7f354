"""The stage in a run: shards, fingerprints, config errors, equal bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.collect.annotated import caption, collect, instance, instances, listed, photo, write
from vlit.collect.importer import Importer, Piece
from vlit.collect.registry import IMPORTERS
from vlit.collect.stage import CollectConfig, CollectStage
from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.scene import Object, Region, Relation, SceneText
from vlit.data.score import Quarantined
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe
from vlit.run.stage import Setting

RECIPE = """
name: test
collect:
  shard_size: 2
  sources:
    - {kind: coco, images: images, captions: c.json, instances: i.json}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images, the last without a photo; one empty caption."""
    images = [listed(n) for n in range(1, 6)]
    for n in range(1, 5):
        photo(tmp_path / f"images/{n:012d}.jpg")
    captions = [caption(n, n) for n in range(1, 6)] + [caption(9, 4, None)]
    write(tmp_path / "c.json", {"images": images, "annotations": captions})
    write(tmp_path / "i.json", instances(images, [instance(n, n) for n in range(1, 6)]))
    return tmp_path


def run(folder: Path, where: str, workers: int) -> RunFolder:
    result = RunFolder(folder / where)
    execute(parse_recipe(RECIPE, base=folder), result, workers=workers)
    return result


def parts(result: RunFolder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for t in ("scenes", "quarantine") for p in result.folder(t).iterdir()}


def test_a_run(folder: Path) -> None:
    result = run(folder, "runs/one", workers=1)
    assert [s.id for s in result.scenes] == [f"coco:{n}" for n in range(1, 5)]
    assert len(result.scenes.parts()) == 2
    assert sorted((q.file, q.record) for q in result.quarantine) == [
        ("c.json", "caption:9"),
        ("c.json", "image:5"),
    ]


@pytest.mark.slow
def test_bytes_do_not_depend_on_processes(folder: Path) -> None:
    assert parts(run(folder, "runs/one", workers=1)) == parts(run(folder, "runs/two", workers=2))


def test_no_scene_at_all_says_why(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(VlitError, match="no usable scene was found: 4 x the file is empty"):
        run(folder, "runs/one", workers=1)


def test_shards_can_be_asked_for_again(folder: Path) -> None:
    shards = parse_recipe(RECIPE, base=folder).stages[0].shards(RunFolder(folder / "runs/one"))
    assert [s.key for s in shards] == ["00000", "00001"]
    assert [s.payload for s in shards] == [s.payload for s in shards]


def fingerprint(folder: Path) -> list[str]:
    stage = parse_recipe(RECIPE, base=folder).stages[0]
    return list(stage.outside())


def test_the_fingerprint_follows_annotations_and_photos(folder: Path) -> None:
    seen = [fingerprint(folder)]
    assert seen[0] == fingerprint(folder)
    (folder / "c.json").write_bytes((folder / "c.json").read_bytes().replace(b"cat", b"dog"))
    seen.append(fingerprint(folder))
    os.utime(folder / "images/000000000001.jpg", ns=(1, 1))
    seen.append(fingerprint(folder))
    photo(folder / "images/new.jpg")
    seen.append(fingerprint(folder))
    (folder / "images/nowhere.jpg").symlink_to("gone.jpg")
    seen.append(fingerprint(folder))
    assert len({tuple(s) for s in seen}) == 5


def test_an_annotation_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "c.json").unlink()
    (folder / "c.json").mkdir()
    with pytest.raises(VlitError, match="cannot read the file: Is a directory"):
        fingerprint(folder)
    with pytest.raises(VlitError, match="cannot read the file: Is a directory"):
        collect(folder, {"kind": "coco", "images": "images", "captions": "c.json"})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{kind: cocoo}", "there is no importer 'cocoo'; did you mean 'coco'"),
        ("{path: x}", "a source needs a kind. Known: auto, coco"),
        ("{kind: coco, captoins: x}", "collect.sources.0.captoins: unknown key; did you mean 'captions'"),
        ("{kind: vqa, questions: q}", "collect.sources.0.annotations: the key is missing"),
        ("{kind: coco, captions: 3}", "a path or a list of paths is needed"),
        ("photos", "a source is a mapping"),
    ],
)  # fmt: skip
def test_config_errors(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(VlitError) as caught:
        parse_recipe(f"name: x\ncollect:\n  sources: [{source}]\n", base=tmp_path)
    assert message in str(caught.value)


def test_config_without_sources(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="name at least one source"):
        parse_recipe("name: x\ncollect:\n  sources: []\n", base=tmp_path)


def test_config_of_a_source_is_part_of_the_stage_config() -> None:
    config = CollectConfig.model_validate({"sources": [{"kind": "coco", "captions": "c.json"}]})
    assert config.model_dump(mode="json")["sources"][0]["captions"] == ["c.json"]
    assert CollectStage(config, Setting(seed=0, base=Path())).config == config


class Street(Importer):
    """What another package could bring."""

    kind: Literal["street"] = "street"

    def files(self, setting: Setting) -> list[Path]:
        return []

    def read(self, setting: Setting) -> Iterator[Piece | Quarantined]:
        box = Box(0, 0, 9, 9)
        yield Piece(
            origin="street",
            file="a.jpg",
            objects=[Object(id="o1", label="car", box=box), Object(id="o2", label="", box=box)],
            regions=[
                Region(id="r1", phrase="a red car", box=Box(90, 90, 99, 99)),
                Region(id="r2", phrase="x", box=box),
            ],
            relations=[
                Relation(id="n1", subject="o1", predicate="on", object="o1"),
                Relation(id="n2", subject="o1", predicate="on", object="o2"),
            ],
            texts=[SceneText(id="t1", text="STOP"), SceneText(id="t2", text="", box=box)],
        )


def test_an_importer_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IMPORTERS._builtin, "street", f"{__name__}:Street")
    photo(tmp_path / "a.jpg")
    scenes, bad = collect(tmp_path, {"kind": "street", "images": "."})
    assert list(scenes["street:a.jpg"].annotation_ids()) == ["o1", "r2", "n1", "t1"]
    assert [(q.record, q.reason) for q in bad] == [
        ("o2", "the label is empty"),
        ("r1", "the box lies outside the 64x48 image"),
        ("t2", "the text is empty"),
        ("n2", "an object that it relates was not kept"),
    ]
