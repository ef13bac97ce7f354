"""Photos are chosen before anything is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.scene import Caption, Image, Object, Scene
from vlit.data.schema import to_table
from vlit.data.score import Verdict
from vlit.data.store import part_path, write_part
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe
from vlit.run.stage import Setting
from vlit.select.choose import ChooseConfig, ChooseStage
from vlit.select.scenes import read_scenes


def scene(id: str, *labels: str, source: str = "coco", side: int = 100, sha: str | None = None) -> Scene:
    box = Box(0, 0, 5, 5)
    return Scene(
        id=id,
        image=Image(uri=f"/{id}.jpg", width=side, height=side * 2, sha256=sha),
        source=source,
        captions=(Caption(id="c", text="A photo of something."),) if "captioned" in id else (),
        objects=tuple(Object(id=f"o{i}", label=label, box=box) for i, label in enumerate(labels)),
    )


def verdicts(scenes: list[Scene], folder: Path, seed: int = 0, **config: Any) -> dict[str, Verdict]:
    """Verdicts of scenes that lie in two parts."""
    run = RunFolder(folder)
    for key, part in (("0", scenes[:3]), ("1", scenes[3:])):
        write_part(part_path(run.folder("scenes"), key, "0" * 12), to_table(part, Scene))
    stage = ChooseStage(ChooseConfig.model_validate(config), Setting(seed=seed, base=folder))
    found = stage.verdicts(read_scenes(run.scenes.parts(), [], seed))
    assert [v.sample for v in found] == [s.id for s in scenes]
    return {v.sample: v for v in found}


def chosen(scenes: list[Scene], folder: Path, seed: int = 0, **config: Any) -> set[str]:
    return {name for name, v in verdicts(scenes, folder, seed, **config).items() if v.keep}


def test_objects_by_hand(tmp_path: Path) -> None:
    scenes = [
        scene("a", "dog", "dog", "dog"),  # one kind
        scene("b", "dog", "cat"),
        scene("c", "bus"),
        scene("d"),
        scene("e", "dog", "cat", "cup"),
    ]
    # e has three new kinds, c one; then a adds 1/2, b 1/2 + 1/2.
    assert chosen(scenes, tmp_path, by="objects", n=1) == {"e"}
    assert chosen(scenes, tmp_path, by="objects", n=3) == {"e", "c", "b"}
    assert chosen(scenes, tmp_path, by="objects", n=4) == {"e", "c", "b", "a"}
    told = verdicts(scenes, tmp_path, by="objects", n=3)
    assert told["b"].reason == "chosen by objects: gain in kinds of things 1, the cut is 1"
    assert told["d"].reason == "not chosen by objects: gain in kinds of things 0, the cut is 1"
    assert told["d"].rule == "choose"


def test_a_quota_ends_what_a_label_counts_and_only_named_labels_do(tmp_path: Path) -> None:
    scenes = [scene(f"d{i}", "dog") for i in range(5)] + [scene("c", "cat"), scene("x", "cup")]
    assert chosen(scenes, tmp_path, by="objects", n=3, labels=["dog", "cat"], quota=2) >= {"c"}
    told = verdicts(scenes, tmp_path, by="objects", n=5, labels=["dog", "cat"], quota=2)
    assert sum("gain in kinds of things 0.5" in v.reason for v in told.values()) == 1
    assert "only 3 add a kind of thing; the lowest draws fill up" in told["c"].reason
    with pytest.raises(VlitError, match="no photo shows 'dgo'"):
        chosen(scenes, tmp_path, by="objects", n=3, labels=["dgo"])


def test_sources_share_equally(tmp_path: Path) -> None:
    scenes = [scene(f"c{i}") for i in range(8)] + [scene(f"v{i}", source="vg") for i in range(4)]
    got = chosen(scenes, tmp_path, n=6)
    assert sum(name[0] == "v" for name in got) == 3
    assert chosen(scenes, tmp_path, n=4) <= got
    assert got != chosen(scenes, tmp_path, 1, n=6)
    assert len(chosen(scenes, tmp_path, by="random", share=0.25)) == 3


def test_unfit_photos_are_left_out_with_the_reason(tmp_path: Path) -> None:
    scenes = [
        scene("captioned1", sha="x"),
        scene("captioned2", sha="x"),
        scene("small captioned", side=10),
        scene("silent"),
        scene("captioned3"),
    ]
    told = verdicts(scenes, tmp_path, n=5, min_side=20, needs=["captions"])
    assert sum(v.keep for v in told.values()) == 2
    assert told["small captioned"].reason == "its shorter side has 10 of 20 pixels"
    assert told["silent"].reason == "it has no captions"
    copy, kept = sorted(("captioned1", "captioned2"), key=lambda name: told[name].keep)
    assert (told[copy].rule, told[copy].reason) == ("unfit", f"its photo is that of {kept}")
    assert told[kept].reason == "chosen by stratified: only 2 pass, and 5 were asked for"
    assert len(chosen(scenes, tmp_path, n=5, distinct=False)) == 5


def test_keys_of_other_methods_are_refused() -> None:
    for config, said in [
        ({"n": 1, "quota": 3}, "`quota` belongs to `by: objects`"),
        ({}, "say how many to choose"),
        ({"n": 1, "share": 0.5}, "say how many to choose"),
    ]:
        with pytest.raises(ValueError, match=said):
            ChooseConfig.model_validate(config)


RECIPE = """
name: x
collect: {{shard_size: 16, sources: [{{kind: auto, path: {demo}, name: demo}}]}}
choose: {choose}
generate:
"""


@pytest.mark.parametrize("by", ["objects", "farthest"])
def test_samples_are_made_of_chosen_photos_alone(by: str, demo: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE.format(demo=demo, choose=f"{{n: 9, by: {by}}}"), base=tmp_path)
    run = RunFolder(tmp_path / "x")
    execute(recipe, run, workers=1)
    told = list(run.table("scene_verdicts"))
    assert len(told) == len(run.scenes) == 44
    wanted = {v.sample for v in told if v.keep}
    assert len(wanted) == 9
    assert {s.provenance.scenes[0] for s in run.samples} == wanted
    assert len(run.samples.parts()) == len(run.scenes.parts())
    stages = {stage.name: stage for stage in recipe.stages}
    assert list(stages) == ["collect", *(["look"] if by == "farthest" else []), "choose", "generate"]
    assert stages["generate"].expect(run) == "9 chosen scenes"
    assert stages["choose"].remark() == f"chooses 9 photos by {by}; no samples are made of the others"
    looked = [p.stat().st_mtime_ns for p in run.table("scene_pictures").parts()]
    # Another number makes the samples anew; without the stage, the choice of before would still be there.
    more = parse_recipe(RECIPE.format(demo=demo, choose=f"{{n: 12, by: {by}}}"), base=tmp_path)
    execute(more, run, workers=1)
    now = {s.provenance.scenes[0] for s in run.samples}
    assert wanted <= now and len(now) == 12
    assert looked == [p.stat().st_mtime_ns for p in run.table("scene_pictures").parts()]
    without = parse_recipe(RECIPE.format(demo=demo, choose="").replace("choose: \n", ""), base=tmp_path)
    with pytest.raises(VlitError, match="'generate' would read 'scene_verdicts'"):
        execute(without, run, workers=1)


def test_nothing_that_can_be_chosen_is_an_error(demo: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE.format(demo=demo, choose="{n: 9, min_side: 5000}"), base=tmp_path)
    with pytest.raises(VlitError, match=r"none of 44 photos can be chosen: its shorter side has"):
        execute(recipe, RunFolder(tmp_path / "x"), workers=1)
