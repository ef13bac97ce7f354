"""The main job from Python, on the built-in example."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

import vlit
from vlit.data.sample import Sample
from vlit.data.schema import to_table
from vlit.data.store import part_path, write_part
from vlit.formats.llava import write_llava
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import load_recipe


@pytest.fixture(scope="module")
def scenes() -> vlit.Scenes:
    return vlit.Scenes.from_folder(Path(vlit.__file__).parent / "demo")


@pytest.fixture(scope="module")
def samples(scenes: vlit.Scenes) -> vlit.Samples:
    return scenes.adapt(seed=17)


def test_the_example_gives_a_thousand_samples_of_ten_tasks(scenes: vlit.Scenes, samples: vlit.Samples) -> None:
    assert len(scenes) == 44
    assert len(samples) >= 1000
    assert len({s.task for s in samples}) >= 10
    assert len({s.id for s in samples}) == len(samples)


def test_every_sample_leads_to_annotations_that_exist(scenes: vlit.Scenes, samples: vlit.Samples) -> None:
    known = {scene.id: set(scene.annotation_ids()) for scene in scenes}
    for sample in samples:
        (scene,) = sample.provenance.scenes
        assert set(sample.provenance.annotations) <= known[scene]
        assert sample.provenance.templates and sample.provenance.licence
        # Only an absence is made from no annotation.
        assert sample.provenance.annotations or sample.task in ("presence", "multiple_choice")
        assert {m.annotation for m in sample.marks} <= known[scene]


def test_scores_and_verdicts(samples: vlit.Samples) -> None:
    scores = samples.assess()
    assert {s.sample for s in scores} == {s.id for s in samples}
    assert "grounded_correctness" in scores.of(samples[0].id)
    assert {s.indicator for s in scores.of_set} >= {"task_balance"}
    verdicts = scores.select(gates={"grounded_correctness": {"min": 1}}, cap_per_task=50)
    assert [v.sample for v in verdicts] == [s.id for s in samples]
    assert 0 < sum(v.keep for v in verdicts) < len(samples)


def test_a_recipe_makes_the_same_samples(samples: vlit.Samples, demo: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "demo")
    execute(load_recipe(demo / "recipe.yaml"), run, workers=1, until="generate")
    assert list(run.samples) == list(samples)
    assert list(vlit.Samples.from_run(run.path)) == list(samples)

    out = tmp_path / "set.json"
    assert write_llava(run.samples.parts(), out) == len(samples)
    again = vlit.Samples.from_llava(out, demo / "images")
    assert list(again) == list(samples) and not again.quarantine
    assert all(Path(i.uri).is_absolute() for s in again for i in s.images)
    assert repr(again) == f"<{len(samples)} samples>"


def test_a_folder_without_a_run_is_an_error_not_an_empty_set(tmp_path: Path) -> None:
    for kind in (vlit.Scenes, vlit.Samples):
        with pytest.raises(vlit.VlitError, match="no run in this folder"):
            kind.from_run(tmp_path / "gone")


def test_mistakes_are_told_as_in_a_recipe(scenes: vlit.Scenes, samples: vlit.Samples) -> None:
    with pytest.raises(vlit.VlitError, match="anwsers: unknown key; did you mean 'answers'"):
        scenes.adapt(anwsers="short")
    with pytest.raises(vlit.VlitError, match="shard_sise: unknown key; did you mean 'shard_size'"):
        vlit.Scenes.from_folder(Path(vlit.__file__).parent / "demo", shard_sise=1)
    scores = samples.assess({"exact_duplicate": None})
    with pytest.raises(vlit.VlitError, match=r"gates\.exact_duplicate: a gate needs"):
        scores.select(gates={"exact_duplicate": {}})
    with pytest.raises(
        vlit.VlitError, match=r"no sample has such a score\n.*\n.*did you mean 'exact_duplicate'"
    ):
        scores.select(gates={"exact_duplicates": {"max": 0}})


def test_a_set_can_be_read_without_its_images(tmp_path: Path, samples: vlit.Samples) -> None:
    run = RunFolder(tmp_path / "run")
    write_part(part_path(run.folder("samples"), "0", "0" * 64), to_table(list(samples), Sample))
    write_llava(run.samples.parts(), tmp_path / "set.json", metadata=False)
    assert len(vlit.Samples.from_llava(tmp_path / "set.json", tmp_path)) == 0
    assert len(vlit.Samples.from_llava(tmp_path / "set.json", tmp_path, open_images=False)) == len(samples)


def test_a_set_from_elsewhere_is_checked_against_scenes(
    scenes: vlit.Scenes, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [{"from": "human", "value": "<image>\nIs there a toaster?"}, {"from": "gpt", "value": "Yes."}]
    record = {"id": "1", "image": Path(scenes[0].image.uri).name, "conversations": turns}
    (tmp_path / "set.json").write_bytes(orjson.dumps([record]))
    monkeypatch.chdir(demo)
    samples = vlit.Samples.from_llava(tmp_path / "set.json", "images", scenes=scenes)
    assert samples[0].provenance.scenes == (scenes[0].id,)
    assert samples.assess({"grounded_correctness": None}).of("1")["grounded_correctness"].value == 0.0
