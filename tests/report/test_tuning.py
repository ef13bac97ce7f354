"""What the report says of tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image as PILImage

from tests.report.conftest import make_scene, write
from vlit.data.scene import Image
from vlit.report.curve import POINTS, Point, curve
from vlit.report.page import render
from vlit.report.stage import ReportConfig, content
from vlit.report.tuning import Answered, photos_of, rows, tiles, tuning
from vlit.run.folder import RunFolder

RECIPE = "name: x\ncollect: {sources: [{kind: auto, path: .}]}\n"
STAGES = [
    {"name": "instruct", "trainable": {"llm": "lora"}, "batch": 8, "epochs": 2, "lr": {"llm": 0.002}},
    {"name": "after"},
]
CONFIG = {"model": {"checkpoint": "pocket"}, "precision": "fp32", "stages": STAGES}


def step(n: int, **changes: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "step": n, "epoch": 0.1, "loss": 4.0 / n, "lr": {"connector": 0.001 / n, "llm": 0.002 / n},
        "grad_norm": 1.0, "tokens": 100, "label_tokens": 10, "samples": 8, "seconds": 0.5, "mfu": 0.25,
        "waited": 0.0, "memory_gb": 1.5,
    }  # fmt: skip
    return line | changes


def written(path: Path, lines: list[dict[str, Any]], tail: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail, encoding="utf-8")


def made(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    run.recipe.write_text(RECIPE, encoding="utf-8")
    stage = folder / "model" / "stages" / "instruct"
    photo = folder / "a photo.jpg"
    PILImage.new("RGB", (64, 48), "red").save(photo)
    measured = [{"step": 0, "held_out_loss": 5.0}, *map(step, range(1, 5)), {"step": 4, "held_out_loss": 2.0}]
    written(stage / "metrics.jsonl", measured, tail='{"step": 5, "lo')
    written(stage / "skipped.jsonl", [{"sample": "s", "reason": "<truncated>"}] * 2)
    asked = {"task": "open_vqa", "id": "s/1", "image": str(photo), "question": "<image>\nWhat is it?"}
    gone = {
        "task": "presence",
        "id": "s/2",
        "image": str(folder / "gone.jpg"),
        "question": "Is it <b>?",
        "answer": "",
        "reference": "No",
    }
    written(
        stage / "answers.jsonl",
        [
            asked | {"answer": "red ", "reference": "Red."},
            asked | {"answer": "blue", "reference": "Red."},
            gone,
        ],
    )
    pieces = [["USER: what?", "untrained"], ["<image>", "image"], ["Red.</s>", "trained"]]
    (stage / "inspect.json").write_text(json.dumps([{"id": "s/1", "pieces": pieces}]), encoding="utf-8")
    (stage / "job.json").write_text(json.dumps({"config": CONFIG, "stage": STAGES[0]}), encoding="utf-8")
    written(folder / "model" / "stages" / "after" / "metrics.jsonl", [])
    return run


def test_numbers_are_those_of_the_metrics(tmp_path: Path) -> None:
    first, second = tuning(made(tmp_path))
    assert (first.name, second.name) == ("instruct", "after")  # in the recipe's order
    assert "4 steps over 32 samples with 40 label tokens" in first.lead and "from 5 to 2" in first.lead
    assert first.tiles == {
        "Time of the steps": "2 s", "Label tokens per second": "20", "Tokens per second": "200",
        "Model FLOPs utilisation": "25 %", "Waited for data": "0 %", "Peak memory": "1.5 GB",
    }  # fmt: skip
    assert [(p.how, p.rate) for p in first.parts] == [("frozen", ""), ("full", "0.001"), ("lora", "0.002")]
    assert first.settings["model"] == "pocket" and first.settings["batch"] == "8"
    assert first.skipped == (("<truncated>", 2),)
    assert (first.same, first.answered) == (1, 3)
    assert first.by_task == (("open_vqa", 1, 2), ("presence", 0, 1))
    assert second.lead == "No step has been taken yet." and second.curve is None and second.tiles == {}


def test_without_a_job_the_recipe_tells(tmp_path: Path) -> None:
    run = made(tmp_path)
    (tmp_path / "model" / "stages" / "instruct" / "job.json").write_text("{", encoding="utf-8")
    run.recipe.write_text(RECIPE + "tune:\n  stages: [{name: after}, {name: instruct, batch: 7}]\n")
    after, instruct = tuning(run)
    assert (after.name, instruct.settings) == ("after", {"batch": "7"})


def test_what_was_put_aside_is_not_shown(tmp_path: Path) -> None:
    run = made(tmp_path)
    stages = tmp_path / "model" / "stages"
    (stages / "instruct").rename(stages / "instruct-0123abcd")
    run.recipe.write_text(RECIPE + "tune:\n  stages: [{name: after}, {name: instruct}]\n")
    assert [t.name for t in tuning(run)] == ["after"]


def test_what_was_not_measured_is_left_out() -> None:
    assert tiles([step(1, mfu=None, memory_gb=None, seconds=0)]) == {}
    assert tiles([]) == {}


def test_means_are_weighted_by_time() -> None:
    found = tiles([step(1, seconds=1.0, waited=0.0), step(2, seconds=3.0, waited=0.4)])
    assert found["Waited for data"] == "30 %"


def test_a_curve_ends_where_its_measurements_do() -> None:
    found = curve([Point(1, 4.0), Point(2, 3.0), Point(5, 1.0)], [Point(1, 4.0), Point(5, 2.0)])
    assert found is not None
    assert found.training == "0.00,0.00 25.00,25.00 100.00,75.00"  # the frame's top is a loss of 4
    assert found.held_out == "0.00,0.00 100.00,50.00"
    assert [tick.label for tick in found.rows] == ["0", "1", "2", "3", "4"]
    assert found.summary == "training loss from 4 to 1, held-out loss from 4 to 2"


def test_a_long_curve_is_drawn_by_weighted_means() -> None:
    points = [Point(n, float(n % 2), weight=1 + 2 * (n % 2)) for n in range(POINTS * 10)]
    found = curve(points, [])
    assert found is not None
    places = found.training.split()
    assert len(places) == POINTS and {p.split(",")[1] for p in places} == {"6.25"}  # (3 x 1 + 1 x 0) / 4 of 0.8


def test_losses_that_are_no_numbers_do_not_break_the_chart() -> None:
    found = curve([Point(1, 2.0), Point(2, float("nan")), Point(3, float("inf")), Point(4, 1.0)], [])
    assert found is not None and found.training == "0.00,0.00 100.00,50.00"
    assert curve([Point(1, 2.0), Point(2, float("nan"))], []) is None


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n[1]\n{"st')
    assert rows(tmp_path / "m.jsonl") == [{"step": 1}] and rows(tmp_path / "none") == []


def test_answers_are_compared_as_people_would() -> None:
    assert Answered("", None, "", "Two  dogs", "two dogs.").same
    assert not Answered("", None, "", "", "two dogs.").same


def test_the_page_shows_it(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert [image.width for image in photos_of(tuning(run))] == [64, 4]
    page = render(content(run, ReportConfig()))
    assert 'id="tuning"' in page and "<polyline" in page and 'href="#tuning"' in page
    assert '<span class="trained">Red.&lt;/s&gt;</span>' in page and "&lt;truncated&gt;" in page
    assert "Is it &lt;b&gt;?" in page and "(nothing)" in page and "the file is missing" in page
    assert "1 of 3 word for word" in page and "Open VQA <b>1 of 2</b>" in page
    assert page.count("data:image/jpeg") == 1  # the photo of two answers is embedded once


def test_photos_of_answers_have_credits_as_all_others(tmp_path: Path) -> None:
    run = made(tmp_path)
    scenes = [
        make_scene(Image(uri=str(tmp_path / name), width=64, height=48), number)
        for number, name in enumerate(("other.jpg", "a photo.jpg"))
    ]
    write(run, "scenes", "0", scenes)
    found = content(run, ReportConfig())
    assert [tuple(c) for c in found.credits] == [
        ("a photo.jpg", "https://example.org/photos/1", "Attribution License")
    ]
    page = render(found)
    assert "Photo credits (1)" in page and 'href="https://example.org/photos/1"' in page


def test_a_run_that_was_not_tuned_says_nothing_of_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.recipe.write_text("name: x\ncollect: {sources: [{kind: auto, path: .}]}\n")
    assert 'id="tuning"' not in render(content(run, ReportConfig()))
