"""The stage: parts in, parts out, through the real engine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from tests.generate.scenes import shipped
from vlit.data.errors import VlitError
from vlit.data.scene import Caption, Image, Scene
from vlit.data.schema import to_table
from vlit.data.score import Quarantined
from vlit.data.store import part_path, write_part
from vlit.generate import statistics as stats
from vlit.generate.adapt import adapt
from vlit.generate.config import AdaptConfig
from vlit.generate.stage import GenerateConfig, GenerateStage
from vlit.run.folder import RunFolder
from vlit.run.stage import Setting


@pytest.fixture
def run(tmp_path: Path, demo: Path) -> RunFolder:
    """A run folder with the shipped scenes in two parts."""
    folder = RunFolder(tmp_path / "run")
    scenes = shipped(demo)
    for n, part in enumerate((scenes[:20], scenes[20:])):
        write_part(part_path(folder.folder("scenes"), f"{n:06}", "f" * 12), to_table(part, Scene))
    return folder


def test_the_stage_gives_what_the_function_gives(run: RunFolder, tmp_path: Path) -> None:
    stage = GenerateStage(GenerateConfig(), Setting(seed=17, base=tmp_path))
    context = stage.prepare(run)
    outputs = [stage.work(shard, context) for shard in stage.shards(run)]
    made = [sample for output in outputs for sample in output.tables["samples"]]
    lost: list[Quarantined] = []
    assert made == list(adapt(list(run.scenes), AdaptConfig(), seed=17, lost=lost))
    assert [row for output in outputs for row in output.quarantine] == lost


def test_captions_that_are_passed_over_are_told() -> None:
    texts = ("Two boats.", "A man is riding a wave.", "一只猫坐在垫子上。", "A man is riding a wave")
    scene = Scene(
        id="a:1",
        image=Image(uri="/p/1.jpg", width=9, height=9),
        source="a",
        captions=tuple(Caption(id=f"caption:{n}", text=text) for n, text in enumerate(texts)),
    )
    lost: list[Quarantined] = []
    assert list(adapt([scene], seed=1, lost=lost))
    assert [(row.file, row.record, row.value) for row in lost] == [
        ("/p/1.jpg", "a:1 caption:0", "Two boats."),
        ("/p/1.jpg", "a:1 caption:2", "一只猫坐在垫子上。"),
    ]
    assert lost[0].reason == "no sentence for a reply: too short"


def test_a_run_without_a_sample_stops_and_says_why(tmp_path: Path) -> None:
    """Else selection would say that the gates are wrong."""
    folder = RunFolder(tmp_path / "run")
    scene = Scene(id="a:1", image=Image(uri="/p/1.jpg", width=9, height=9), source="a")
    short = msgspec.structs.replace(scene, id="a:2", captions=(Caption(id="caption:1", text="Two boats."),))
    write_part(part_path(folder.folder("scenes"), "000000", "f" * 12), to_table([scene, short], Scene))
    stage = GenerateStage(GenerateConfig(), Setting(seed=17, base=tmp_path))
    (output,) = [stage.work(shard, stage.prepare(folder)) for shard in stage.shards(folder)]
    rows = to_table(output.quarantine, Quarantined)
    write_part(part_path(folder.folder("quarantine"), "generate-000000", "f" * 12), rows)
    with pytest.raises(VlitError, match=r"no sample could be made of 2 scenes: 2 x no task finds anything"):
        stage.finish(folder)


def test_statistics_from_disk_are_those_from_memory(run: RunFolder) -> None:
    assert stats.of_parts(run.scenes.parts()) == stats.of_scenes(list(run.scenes))


def test_samples_survive_the_disk(run: RunFolder, tmp_path: Path) -> None:
    from vlit.data.sample import Sample

    stage = GenerateStage(GenerateConfig(), Setting(seed=1, base=tmp_path))
    (shard, _) = stage.shards(run)
    rows = stage.work(shard, stage.prepare(run)).tables["samples"]
    path = tmp_path / "samples.parquet"
    write_part(path, to_table(rows, Sample))
    assert pq.read_metadata(path).num_rows == len(rows)


def test_own_pools_are_part_of_the_fingerprint_and_relative_to_the_recipe(
    run: RunFolder, tmp_path: Path
) -> None:
    pools = tmp_path / "pools"
    pools.mkdir()
    file = pools / "counting.yaml"
    file.write_text('ask:\n  - "Count all {labels}."\n', encoding="utf-8")
    config = GenerateConfig.model_validate(
        {"adapt": {"pools": "pools", "tasks": {"counting": {"per_scene": 1}}}}
    )
    stage = GenerateStage(config, Setting(seed=1, base=tmp_path))
    before = list(stage.outside())
    (shard, _) = stage.shards(run)
    texts = [s.turns[0].text for s in stage.work(shard, stage.prepare(run)).tables["samples"]]
    assert texts
    assert all(t.startswith("<image>\nCount all ") for t in texts)
    file.write_text('ask:\n  - "How many {labels}?"\n', encoding="utf-8")
    assert before != list(stage.outside())


def test_the_config_survives_json() -> None:
    config = GenerateConfig.model_validate({"adapt": {"tasks": {"counting": {"most": 5}, "presence": None}}})
    assert config.model_dump(mode="json")["adapt"]["tasks"]["counting"] == {
        "per_scene": 3,
        "most": 5,
        "singles": 2,
    }
    assert GenerateConfig.model_validate(config.model_dump(mode="json")) == config
