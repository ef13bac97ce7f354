"""The model card: what it tells, and what it never does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.tune import tiny
from vlit.tune.card import card, public, sparkline
from vlit.tune.config import TuneConfig
from vlit.tune.models.architecture import Architecture

pytest.importorskip("torch")

ABOUT: dict[str, Any] = {
    "precision": "fp32",
    "hardware": "2 CPU cores",
    "data": {
        "fingerprint": "0a1b",
        "samples": 1234,
        "held_out": 26,
        "licences": {"CC BY 4.0": 1000, "CC0": 234},
        "sources": {"/home/me/secret/coco.json": 1234},
    },
    "loss": {"instruct": [(1, 4.0), (2, 3.0), (3, 1.5)]},
    "held_out": {"instruct": [(0, 4.25), (3, 1.75)]},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    return tiny.llava(tmp_path_factory.mktemp("llava"))


def config(**more: Any) -> TuneConfig:
    stage = {
        "name": "instruct",
        "trainable": {"connector": "full", "llm": "full"},
        "lr": {"connector": 1e-3, "llm": 2e-5},
    }
    model = {"architecture": "llava", "vision": "openai/clip", "llm": "/home/me/secret/llama"}
    data = {"path": "/home/me/secret/set.json", "images": "/home/me/secret/photos"}
    return TuneConfig.model_validate(
        {"model": model, "data": data, "stages": [{"name": "align"}, stage], **more}
    )


def text(model: Architecture, given: TuneConfig, about: dict[str, Any] | None = None) -> str:
    return card(model, given, given.stages[-1], ABOUT if about is None else about)


def test_it_tells_data_settings_and_losses(model: Architecture) -> None:
    said = text(model, config())
    header = yaml.safe_load(said.split("---")[1])
    assert header["pipeline_tag"] == "image-text-to-text"
    assert header["base_model"] == ["openai/clip"]  # a folder is no model of the hub
    for piece in (
        "`openai/clip` and `llama`",
        "samples trained on: 1,234",
        "`0a1b`",
        "CC BY 4.0 1,000, CC0 234",
        "4.2500 before (step 0), 1.7500 after (step 3)",
        "| instruct | frozen | full, 0.001 | full, 2e-05 | 128 | 1 epoch | cosine |",
        "| align |",
        "vllm serve FOLDER",
        "On 2 CPU cores, fp32.",
        "`vllm serve` has not been run",
    ):
        assert piece in said, piece


def test_no_path_of_the_machine_is_told(model: Architecture) -> None:
    said = text(model, config())
    assert "/home" not in said and "secret" not in said
    assert "coco.json 1,234" in said


def test_settings_are_a_recipe_that_is_valid(model: Architecture) -> None:
    block = re.search(r"```yaml\n(.*?)```", text(model, config()), re.DOTALL)
    assert block is not None
    again = TuneConfig.model_validate(yaml.safe_load(block[1])["tune"])
    assert again.stages == config().stages


def test_a_card_of_an_earlier_stage_tells_of_no_later_one(model: Architecture) -> None:
    given = config()
    said = card(model, given, given.stages[0], {})
    assert "| instruct |" not in said and "name: instruct" not in said
    assert "not known to the run" in said  # licences


def test_adapters_are_told_as_such(model: Architecture) -> None:
    stage = {"name": "instruct", "trainable": {"connector": "full", "llm": "lora"}}
    given = config(stages=[{"name": "align"}, stage], lora={"merge": False})
    said = card(model, given, given.stages[-1], ABOUT, base="FOLDER/base")
    assert "library_name: peft" in said
    assert "PeftModel.from_pretrained(base" in said and 'from_pretrained("FOLDER/base"' in said
    assert "Merge the adapters first" in said
    assert 'from_pretrained("a/b"' in card(model, given, given.stages[-1], ABOUT, base="a/b")
    assert "PeftModel" not in card(model, given, given.stages[0], {})  # the stage before has none


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai/clip", "openai/clip"),
        ("/a/b/c", "c"),
        ("../models/clip", "clip"),
        ("pocket", "pocket"),
        ("C:/x/y", "y"),
    ],
)
def test_public_names(name: str, expected: str) -> None:
    assert public(name) == expected


def test_a_sparkline_by_hand() -> None:
    assert sparkline([0, 7]) == "▁█"
    assert sparkline([3, 3, 3]) == "▁▁▁"
    assert sparkline([0, 2, 6, 8], width=2) == "▁█"
    assert sparkline([]) == sparkline([float("nan")]) == ""


@given(st.lists(st.floats(width=32), max_size=200), st.integers(1, 60))
def test_a_sparkline_never_fails(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) <= width


def test_recipes_that_tune_are_valid() -> None:
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("tune-*.yaml")):
        given = yaml.safe_load(path.read_text())
        from vlit.tune.preset import fill

        TuneConfig.model_validate(dict(fill(given["tune"])))
