"""The stage ``tune`` in a run: from a training-data file to a model that plain transformers loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.assess.encoders.tiny import llama
from tests.tune.recipes import PHOTOS, recipe
from vlit.data.errors import VlitError
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.progress import Progress
from vlit.run.recipe import Recipe
from vlit.tune.leg import key_of
from vlit.tune.source import Source


class Heard(Progress):
    def __init__(self) -> None:
        self.steps, self.lines, self.warnings = 0, [], []  # type: ignore[var-annotated]
        self.of = 0
        self.stop_at = -1

    def total(self, shards: int | None) -> None:
        self.steps, self.of = 0, shards or 0

    def advanced(self) -> None:
        self.steps += 1
        if self.of and self.steps == self.stop_at:
            raise KeyboardInterrupt

    def said(self, text: str) -> None:
        self.lines.append(text)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


def test_two_stages_end_in_a_model_that_transformers_loads(parts: Path, data: Path, demo: Path) -> None:
    transformers = pytest.importorskip("transformers")
    run, heard = RunFolder(data.parent / "run"), Heard()
    execute(recipe(parts, data, demo), run, workers=1, progress=heard)
    (lost,) = run.quarantine
    assert lost.record.startswith("gone") and "missing" in lost.reason
    rows = list(run.table("examples"))
    assert {row.stage for row in rows} == {"align", "instruct"} and len(rows) == 24
    split = {row.id: row.split for row in rows}
    for row in rows:  # an image is held out in all of its samples, and in both stages
        assert row.split == split[row.id] == split[f"r{int(row.id[1:]) % 4}"]
    model = run.path / "model"
    transformers.AutoModelForImageTextToText.from_pretrained(model)
    assert "ASSISTANT" in transformers.AutoTokenizer.from_pretrained(model).chat_template
    answers = (model / "stages/instruct/answers.jsonl").read_text().splitlines()
    assert [json.loads(line)["reference"] for line in answers] and len(answers) == 2
    assert any(line.startswith("instruct ") and "label tokens/s" in line for line in heard.lines)


def test_what_is_tuned_is_not_tuned_again_and_nothing_is_lost(parts: Path, data: Path, demo: Path) -> None:
    run = RunFolder(data.parent / "run")
    execute(recipe(parts, data, demo), run, workers=1)
    weights = run.path / "model/stages/align/result/model.safetensors"
    before = weights.read_bytes()
    (run.path / "model/vlit.json").unlink()  # the stage has to run again; its results are there
    heard = Heard()
    execute(recipe(parts, data, demo), run, workers=1, progress=heard)
    assert (run.path / "model/vlit.json").exists() and not any("label tokens" in line for line in heard.lines)
    changed = recipe(parts, data, demo)
    stages = [stage.model_dump(mode="json") for stage in changed.stages[0].config.stages]
    stages[1]["epochs"] = 2
    execute(recipe(parts, data, demo, stages=stages), run, workers=1, progress=heard)
    assert weights.read_bytes() == before
    (kept,) = (run.path / "model/stages").glob("instruct-*")
    assert (kept / "result/model.safetensors").exists() and "kept as instruct-" in heard.warnings[0]


def test_more_or_fewer_answers_to_what_was_held_out_are_made_without_tuning_again(
    parts: Path, data: Path, demo: Path
) -> None:
    run, found = RunFolder(data.parent / "run"), list[list[str]]()
    for most in (2, 2, 3, 0, 1):
        heard = Heard()
        wanted = recipe(parts, data, demo, held_out={"share": 0.3, "answers": most})
        execute(wanted, run, workers=1, progress=heard)
        lines = (run.path / "model/stages/instruct/answers.jsonl").read_text().splitlines()
        found.append([json.loads(line)["id"] for line in lines])
        assert any("label tokens" in line for line in heard.lines) == (len(found) == 1)
    assert [len(ids) for ids in found] == [2, 2, 3, 0, 1]
    assert set(found[4]) < set(found[0]) < set(found[2])


def test_after_an_interruption_the_steps_that_are_left_are_counted(parts: Path, data: Path, demo: Path) -> None:
    run, heard = RunFolder(data.parent / "run"), Heard()
    only = recipe(
        parts,
        data,
        demo,
        stages=[{"name": "a", "batch": 1, "template": "plain"}],
        held_out={"share": 0},
        save_every=2,
    )
    heard.stop_at = 5  # checkpoints are of steps 2 and 4
    with pytest.raises(KeyboardInterrupt):
        execute(only, run, workers=1, progress=heard)
    heard.stop_at = -1
    execute(only, run, workers=1, progress=heard)
    assert heard.steps == heard.of == 12 - 4
    assert json.loads((run.path / "model/stages/a/outcome.json").read_bytes())["resumed_at"] == 4


def test_more_unreadable_photos_are_allowed_in_the_middle(parts: Path, data: Path, demo: Path) -> None:
    run, images = RunFolder(data.parent / "run"), data.parent / "images"
    shutil.copytree(demo / "images", images)
    stage = {"name": "a", "batch": 1, "epochs": 3, "template": "plain"}
    given = {
        "stages": [stage], "held_out": {"share": 0}, "save_every": 2, "readers": 0,
        "data": {"path": str(data), "images": str(images)},
    }  # fmt: skip
    heard = Heard()
    heard.stop_at = 13
    with pytest.raises(KeyboardInterrupt):
        execute(recipe(parts, data, demo, **given), run, workers=1, progress=heard)
    (images / PHOTOS[0]).write_bytes((images / PHOTOS[0]).read_bytes()[:500])
    with pytest.raises(VlitError, match="images cannot be read"):
        execute(recipe(parts, data, demo, **given), run, workers=1)
    heard.stop_at = -1
    execute(recipe(parts, data, demo, **given, unreadable=0.5), run, workers=1, progress=heard)
    outcome = json.loads((run.path / "model/stages/a/outcome.json").read_bytes())
    assert outcome["resumed_at"] >= 12 and outcome["skipped"] == 3 and not heard.warnings


def test_a_result_that_was_removed_is_made_again(parts: Path, data: Path, demo: Path) -> None:
    run, heard = RunFolder(data.parent / "run"), Heard()
    execute(recipe(parts, data, demo), run, workers=1)
    shutil.rmtree(run.path / "model/stages/align/result")
    (run.path / "model/vlit.json").unlink()
    execute(recipe(parts, data, demo), run, workers=1, progress=heard)
    assert (run.path / "model/stages/align/result/vlit.json").exists() and not heard.warnings
    assert {line.partition(" ")[0] for line in heard.lines if "label tokens" in line} == {"align"}


def test_settings_that_are_back_find_what_was_tuned_with_them(parts: Path, data: Path, demo: Path) -> None:
    run, heard = RunFolder(data.parent / "run"), Heard()
    execute(recipe(parts, data, demo), run, workers=1)
    weights = run.path / "model/stages/instruct/result/model.safetensors"
    before = weights.read_bytes()
    own = [stage.model_dump(mode="json") for stage in recipe(parts, data, demo).stages[0].config.stages]
    own[1]["lr"] = 1e-3
    execute(recipe(parts, data, demo, stages=own), run, workers=1)
    assert weights.read_bytes() != before
    execute(recipe(parts, data, demo), run, workers=1, progress=heard)
    assert weights.read_bytes() == before and (run.path / "model/model.safetensors").read_bytes() == before
    assert not any("label tokens" in line for line in heard.lines)
    assert "is taken up again" in heard.warnings[-1]


def test_weights_that_were_replaced_make_a_finished_stage_anew(parts: Path, data: Path, demo: Path) -> None:
    run, heard = RunFolder(data.parent / "run"), Heard()
    places = shutil.copytree(parts, data.parent / "parts")
    execute(recipe(places, data, demo), run, workers=1)
    llama(places / "llama", longest=512, seed=9)
    execute(recipe(places, data, demo), run, workers=1, progress=heard)
    assert len(heard.warnings) == 2 and "kept as align-" in heard.warnings[0]


def test_adapters_that_a_stage_does_not_have_and_other_defaults_do_not_make_it_anew(
    parts: Path, data: Path, demo: Path
) -> None:
    (first, second), (other, _) = (
        _keys(recipe(parts, data, demo, **more)) for more in ({}, {"lora": {"rank": 4}, "save_every": 7})
    )
    assert first == other and first != second
    assert _keys(recipe(parts, data, demo, precision="bf16"))[0] != first


def _keys(made: Recipe) -> list[str]:
    config = made.stages[0].config
    source = Source.of([])
    first = key_of(config, config.stages[0], source, "", 3)
    return [first, key_of(config, config.stages[1], source, first, 3)]


def test_the_card_shows_the_curves_of_all_stages(parts: Path, data: Path, demo: Path) -> None:
    run = RunFolder(data.parent / "run")
    execute(recipe(parts, data, demo), run, workers=1)
    said = (run.path / "model/README.md").read_text()
    assert "align, training loss" in said and "instruct, training loss" in said
    assert "align, loss on held-out" in said and "instruct, loss on held-out" in said


def test_without_a_file_there_has_to_be_a_selection(parts: Path, data: Path, demo: Path) -> None:
    with pytest.raises(VlitError, match=r"reads the table .selected."):
        recipe(parts, data, demo, data={"variant": "small"})


def test_a_set_of_which_nothing_is_left_says_why(parts: Path, data: Path, demo: Path) -> None:
    changed = recipe(parts, data, demo, max_length=8, overlong="refuse")
    with pytest.raises(
        VlitError,
        match=r"no sample is left to train on: 12 x longer than max_length \(8\) \(e\.g\. \d+ tokens\)",
    ):
        execute(changed, RunFolder(data.parent / "run"), workers=1)


@pytest.mark.parametrize("text", [True, False])
def test_a_set_of_which_all_photos_are_missing_is_not_tuned_on_as_text(
    text: bool, parts: Path, data: Path, demo: Path
) -> None:
    records = json.loads(data.read_text())
    talk = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
    data.write_text(json.dumps([*records, *[{"id": "text", "conversations": talk}] * text]))
    elsewhere = recipe(
        parts, data, demo, stages=[{"name": "a"}], held_out={"share": 0},
        data={"path": str(data), "images": str(data.parent)},
    )  # fmt: skip
    said = (
        "no photo of this set can be used"
        + ", what is left is text alone" * text
        + ": 13 x the file is missing"
    )
    with pytest.raises(VlitError, match=said) as error:
        execute(elsewhere, RunFolder(data.parent / "run"), workers=1)
    assert "--images" in str(error.value.todo)


def test_where_all_is_held_out_it_is_said(parts: Path, data: Path, demo: Path) -> None:
    all_of_it = recipe(parts, data, demo, stages=[{"name": "a"}], held_out={"share": 0.999})
    with pytest.raises(VlitError, match="all 12 examples are held out") as error:
        execute(all_of_it, RunFolder(data.parent / "run"), workers=1)
    assert error.value.todo == "lower tune.held_out.share"


def test_a_set_may_be_named_by_its_folder(parts: Path, data: Path, demo: Path) -> None:
    here = {"path": str(data.parent), "images": str(demo / "images")}
    assert list(recipe(parts, data, demo, data=here).stages[0].outside()) == list(
        recipe(parts, data, demo).stages[0].outside()
    )
