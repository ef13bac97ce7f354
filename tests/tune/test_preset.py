"""Published settings: all valid, the figures of the papers, and below whatever a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vlit.data.errors import VlitError
from vlit.tune import preset
from vlit.tune.config import TuneConfig

NAMES = preset.preset_names()


def config(values: dict[str, Any]) -> TuneConfig:
    filled = dict(preset.fill(values))
    return TuneConfig.model_validate(filled)


def runnable(name: str) -> TuneConfig:
    """With a model, where the preset leaves it to the recipe."""
    own = preset.load_preset(name).values.get("model", {})
    if "checkpoint" in own or "llm" in own:
        return config({"preset": name})
    return config({"preset": name, "model": {"checkpoint": "a/b"}})


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_a_valid_config(name: str) -> None:
    found = runnable(name)
    assert found.preset == name
    said = preset.load_preset(name)
    assert said.model and said.source
    assert set(said.data) <= {stage.name for stage in found.stages}
    assert found.data.path is None and all(stage.data is None for stage in found.stages)
    for stage in found.stages:
        for part in ("vision", "connector", "llm"):
            if getattr(stage.trainable, part) != "frozen":
                assert getattr(stage.lr, part) is not None, (name, stage.name, part)


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_opens_with_its_source_and_says_what_it_differs_in(name: str) -> None:
    text = (preset._FOLDER / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    own = yaml.safe_load(text)
    if "parent" in own:  # only the difference
        below = preset.load_preset(own["parent"]).values
        assert all(below.get(key) != value for key, value in own.items() if key not in ("about", "parent"))


def stage(name: str, number: int) -> tuple[Any, ...]:
    own = runnable(name).stages[number]
    tuned = tuple(getattr(own.trainable, part) for part in ("vision", "connector", "llm"))
    return own.name, tuned, own.lr.connector, own.lr.llm, own.batch, own.epochs, own.schedule, own.warmup


PROJECTOR, WHOLE = ("frozen", "full", "frozen"), ("frozen", "full", "full")


def test_llava_is_that_of_its_papers() -> None:
    assert stage("llava-v1", 0) == ("align", PROJECTOR, 2e-3, 2e-3, 128, 1, "cosine", 0.03)
    assert stage("llava-v1", 1) == ("instruct", WHOLE, 2e-5, 2e-5, 32, 3, "cosine", 0.03)
    assert stage("llava-v1-scienceqa", 0) == stage("llava-v1", 0)
    assert stage("llava-v1-scienceqa", 1) == ("instruct", WHOLE, 2e-5, 2e-5, 128, 12, "cosine", 0.03)
    assert stage("llava-v1.5", 0) == ("align", PROJECTOR, 1e-3, 1e-3, 256, 1, "cosine", 0.03)
    assert stage("llava-v1.5", 1) == ("instruct", WHOLE, 2e-5, 2e-5, 128, 1, "cosine", 0.03)
    lora = ("frozen", "full", "lora")
    assert stage("llava-v1.5-lora", 1) == ("instruct", lora, 2e-5, 2e-4, 128, 1, "cosine", 0.03)
    assert runnable("llava-v1").model.connector["kind"] == "linear"
    assert runnable("llava-v1.5").model.connector == {"kind": "mlp2x_gelu", "vision_feature_layer": -2}
    assert [own.template for own in runnable("llava-v1.5").stages] == ["plain", None]
    given = runnable("llava-v1.5-lora").lora
    assert (given.rank, given.alpha, given.dropout) == (128, 256, 0.05)


def test_svit_is_llava_15_over_another_llm() -> None:
    for ours, theirs in (("svit-v1.5", "llava-v1.5"), ("svit-v1.5-lora", "llava-v1.5-lora")):
        assert runnable(ours).stages == runnable(theirs).stages
        assert runnable(ours).model.llm == "lmsys/vicuna-13b-v1.5"


def test_the_review_is_that_of_its_tables() -> None:
    assert stage("review-llava", 0) == ("instruct", WHOLE, 2e-5, 2e-5, 4 * 2 * 8, 1, "cosine", 0.03)
    blip = ("full", "full", "frozen")
    assert stage("review-blip2", 0) == ("instruct", blip, 1e-5, None, 4 * 8, 1, "cosine", 1000)
    assert runnable("review-blip2").stages[0].weight_decay == 0.05
    assert stage("review-flamingo", 0) == ("instruct", PROJECTOR, 1e-4, None, 8, 6, "constant", 1000)


def test_patterns_are_those_of_the_review() -> None:
    expected = {"projector", "projector+llm", "projector+llm-lora", "vision+projector", "adapter-in-llm", "all"}
    assert {name for name in NAMES if preset.load_preset(name).pattern} == expected
    assert NAMES[-len(expected) :] == sorted(expected)  # listed last


def test_the_recipe_wins() -> None:
    found = config(
        {
            "preset": "llava-v1.5-lora",
            "model": {"llm": "mine/llm"},
            "lora": {"rank": 8},
            "stages": [{"name": "instruct", "batch": 16, "lr": {"llm": 1e-4}}],
        }
    )
    assert [own.name for own in found.stages] == ["instruct"]  # those that the recipe lists
    (own,) = found.stages
    assert (own.batch, own.lr.llm, own.lr.connector, own.warmup) == (16, 1e-4, 2e-5, 0.03)
    assert (found.lora.rank, found.lora.alpha) == (8, 256)
    assert (found.model.llm, found.model.vision) == ("mine/llm", "openai/clip-vit-large-patch14-336")


def test_a_stage_without_a_name_does_not_drop_the_others_of_a_preset() -> None:
    with pytest.raises(VlitError, match="align and instruct, and a stage of the recipe has no name"):
        preset.fill({"preset": "llava-v1.5", "stages": [{"batch": 8}]})
    assert preset.fill({"preset": "projector", "stages": [{"batch": 8}]})["stages"][0]["batch"] == 8


def test_a_checkpoint_takes_the_place_of_parts_and_parts_that_of_a_checkpoint() -> None:
    found = config({"preset": "llava-v1.5", "model": {"checkpoint": "mine/llava"}}).model
    assert (found.checkpoint, found.vision, found.architecture) == ("mine/llava", None, None)
    assert found.image == "pad"
    parts = {"architecture": "blip2", "vision": "a/v", "llm": "a/l"}
    assert config({"preset": "review-blip2", "model": parts}).model.checkpoint is None


def test_epochs_of_the_recipe_win_over_steps_of_the_preset() -> None:
    given = {"preset": "instructblip", "model": {"checkpoint": "a/b"}}
    assert config(given).stages[0].steps == 60_000
    assert config({**given, "stages": [{"epochs": 2}]}).stages[0].steps is None


def test_one_rate_becomes_three_where_the_recipe_changes_one() -> None:
    found = config({"preset": "llava-v1.5", "stages": [{"name": "instruct", "lr": {"connector": 1e-4}}]})
    assert (found.stages[0].lr.connector, found.stages[0].lr.llm) == (1e-4, 2e-5)


def test_without_a_preset_nothing_changes() -> None:
    values = {"model": {"checkpoint": "x"}}
    assert preset.fill(values) is values


@pytest.mark.parametrize("name", ["llava-v15", "../config", "presets/llava-v1", ""])
def test_an_unknown_preset_names_the_nearest(name: str) -> None:
    with pytest.raises(VlitError, match=r"llava-v1\.5"):
        preset.fill({"preset": name})


def test_the_list_has_a_line_for_each_stage() -> None:
    lines = preset.presets_text().plain.splitlines()
    stages = sum(len(preset.load_preset(name).values["stages"]) for name in NAMES)
    assert sum(": tunes " in line for line in lines) == stages and len(lines) == stages + 2 * len(NAMES)
    assert preset._rows(preset.load_preset("llava-v1.5-lora"))[1] == (
        "instruct", "mix 665K", "connector, llm (lora)", "connector 2e-05, llm 0.0002", "128", "1 epoch",
    )  # fmt: skip
    assert preset._rows(preset.load_preset("projector"))[0] == ("instruct", "-", "connector", "-", "-", "-")


def test_presets_hold_no_path() -> None:
    assert not [path for path in Path(preset._FOLDER).glob("*.yaml") if "/work" in path.read_text()]
