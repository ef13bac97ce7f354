"""What the report says of evaluation."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PIL import Image as PILImage

from vlit.evaluate.scores import Number, Scores, write_scores
from vlit.report.evaluation import Evaluated, evaluated_photos, evaluation
from vlit.report.page import render
from vlit.report.stage import ReportConfig, content
from vlit.run.folder import RunFolder

RECIPE = "name: x\ncollect: {sources: [{kind: auto, path: .}]}\n"
CARD = {
    "benchmark": {"protocol": "letter", "source": "Li <2023>", "files": {"q.json": "ab12"}},
    "model": {"name": "m", "weights": "", "template": "vicuna", "decoding": {"method": "greedy"}},
    "prompt": {"example": "USER: <image x4> & so on", "parser": "A letter."},
    "failures": {
        "number": 1,
        "meaning": "counted as a yes",
        "examples": [{"id": "q9", "answer": "<script>alert(1)</script>"}],
    },
    "date": "2024-05-06",
}


def number(name: str, value: float | None, group: str = "", **changes: object) -> Number:
    known = {"scale": 100.0, "n": 4, "failures": 0, "unasked": 0, "interval": None}
    return Number(name=name, group=group, value=value, **{**known, **changes})  # type: ignore[arg-type]


def scores(**changes: object) -> Scores:
    metrics = (
        number("accuracy", 62.54, failures=1, interval=(40.0, 81.26)),
        number("accuracy", None, "dimension: Text Understanding", n=1200, unasked=3),
    )
    known = {
        "benchmark": "seed", "title": "SEED-Bench", "protocol": "letter", "model": "m", "metrics": metrics,
        "headline": ("accuracy", ""), "expected": 1204, "answered": 4, "unasked": 3, "lost": 0, "failures": 1,
        "contaminated": 7, "clean": number("accuracy", 51.0),
    }  # fmt: skip
    return Scores(**{**known, **changes})  # type: ignore[arg-type]


def made(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    run.recipe.write_text(RECIPE, encoding="utf-8")
    photo = folder / "a photo.jpg"
    PILImage.new("RGB", (64, 48), "red").save(photo)
    wrong = [
        {"id": "q1", "image": str(photo), "question": "Which?", "options": ["red", "blue"], "answer": "",
         "understood": "B", "right": ["A"]},
        {"id": "q2", "image": str(folder / "gone.jpg"), "question": "A. x B. y", "options": ["x"],
         "answer": "<b>", "understood": None, "right": ["x", "y"]},
    ]  # fmt: skip
    for model in ("tuned", "base"):
        there = folder / "evaluation" / model / "seed"
        there.mkdir(parents=True)
        write_scores(there / "scores.json", scores(model=model))
        (there / "card.json").write_bytes(msgspec.json.encode({**CARD, "wrong": wrong * 4}))
    return run


def test_scores_stand_by_benchmark_and_model_with_interval_and_failures(tmp_path: Path) -> None:
    found = evaluation(made(tmp_path))
    assert [(one.title, one.model) for one in found] == [("SEED-Bench", "base"), ("SEED-Bench", "tuned")]
    main, by_dimension = found[0].rows
    assert (main.value, main.interval, main.failures, main.main) == ("62.5", "40.0 – 81.3", 1, True)
    assert found[0].main == main
    assert (by_dimension.value, by_dimension.interval, by_dimension.n) == ("–", "–", 1200)
    assert by_dimension.name == "accuracy, dimension: Text Understanding" and by_dimension.unasked == 3
    assert found[0].partial and found[0].whole == "PARTIAL: 4 of 1,204 questions, 3 could not be asked"
    assert len(found[0].wrong) == 6
    assert found[0].wrong[0].question == "Which?\nA. red\nB. blue" and found[0].wrong[0].read == "B"
    assert found[0].wrong[1].question == "A. x B. y" and found[0].wrong[1].right == "x / y"
    assert found[0].card["Not understood"] == "1: counted as a yes"
    assert "Weights" not in found[0].card and found[0].card["Files"] == "q.json ab12"


def test_what_a_score_is_worth_is_seen_at_once(tmp_path: Path) -> None:
    run = made(tmp_path)
    (one, _) = evaluation(run)
    assert one.tiles == {
        "accuracy": "62.5",
        "95 % interval": "40.0 – 81.3",
        "Questions answered": "4 of 1,204",
        "Answers not understood": "1",
        "Found in the training samples": "7",
    }
    page = render(content(run, ReportConfig()))
    shown = page.partition('id="evaluation"')[2].partition("Protocol card")[0]
    assert "<dt>Found in the training samples</dt><dd>7</dd>" in shown and "USER: &lt;image x4&gt;" in shown
    path = tmp_path / "evaluation/base/seed/scores.json"
    write_scores(path, scores(contaminated=None, clean=None, judge="gpt-9", unscored=2))
    tiles = evaluation(run)[0].tiles
    assert tiles["Found in the training samples"] == "not looked for" and tiles["Judge not understood"] == "2"


def test_many_numbers_of_groups_are_folded_and_none_is_lost(tmp_path: Path) -> None:
    run = made(tmp_path)
    many = [number("accuracy", float(i), f"task: {i}") for i in range(9)]
    write_scores(
        tmp_path / "evaluation/base/seed/scores.json", scores(metrics=(number("accuracy", 9.5), *many))
    )
    base, tuned = evaluation(run)
    assert [row.group for row in base.folded] == [f"task: {i}" for i in range(9)] and not tuned.folded
    page = render(content(run, ReportConfig()))
    assert page.count("accuracy, task: 3") == 1 and "By group: 9 numbers" in page


def test_what_was_read_is_told_where_it_is_not_what_was_said(tmp_path: Path) -> None:
    run = made(tmp_path)
    card = tmp_path / "evaluation/base/seed/card.json"
    said = [
        {"id": "a", "answer": "A Bus.", "understood": "a bus"},
        {"id": "b", "answer": "It is B.", "understood": "B"},
    ]
    card.write_bytes(msgspec.json.encode({**CARD, "wrong": said}))
    assert [one.read for one in evaluation(run)[0].wrong] == ["", "B"]


def test_the_page_shows_tables_cards_and_wrong_answers_with_their_photos(tmp_path: Path) -> None:
    run = made(tmp_path)
    page = render(content(run, ReportConfig()))
    assert 'href="#evaluation"' in page and "PARTIAL: 4 of 1,204 questions" in page
    assert "<b>62.5</b>" in page and "40.0 – 81.3" in page and "Protocol card" in page
    assert "7 in the training samples, without them 51.0" in page
    assert "Li &lt;2023&gt;" in page and "USER: &lt;image x4&gt; &amp; so on" in page
    assert "<script>alert" not in page and page.count("gone.jpg: ") >= 2
    photos = evaluated_photos(evaluation(run))
    assert [image.uri for image in photos] == [str(tmp_path / "a photo.jpg"), str(tmp_path / "gone.jpg")]


def test_a_run_without_evaluation_has_no_such_part_and_damaged_files_are_left_out(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.recipe.write_text(RECIPE, encoding="utf-8")
    assert evaluation(run) == () and 'id="evaluation"' not in render(content(run, ReportConfig()))
    there = tmp_path / "evaluation" / "m" / "seed"
    there.mkdir(parents=True)
    (there / "scores.json").write_text("{")
    assert evaluation(run) == ()
    write_scores(there / "scores.json", scores(expected=4, metrics=()))
    (there / "card.json").write_text("[1]")
    (one,) = evaluation(run)
    assert isinstance(one, Evaluated) and one.main is None and one.card == {} and one.whole == "all 4 questions"
    assert one.tiles["Questions answered"] == "4 of 4" and one.tiles["Score"] == "–"
    assert "<dd>4 of 4</dd>" in render(content(run, ReportConfig()))
