"""Runs with a teacher as a user sees them: budgets, keys, previews, batches, photos, pools, and no teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.generate.instruct.runs import recipe_text, run
from tests.teacher.server import ScriptedTeacher
from vlit.cli import group
from vlit.data.errors import VlitError
from vlit.generate.adapt import load_pools
from vlit.generate.config import AdaptConfig
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe
from vlit.teacher.journal import JournalView


def source(demo: Path) -> dict[str, Any]:
    return {"kind": "auto", "path": str(demo), "name": "demo"}


def chats(server: ScriptedTeacher) -> list[Any]:
    return [call for call in server.log if call.path.endswith("/chat/completions")]


def test_a_budget_is_never_passed_and_can_be_raised(tmp_path: Path, demo: Path) -> None:
    recipes = ["llava_conversation", "svit_complex"]
    with ScriptedTeacher() as server:
        few = recipe_text(server.url, source(demo), recipes, teacher={"budget": {"tokens": 40_000}})
        first = run(few, tmp_path / "x")
        spent = sum(call.prompt_tokens + call.completion_tokens for call in server.log)
        assert 0 < spent <= 40_000
        outcomes = [row.outcome for row in first.exchanges]
        assert set(outcomes) == {"kept", "not_asked"} and len(first.samples) == outcomes.count("kept")
        lost = [q for q in first.quarantine if q.stage == "generate"]
        assert len(lost) == outcomes.count("not_asked") and "budget" in lost[0].reason
        asked = len(server.log)
        run(few, tmp_path / "x")
        assert len(server.log) == asked, "a complete stage asked again"
        more = run(recipe_text(server.url, source(demo), recipes), tmp_path / "x")
        assert {row.outcome for row in more.exchanges} == {"kept"} and len(more.samples) == 88
        digests = [call.digest for call in server.log]
        assert len(digests) == len(set(digests)) == 88, "an answered request was sent again"


def test_without_a_teacher_annotations_are_adapted(tmp_path: Path, demo: Path) -> None:
    text = recipe_text("http://localhost:1", source(demo), ["svit_complex"])
    values = yaml.safe_load(text) | {"teacher": "none"}
    made = run(yaml.safe_dump(values), tmp_path / "x")
    assert len(made.samples) > 500 and not len(made.exchanges)
    assert {sample.paradigm for sample in made.samples} == {"annotation_adaption"}


def test_both_kinds_of_samples_in_one_run(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher() as server:
        values = yaml.safe_load(recipe_text(server.url, source(demo), ["llava_complex"]))
        values["generate"]["adapt"] = None
        made = run(yaml.safe_dump(values), tmp_path / "x")
    kinds = {sample.paradigm for sample in made.samples}
    assert kinds == {"annotation_adaption", "self_instruct"}


def test_a_recipe_that_names_no_teacher_is_told_how(demo: Path) -> None:
    values = yaml.safe_load(recipe_text("http://localhost:1", source(demo), ["svit_complex"]))
    del values["teacher"]
    with pytest.raises(VlitError, match=r"needs a teacher.*\n.*\n.*teacher: none"):
        parse_recipe(yaml.safe_dump(values), base=demo)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"teacher": {"model": "m", "endpoint": []}}, "did you mean 'endpoints'"),
        ({"teacher": {"model": "m", "endpoints": [{"url": "x"}]}}, "a URL is needed"),
        ({"teacher": {"model": "m", "endpoints": [{"url": "http://x/v1", "key": "sk-1-2"}]}}, "never the key"),
        ({"teacher": {"model": "m", "endpoints": [{"url": "http://me:sk-1-2@x/v1"}]}}, "without user"),
        ({"teacher": {"model": "m", "endpoints": [{"url": "http://x/v1"}], "budget": {"money": 1}}}, "price"),
        ({"generate": {"instruct": {"recipes": ["svit_complexx"]}}}, "did you mean 'svit_complex'"),
        ({"generate": {"instruct": {"recipes": {"svit_complex": {"rond": 1}}}}}, "did you mean 'rounds'"),
        ({"generate": {"instruct": {}}}, "name at least one recipe"),
        ({"generate": {"instruct": {"rewrite": ["counting"]}}}, "adapt does not make"),
    ],
)
def test_mistakes_in_a_recipe_are_told_before_anything_starts(
    changes: dict[str, Any], said: str, demo: Path
) -> None:
    values = yaml.safe_load(recipe_text("http://localhost:1", source(demo), ["svit_complex"])) | changes
    with pytest.raises(VlitError, match=said) as error:
        recipe = parse_recipe(yaml.safe_dump(values), base=demo)
        [list(stage.outside()) for stage in recipe.stages]
    assert "sk-1-2" not in str(error.value)


def test_a_key_is_written_nowhere(tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TEACHER", "sk-very-secret-9")
    with ScriptedTeacher(key="sk-very-secret-9") as server:
        teacher = {"endpoints": [{"url": server.url, "key": "OUR_TEACHER"}]}
        text = recipe_text(server.url, source(demo), ["llava_complex"], teacher=teacher)
        made = run(text, tmp_path / "x")
    assert len(made.samples) == 44
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"sk-very-secret-9" not in path.read_bytes(), path


def test_a_wrong_key_stops_at_once_and_names_the_variable(
    tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_TEACHER", "sk-wrong-1")
    with ScriptedTeacher(key="sk-right") as server:
        teacher = {"endpoints": [{"url": server.url, "key": "OUR_TEACHER", "concurrency": 4}]}
        text = recipe_text(server.url, source(demo), ["llava_complex"], teacher=teacher)
        with pytest.raises(VlitError, match="OUR_TEACHER") as error:
            run(text, tmp_path / "x")
        assert len(server.log) <= 8
    assert "sk-wrong-1" not in str(error.value)


def test_a_preview_prints_the_messages_and_sends_nothing(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher() as server:
        recipe = tmp_path / "x.yaml"
        recipe.write_text(recipe_text(server.url, source(demo), ["llava_detail", "review_negative"]))
        runs = str(tmp_path / "runs")
        told = CliRunner().invoke(group, ["run", str(recipe), "--preview", "2", "--runs", runs])
        assert told.exit_code == 0, told.output
        again = CliRunner().invoke(group, ["generate", f"{runs}/x", "--preview", "1"])
        assert again.exit_code == 0, again.output
        assert not server.log
        execute(parse_recipe(recipe.read_text(), base=tmp_path), RunFolder(tmp_path / "runs" / "x"), workers=1)
        seen = {call.prompt for call in chats(server)}
    assert told.output.count("━━") == 4 and again.output.count("━━") == 2
    assert sum(prompt in told.output for prompt in seen) >= 4, "what was printed is not what was sent"


def test_photos_are_sent_and_never_kept_in_the_journal(tmp_path: Path, demo: Path) -> None:
    recipes = ["vision_conversation", "vision_detail", "vision_region"]
    with ScriptedTeacher() as server:
        text = recipe_text(server.url, source(demo), recipes, instruct={"scenes": 6})
        made = run(text, tmp_path / "x")
        assert all(call.pictures == 1 for call in chats(server))
        calls = len(chats(server))
    assert {row.outcome for row in made.exchanges} == {"kept"}
    size = sum(path.stat().st_size for path in (tmp_path / "x" / "journal").glob("*.jsonl"))
    assert size < calls * 8_000 and b";base64," not in (tmp_path / "x/journal/00001.jsonl").read_bytes()
    request = JournalView(tmp_path / "x" / "journal").request(next(iter(made.exchanges)).requests[0])
    assert request is not None and any(
        getattr(part, "sha256", None) for m in request.messages for part in m.parts
    )


def test_replies_can_be_held_to_a_schema(tmp_path: Path, demo: Path) -> None:
    recipes = ["svit_conversation", "svit_detail", "llava_complex"]
    counts = []
    for name, refuses in (("taken", ()), ("refused", ("response_format",))):
        with ScriptedTeacher(refuses=refuses) as server:
            text = recipe_text(server.url, source(demo), recipes, teacher={"structured": True})
            made = run(text, tmp_path / name)
            assert any("response_format" in call.fields for call in chats(server))
        assert {row.outcome for row in made.exchanges} == {"kept"}
        counts.append(len(made.samples))
    assert counts == [44 * 5, 44 * 5]


def test_a_context_that_is_too_long_is_shortened(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher(longest=2_600) as server:
        text = recipe_text(server.url, source(demo), ["svit_complex"], instruct={"scenes": 20})
        made = run(text, tmp_path / "x")
    rows = list(made.exchanges)
    assert any(row.outcome == "kept" and row.cut for row in rows)
    assert {row.outcome for row in rows} <= {"kept", "too_long", "no_clues"}
    for row in rows:
        assert row.outcome != "too_long" or len(row.requests) == 2


def test_pools_grow_by_rewording_and_keep_their_slots(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher() as server:
        values = yaml.safe_load(recipe_text(server.url, source(demo), []))
        values["generate"] = {"adapt": {"tasks": {"counting": None}}, "instruct": {"rewrite": ["counting"]}}
        made = run(yaml.safe_dump(values), tmp_path / "x")
    rows = list(made.exchanges)
    assert rows and {row.recipe for row in rows} == {"rewrite_instructions"}
    pools = load_pools(AdaptConfig().make_tasks(), None)
    used = {name for sample in made.samples for name in sample.provenance.templates if "/ask" in name}
    new = {name for name in used if pools.find(name) is None}
    assert new and used - new, "no new wording was used, or no old one"
    assert not any("{" in turn.text for sample in made.samples for turn in sample.turns)


def test_failures_are_asked_again_on_request_and_replies_are_kept(tmp_path: Path, demo: Path) -> None:
    recipe = tmp_path / "x.yaml"
    runs = str(tmp_path / "runs")
    with ScriptedTeacher(faults={"filter_400": 0.5}, seed=3) as server:
        recipe.write_text(recipe_text(server.url, source(demo), ["llava_complex"]))
        assert CliRunner().invoke(group, ["run", str(recipe), "--runs", runs]).exit_code == 0
        made = RunFolder(tmp_path / "runs" / "x")
        failed = sum(row.outcome == "filtered" for row in made.exchanges)
        asked = len(chats(server))
        assert 0 < failed < 44
        assert CliRunner().invoke(group, ["run", str(recipe), "--runs", runs]).exit_code == 0
        assert len(chats(server)) == asked
        server._completions.faults.shares.clear()
        told = CliRunner().invoke(group, ["generate", f"{runs}/x", "--retry"])
        assert told.exit_code == 0, told.output
        assert len(chats(server)) == asked + failed
    assert {row.outcome for row in made.exchanges} == {"kept"} and len(made.samples) == 44


@pytest.mark.slow
def test_batch_files_give_the_same_samples_as_calls(tmp_path: Path, demo: Path) -> None:
    recipes = ["llava_conversation", "svit_detail"]
    flaws = {"short": 0.2, "refusal": 0.2}
    samples = []
    for name, batch in (("calls", None), ("files", {"poll": 0.05, "size": 40})):
        with ScriptedTeacher(faults=flaws, seed=4) as server:
            teacher = {"batch": batch} if batch else {}
            made = run(recipe_text(server.url, source(demo), recipes, teacher=teacher), tmp_path / name)
            if batch:
                assert not chats(server), "a batch run made single calls"
        assert {row.outcome for row in made.exchanges} == {"kept"}
        samples.append([(sample.id, sample.turns) for sample in made.samples])
    assert samples[0] == samples[1]
