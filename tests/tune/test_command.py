"""The command ``vlit tune``: what it shows before anything is tuned, refuses first, and tells at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.tune.recipes import recipe
from vlit.cli import group
from vlit.cli.summary import show_summary
from vlit.data.errors import VlitError
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.tune.config import DataConfig
from vlit.tune.outlook import outlooks
from vlit.tune.source import Source
from vlit.tune.stage import TuneStage


@pytest.mark.parametrize("what", ["recipe.yaml", "run"])
def test_the_folder_of_photos_is_not_taken_where_it_would_be_passed_over(
    what: str, parts: Path, data: Path, demo: Path
) -> None:
    place = data.parent / what
    if what == "run":
        place.mkdir()
        (place / "run.json").write_text("{}")
        (place / "recipe.yaml").write_text(recipe(parts, data, demo).text)
    else:
        place.write_text(recipe(parts, data, demo).text)
    found = CliRunner().invoke(group, ["tune", str(place), "--images", str(demo / "images"), "--dry-run"])
    assert found.exit_code == 2 and "--set tune.data.images" in found.output


def test_the_name_of_a_set_is_made_one_of_a_folder(parts: Path, data: Path, demo: Path) -> None:
    named = data.rename(data.with_name("my set (1).json"))
    model = [f"tune.model.{key}={value}" for key, value in {
        "architecture": "llava", "vision": parts / "clip", "llm": parts / "llama", "template": "vicuna",
    }.items()]  # fmt: skip
    given = [word for one in model for word in ("--set", one)]
    found = CliRunner().invoke(
        group,
        ["tune", str(named), "--images", str(demo / "images"), "--dry-run", *given],
        catch_exceptions=False,
    )
    assert "my-set-1--tuned, seed 0" in found.output


def test_trackers_and_devices_that_are_not_there_are_told_first(parts: Path, data: Path, demo: Path) -> None:
    for changes, said in (({"trackers": ["trackio"]}, "trackio"), ({"device": "cuda:99"}, "no device")):
        with pytest.raises(VlitError, match=said):
            recipe(parts, data, demo, **changes).stages[0].check()


def test_masks_can_be_looked_at_before_anything_is_tuned(parts: Path, data: Path, demo: Path) -> None:
    made = data.parent / "recipe.yaml"
    made.write_text(recipe(parts, data, demo).text)
    found = CliRunner().invoke(group, ["tune", str(made), "--inspect", "2"], catch_exceptions=False)
    assert "⟦·It is 0.</s>⟧" in found.output and "<image x4>" in found.output
    assert not (data.parent / "runs").exists()


def test_the_summary_tells_of_the_stages_of_this_tuning_alone(
    tmp_path: Path, parts: Path, data: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, steps in (("align", 3), ("align-0123abcd", 99), ("instruct", 4)):
        folder = tmp_path / "model" / "stages" / name
        folder.mkdir(parents=True)
        (folder / "outcome.json").write_text(json.dumps({"steps": steps, "held_out_after": None}))
    show_summary(recipe(parts, data, demo).stages, RunFolder(tmp_path))
    told = capsys.readouterr().out
    assert "align: 3 steps" in told and "instruct: 4 steps" in told and "99" not in told


def test_presets_are_listed() -> None:
    found = CliRunner().invoke(group, ["tune", "--presets"], catch_exceptions=False)
    assert "llava-v1.5" in found.output and "review-flamingo" in found.output


def test_a_dry_run_tells_steps_tokens_and_memory(parts: Path, data: Path, demo: Path) -> None:
    made = data.parent / "recipe.yaml"
    made.write_text(recipe(parts, data, demo, max_length=32).text)
    found = CliRunner().invoke(group, ["tune", str(made), "--dry-run"], catch_exceptions=False)
    assert found.output.count("about, in all") == 1  # of align; what the other's template adds is too long
    assert "would be left out" in found.output and "No sample would be left" in found.output
    assert not (data.parent / "runs").exists()


def test_the_outlook_of_a_few_samples_is_what_tuning_does(parts: Path, data: Path, demo: Path) -> None:
    made, run = recipe(parts, data, demo), RunFolder(data.parent / "run")
    stage = made.stages[0]
    assert isinstance(stage, TuneStage)
    told = {one.stage: one for one in outlooks(stage.config, stage.setting, run)}
    execute(made, run, workers=1)
    for name, one in told.items():
        source = Source.read(run.table("examples").parts(), name, "train")
        assert one.samples == 13 and one.lost == 1 / 13 and "missing" in one.reason  # a photo is not there
        assert (one.examples, one.images) == (len(source), 1.0)
        assert (
            one.tokens == source.lengths.mean() and one.trained == source.trained.sum() / source.lengths.sum()
        )
        rows = (run.path / f"model/stages/{name}/metrics.jsonl").read_text().splitlines()
        assert one.steps == max(json.loads(row)["step"] for row in rows)


def test_where_there_are_no_samples_yet_nothing_is_told(parts: Path, demo: Path, tmp_path: Path) -> None:
    stage = recipe(parts, tmp_path / "x", demo).stages[0]
    assert isinstance(stage, TuneStage)
    config = stage.config.model_copy(update={"data": DataConfig()})
    assert not list(outlooks(config, stage.setting, RunFolder(tmp_path / "run")))


@pytest.mark.parametrize(
    ("stage", "lora", "said"),
    [
        (
            {"trainable": {"llm": "full"}, "lr": {"connector": 1e-3}},
            {},
            "llm is tuned and has no learning rate",
        ),
        (
            {"trainable": {"llm": "lora"}},
            {"targets": ["q_proj", "v_prok"]},
            "llm has no linear layer named v_prok",
        ),
    ],
)
def test_what_cannot_be_tuned_is_told_before_samples_are_encoded(
    stage: dict[str, Any], lora: dict[str, Any], said: str, parts: Path, data: Path, demo: Path
) -> None:
    changed = recipe(parts, data, demo, stages=[stage], lora=lora)
    with pytest.raises(VlitError, match=said) as error:
        execute(changed, RunFolder(data.parent / "run"), workers=1)
    assert error.value.todo and not (data.parent / "run" / "examples").exists()
