"""The stage ``evaluate`` in a run: from tuning to answers, scores and cards; what is answered stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.assess.encoders.tiny import clip, llama
from tests.teacher.judging import words_of
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.evaluate.answers import read_answers
from vlit.evaluate.registry import BENCHMARKS
from vlit.evaluate.scores import evaluated, read_scores, scores_of
from vlit.run.engine import execute, plan
from vlit.run.folder import RunFolder
from vlit.run.progress import Progress
from vlit.run.recipe import Recipe, parse_recipe

pytest.importorskip("torch")

PHOTOS = ("000000000790.jpg", "000000078499.jpg", "000000084284.jpg", "000000107438.jpg")
JUDGED = ("questions", "context", "references", "images")  # files of LLaVA-Bench


class Heard(Progress):
    def __init__(self) -> None:
        self.warnings, self.done = list[str](), list[str]()

    def warned(self, text: str) -> None:
        self.warnings.append(text)

    def finished(self, stage: str, rows: object, seconds: float) -> None:
        self.done.append(stage)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five questions of the toy benchmark; the photo of one is gone, the id of one stands twice."""
    monkeypatch.setitem(BENCHMARKS._builtin, "file_toy", "tests.evaluate.toy:FileToy")
    records: list[dict[str, str]] = [
        {"id": f"q{n}", "question": f"What is number {n}?", "answer": str(n), "image": PHOTOS[n % 4]}
        for n in range(5)
    ]
    records += [{**records[0], "answer": "9"}, {**records[0], "id": "gone", "image": "gone.jpg"}]
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(records))
    return path


def recipe(asked: Path, demo: Path, models: list[Any], **changes: Any) -> Recipe:
    toy = {"path": asked.name, "images": str(demo / "images")}
    evaluate = {"models": models, "benchmarks": {"file_toy": toy}} | changes
    return parse_recipe(json.dumps({"name": "t", "seed": 3, "evaluate": evaluate}), base=asked.parent)


def run_it(recipe: Recipe, folder: Path, **more: Any) -> tuple[RunFolder, Heard]:
    run, heard = RunFolder(folder / "run"), Heard()
    execute(recipe, run, workers=1, progress=heard, **more)
    return run, heard


def test_a_model_leaves_answers_scores_cards_and_a_submission(model: Path, asked: Path, demo: Path) -> None:
    run, heard = run_it(recipe(asked, demo, [str(model)]), asked.parent)
    folder = run.path / "evaluation" / "tiny" / "file_toy"
    names = {"answers.jsonl", "card.json", "card.md", "scores.json", "submission"}
    assert {p.name for p in folder.iterdir()} == names
    answers, scores = read_answers(folder / "answers.jsonl"), read_scores(folder / "scores.json")
    assert [row.question.id for row in answers.rows] == [f"q{n}" for n in range(5)]
    assert scores.expected == 7 and scores.lost == 2 and scores.partial
    assert any("PARTIAL: 5 of 7 questions, 2 cannot be asked" in warning for warning in heard.warnings)
    assert {row.reason for row in run.quarantine} == set(answers.header.lost) and len(run.quarantine) == 2
    assert set(json.loads((folder / "submission" / "upload.json").read_text())) == {f"q{n}" for n in range(5)}
    assert "USER: <image x4>" in (folder / "card.md").read_text()


def test_what_is_answered_is_not_asked_again_when_only_the_scoring_changes(
    model: Path, asked: Path, demo: Path
) -> None:
    run, _ = run_it(recipe(asked, demo, [str(model)], limit=2), asked.parent)
    path = run.path / "evaluation" / "tiny" / "file_toy" / "answers.jsonl"
    lines = path.read_bytes().splitlines()
    said = lines[1].replace(b'"text":"', b'"text":"kept ', 1)
    path.write_bytes(b"\n".join([lines[0], said, *lines[2:]]) + b"\n")
    _, heard = run_it(recipe(asked, demo, [str(model)]), asked.parent)
    assert heard.done == ["evaluate"]
    texts = [row.text or "" for row in read_answers(path).rows]
    assert len(texts) == 5 and sum(text.startswith("kept") for text in texts) == 1
    (step,) = plan(recipe(asked, demo, [str(model)]), run)
    assert step.state == "complete"


def test_answers_of_other_files_are_kept_beside_the_new_ones(model: Path, asked: Path, demo: Path) -> None:
    run, _ = run_it(recipe(asked, demo, [str(model)]), asked.parent)
    folder = run.path / "evaluation" / "tiny" / "file_toy"
    before = (folder / "answers.jsonl").read_bytes()
    asked.write_text(asked.read_text().replace("number 1?", "number one?"))
    _, heard = run_it(recipe(asked, demo, [str(model)]), asked.parent)
    assert (folder / "answers-1.jsonl").read_bytes() == before
    assert any("kept as answers-1.jsonl" in warning for warning in heard.warnings)
    assert read_answers(folder / "answers.jsonl").rows[1].question.prompt == "<image>\nWhat is number one?"


