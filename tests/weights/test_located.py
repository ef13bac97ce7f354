"""Where models lie: folders beside the recipe, with a pooling behind them, and models that cannot be had."""

import os
from pathlib import Path

import pytest

from tests.assess.test_observe import made_set
from vlit.data.errors import VlitError
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe
from vlit.weights.located import check_reachable, folder_lines, located


def test_a_folder_is_found_beside_the_recipe_also_with_a_pooling_behind_it(tmp_path):
    (tmp_path / "bert" / "1_Pooling").mkdir(parents=True)
    (tmp_path / "bert" / "1_Pooling" / "config.json").write_text("{}")
    assert located("bert", tmp_path) == str(tmp_path / "bert")
    assert located("bert#cls", tmp_path) == f"{tmp_path}/bert#cls"
    assert located("princeton/simcse#cls", tmp_path) == "princeton/simcse#cls"
    assert [line.split()[0] for line in folder_lines("bert#cls", tmp_path)] == ["1_Pooling/config.json"]
    check_reachable(f"{tmp_path}/bert#cls")


def test_a_file_of_weights_is_found_beside_the_recipe(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    assert located("checkpoint.pt", tmp_path) == str(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    "recipe",
    [
        "observe: {sentences: nobody/has-this}",
        "observe: {sentences: none, vision: nobody/has-this}",
        "assess: {indicators: {matching_degree: {model: nobody/has-this}}}",
        "assess: {indicators: {toxicity: {model: nobody/has-this}}}",
    ],
)
def test_a_model_that_cannot_be_had_is_told_before_anything_is_done(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)
    made_set(tmp_path, 1)
    run = RunFolder(tmp_path / "run")
    read = parse_recipe(f"name: r\nload: {{path: set.json}}\n{recipe}\n", base=tmp_path)
    with pytest.raises(VlitError, match=r"the model cannot be loaded[\s\S]*in: nobody/has-this"):
        execute(read, run, workers=1)
    assert not len(run.samples)
    execute(read, run, workers=1, until="load")
    assert len(run.samples) == 1


def test_a_changed_model_in_a_folder_is_another_run(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    text = "name: r\nload: {path: set.json}\nteacher: {model: m, endpoints: [{url: http://x/v1}]}\n"
    text += "assess: {indicators: {toxicity: {model: a}, task_tags: {encoder: b}}}\n"
    pytest.importorskip("transformers")

    def lines():
        return sorted(parse_recipe(text, base=tmp_path).stages[-1].outside())

    before = lines()
    for name in ("a", "b"):
        path: Path = tmp_path / name / "config.json"
        os.utime(path, ns=(1, 1))
        assert before != (before := lines())
