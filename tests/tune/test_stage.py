"""The stage ``tune`` in a run: from a training-data file to a model that plain transformers loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.assess.encoders.tiny import clip, llama
from vlit.cli import group
from vlit.data.errors import VlitError
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.progress import Progress
from vlit.run.recipe import Recipe, parse_recipe
from vlit.tune.config import DataConfig
from vlit.tune.leg import key_of
from vlit.tune.outlook import outlooks
from vlit.tune.source import Source
from vlit.tune.stage import TuneStage

PHOTOS = ("000000000790.jpg", "000000078499.jpg", "000000084284.jpg", "000000107438.jpg")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    clip(folder / "clip")
    llama(folder / "llama", longest=512)
    return folder


@pytest.fixture
def data(tmp_path: Path, demo: Path) -> Path:
    """Twelve records about four photos, one of which is not there."""
    records: list[dict[str, Any]] = []
    for number in range(12):
        talk = [("human", f"<image>\nWhat is number {number}?"), ("gpt", f"It is {number}.")]
        turns = [{"from": who, "value": text} for who, text in talk]
        records.append({"id": f"r{number}", "image": PHOTOS[number % 4], "conversations": turns})
    records.append({"id": "gone", "image": "gone.jpg", "conversations": records[0]["conversations"]})
    path = tmp_path / "set.json"
    path.write_text(json.dumps(records))
    return path


def recipe(parts: Path, path: Path, demo: Path, **changes: Any) -> Recipe:
    tune: dict[str, Any] = {
        "model": {
            "architecture": "llava",
            "vision": str(parts / "clip"),
            "llm": str(parts / "llama"),
            "template": "vicuna",
        },
        "data": {"path": str(path), "images": str(demo / "images")},
        "stages": [
            {"name": "align", "trainable": {"connector": "full"}, "batch": 4, "template": "plain"},
            {"name": "instruct", "trainable": {"connector": "full", "llm": "full"}, "batch": 4},
        ],
        "held_out": {"share": 0.3, "answers": 2},
    } | changes
    return parse_recipe(json.dumps({"name": "t", "seed": 3, "tune": tune}), base=path.parent)


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


def test_a_set_may_be_named_by_its_folder(parts: Path, data: Path, demo: Path) -> None:
    here = {"path": str(data.parent), "images": str(demo / "images")}
    assert list(recipe(parts, data, demo, data=here).stages[0].outside()) == list(
        recipe(parts, data, demo).stages[0].outside()
    )


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