def test_nothing_of_an_earlier_evaluation_stands_beside_a_later_one(
    model: Path, asked: Path, demo: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    where = tmp_path_factory.mktemp("other") / "tiny"  # the same name, as of a model that was tuned anew
    shutil.copytree(model, where)
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}]
    (asked.parent / "set.json").write_text(json.dumps([{"id": "s", "image": PHOTOS[1], "conversations": talk}]))
    training = {"path": "set.json", "images": str(demo / "images")}
    toy = {"path": asked.name, "images": str(demo / "images")}
    both = {"file_toy": toy, "second": {"benchmark": "file_toy", **toy}}
    run, _ = run_it(recipe(asked, demo, [str(where)], benchmarks=both, training=training), asked.parent)
    folder = run.path / "evaluation" / "tiny" / "file_toy"
    assert (folder / "contamination.json").exists()
    (folder / "submission" / "earlier.json").write_text("of another split")
    _, heard = run_it(recipe(asked, demo, [str(where)]), asked.parent)
    assert {p.name for p in (folder / "submission").iterdir()} == {"upload.json"}
    assert not (folder / "contamination.json").exists()
    assert (folder.parent / "second" / "scores.json").exists() and "weights" not in str(heard.warnings)
    config = json.loads((where / "generation_config.json").read_text())
    (where / "generation_config.json").write_text(json.dumps(config | {"pad_token_id": 5}))
    _, heard = run_it(recipe(asked, demo, [str(where)]), asked.parent)
    assert any("second: its scores were of other weights" in warning for warning in heard.warnings)
    left = {p.name for p in (folder.parent / "second").iterdir()}
    assert left == {"answers.jsonl", "submission"} and not list((folder.parent / "second/submission").iterdir())
    assert (folder / "scores.json").exists() and (folder / "answers-1.jsonl").exists()


def test_a_set_that_the_model_was_tuned_on_is_held_against_the_questions(
    model: Path, asked: Path, demo: Path
) -> None:
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}]
    records = [{"id": "s", "image": PHOTOS[1], "conversations": talk}]
    (asked.parent / "set.json").write_text(json.dumps(records))
    training = {"path": "set.json", "images": str(demo / "images")}
    run, heard = run_it(recipe(asked, demo, [str(model)], training=training), asked.parent)
    folder = run.path / "evaluation" / "tiny" / "file_toy"
    found = json.loads((folder / "contamination.json").read_text())["found"]
    assert list(found) == ["q1"] and found["q1"][0]["kind"] == "photo"
    assert read_scores(folder / "scores.json").contaminated == 1
    assert any("1 of 5 questions are in the 1 training samples" in warning for warning in heard.warnings)


def test_a_server_answers_and_what_it_refused_can_be_asked_again(asked: Path, demo: Path) -> None:
    def number(body: dict[str, Any], digest: str, index: int) -> str:
        return words_of(body["messages"][-1]).split("number ")[1].rstrip("?")

    def made(url: str) -> Recipe:
        return recipe(asked, demo, [{"model": "org/scripted", "endpoint": url}])

    with ScriptedTeacher(says=number, models=("other",)) as server, pytest.raises(VlitError, match="scripted"):
        run_it(made(server.url), asked.parent)
    with ScriptedTeacher(says=number) as server:
        run, _ = run_it(made(server.url), asked.parent)
        assert len(server.log) == 5
        run_it(made(server.url), asked.parent, again="evaluate")
        assert len(server.log) == 5
    scores = read_scores(run.path / "evaluation" / "scripted" / "file_toy" / "scores.json")
    main = scores.main()
    assert main is not None and main.value == 100.0 and scores.model == "org/scripted"


