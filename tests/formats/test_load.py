"""A set that exists already is measured in a run of its own."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from vlit.data.errors import VlitError
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

RECIPE = """
name: set
collect:
  sources: [{kind: auto, path: DEMO}]
  images: header
load:
  path: set.json
  image_root: DEMO/images
  shard_size: 2
assess:
  indicators: {grounded_correctness: {}, exact_duplicate: {}}
"""


def record(number: int, answer: str, image: str | None = "000000078499.jpg") -> dict[str, object]:
    turns = [{"from": "human", "value": "<image>\nIs there a toaster?"}, {"from": "gpt", "value": answer}]
    if image is None:
        turns[0]["value"] = "Is there a toaster in every kitchen?"
    return {"id": str(number), "conversations": turns} | ({"image": image} if image else {})


def test_a_set_is_tied_to_its_scenes_and_measured(tmp_path: Path, demo: Path) -> None:
    records = [
        record(0, "No, there is no toaster."),
        record(1, "Yes, there is a toaster."),
        record(2, "No.", image="gone.jpg"),
        record(3, "Not in every one.", image=None),
    ]
    (tmp_path / "set.json").write_bytes(orjson.dumps(records))
    recipe = parse_recipe(RECIPE.replace("DEMO", str(demo)), base=tmp_path)
    run = RunFolder(tmp_path / "run")
    execute(recipe, run, workers=1)
    assert [s.id for s in run.samples] == ["0", "1", "3"]
    assert [len(s.provenance.scenes) for s in run.samples] == [1, 1, 0]
    (lost,) = [q for q in run.quarantine if q.stage != "collect"]
    assert lost.record.startswith("2") and "missing" in lost.reason
    grounded = {s.sample: s.value for s in run.scores if s.indicator == "grounded_correctness"}
    assert grounded == {"0": 1.0, "1": 0.0, "3": None}


def test_a_set_without_its_images_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_bytes(orjson.dumps([record(0, "No."), record(1, "Yes.")]))
    text = "name: set\nload: {path: set.json, image_root: nowhere, images: check}\n"
    with pytest.raises(VlitError, match=r"none of the 2 records can be used: 0 .*image: the file is missing"):
        execute(parse_recipe(text, base=tmp_path), RunFolder(tmp_path / "run"), workers=1)
    recipe = parse_recipe(text.replace("check", "skip"), base=tmp_path)
    execute(recipe, RunFolder(tmp_path / "run"), workers=1)
    assert [s.images[0].width for s in RunFolder(tmp_path / "run").samples] == [0, 0]


def test_a_photo_that_came_later_is_seen(tmp_path: Path, demo: Path) -> None:
    records = [record(0, "No.", image="late.jpg"), record(1, "No.", image=None)]
    (tmp_path / "set.json").write_bytes(orjson.dumps(records))
    recipe = parse_recipe("name: set\nload: {path: set.json}", base=tmp_path)
    run = RunFolder(tmp_path / "run")
    execute(recipe, run, workers=1)
    assert (len(run.samples), [q.stage for q in run.quarantine]) == (1, ["load"])
    (tmp_path / "late.jpg").write_bytes((demo / "images" / "000000078499.jpg").read_bytes())
    execute(recipe, run, workers=1)
    assert (len(run.samples), len(run.quarantine)) == (2, 0)


def test_repairs_are_no_reason_for_a_set_without_samples(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_bytes(orjson.dumps([{"id": i, "conversations": []} for i in range(3)]))
    recipe = parse_recipe("name: set\nload: {path: set.json}", base=tmp_path)
    with pytest.raises(VlitError, match=r"none of the 3 records can be used: 0 .*: there are no turns"):
        execute(recipe, RunFolder(tmp_path / "run"), workers=1)