def test_a_judge_scores_what_was_answered_and_its_silence_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BENCHMARKS._builtin, "judged_toy", "tests.evaluate.toy:JudgedToy")

    def talk(body: dict[str, Any], digest: str, index: int) -> str:
        asked = words_of(body["messages"][1 if body["messages"][0]["role"] == "system" else 0])
        if asked.startswith("Mark this: "):
            return {"0": "9", "1": "0", "2": "well"}[asked.removeprefix("Mark this: ")]
        return asked.split("number ")[1].rstrip("?")

    with ScriptedTeacher(says=talk) as server:
        values = {
            "name": "t",
            "teacher": {"model": "gpt", "endpoints": [{"url": server.url}]},
            "evaluate": {
                "models": [{"model": "m", "endpoint": server.url}],
                "benchmarks": {"judged_toy": None},
            },
        }
        run, _ = run_it(parse_recipe(json.dumps(values), base=tmp_path), tmp_path)
        asked = len(server.log)
        assert asked == 3 + 4  # the mark that cannot be read is sent back once
        run_it(parse_recipe(json.dumps(values), base=tmp_path), tmp_path, again="evaluate")
        assert len(server.log) == asked
    folder = run.path / "evaluation" / "m" / "judged_toy"
    scores = read_scores(folder / "scores.json")
    main = scores.main()
    assert (
        main is not None and main.value == 50.0 and main.n == 2 and scores.judge.startswith("gpt, prompt toy ")
    )
    assert scores.unscored == 1 and scores.failures == 0
    assert scores.whole() == "PARTIAL: 2 of 3 questions, 1 without a verdict of the judge"
    again = scores_of(evaluated(folder / "answers.jsonl"))
    assert again.metrics[0].value == 50.0
    assert "the judge gave no verdict that can be read" in (folder / "card.md").read_text()


def test_a_run_that_tunes_is_evaluated_on_what_it_held_out(tmp_path: Path, demo: Path) -> None:
    clip(tmp_path / "clip")
    llama(tmp_path / "llama", longest=512)
    records = [
        {
            "id": f"r{n}",
            "image": PHOTOS[n % 4],
            "conversations": [
                {"from": "human", "value": f"<image>\nNumber {n}?"},
                {"from": "gpt", "value": "It."},
            ],
        }
        for n in range(12)
    ]
    (tmp_path / "set.json").write_text(json.dumps(records))
    tune = {
        "model": {"architecture": "llava", "vision": "clip", "llm": "llama", "template": "vicuna"},
        "data": {"path": "set.json", "images": str(demo / "images")},
        "stages": [{"batch": 4, "steps": 2}],
        "held_out": {"share": 0.3, "answers": 0},
    }
    text = json.dumps({"name": "t", "seed": 3, "tune": tune, "evaluate": {"benchmarks": {"held_out": None}}})
    run, _ = run_it(parse_recipe(text, base=tmp_path), tmp_path)
    folder = run.path / "evaluation" / "tuned" / "held_out"
    scores, answers = read_scores(folder / "scores.json"), read_answers(folder / "answers.jsonl")
    held = [row.id for row in run.table("examples") if row.split == "held_out"]
    assert [row.question.id for row in answers.rows] == held and not scores.partial
    assert scores.model == "run (tuned)" and {m.name for m in scores.metrics} == {"accuracy", "majority answer"}
    majority = next(m for m in scores.metrics if m.name == "majority answer")
    assert majority.value == 100.0  # all answers are the same
    assert scores.contaminated == 0 and "words are not compared" in scores.contamination


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"benchmarks": {"pop": {}}}, "no benchmark 'pop'"),
        ({"benchmarks": {"file_toy": {"file": "x"}}}, "unknown key"),
        ({"benchmarks": {"mine": {"benchmark": "file_toy", "path": "t", "protocol": "x"}}}, "no protocol 'x'"),
        ({"models": ["a/tiny", "b/tiny"]}, "two models have the folder 'tiny'"),
        ({"models": [{"endpoint": "http://localhost/v1"}]}, "name the model as the endpoint knows it"),
        ({"benchmarks": {"llava_bench_wild": dict.fromkeys(JUDGED, "f")}},
         "scored by a judge, and the recipe names none"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused_before_anything_starts(
    asked: Path, demo: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(VlitError, match=said):
        recipe(asked, demo, **{"models": ["x"], **change})


def test_a_judge_that_is_missing_is_asked_for_in_the_recipe_and_on_the_command_line(
    asked: Path, demo: Path
) -> None:
    with pytest.raises(VlitError) as error:
        recipe(asked, demo, models=["x"], benchmarks={"llava_bench_wild": dict.fromkeys(JUDGED, "f")})
    for form in ("`teacher: {model: ", "`--set 'teacher={model: NAME, endpoints: [{url: ...}]}'`"):
        assert form in str(error.value.todo)


def test_files_and_models_that_are_missing_stop_it_before_the_first_stage(
    model: Path, asked: Path, demo: Path
) -> None:
    with pytest.raises(VlitError, match=r"no file 'none\.json'"):
        run_it(recipe(asked, demo, [str(model)], benchmarks={"file_toy": {"path": "none.json"}}), asked.parent)
    with pytest.raises(VlitError, match="this run has tuned no model"):
        run_it(recipe(asked, demo, [{}]), asked.parent)
