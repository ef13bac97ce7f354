"""Scores beside published ones: numbers share a table where they were asked in one way, and nowhere else."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from tests.conftest import shared_data
from vlit.cli.leaderboard import command
from vlit.data.errors import VlitError
from vlit.evaluate import leaderboard_pages as pages
from vlit.evaluate.leaderboard import Board, Line, Run, Section, board, label, read_runs
from vlit.evaluate.registry import BENCHMARKS
from vlit.evaluate.rows import Table, published
from vlit.evaluate.scores import Number, Scores, write_scores


def number(name: str, value: float | None, n: int, group: str = "", **more: Any) -> Number:
    interval = None if value is None else (value - 1.0, value + 1.0)
    told = {"scale": 100.0, "failures": 0, "unasked": 0, "interval": interval} | more
    return Number(name=name, group=group, value=value, n=n, **told)


def run(benchmark: str, protocol: str, *metrics: Number, name: str = "mine", **more: Any) -> Run:
    first = metrics[0] if metrics else number("accuracy", None, 0)
    told: dict[str, Any] = {"model": "my model", "unasked": 0, "lost": 0, "failures": 0}
    told |= {"headline": (first.name, first.group), "expected": first.n, "answered": first.n} | more
    return Run(
        name,
        Scores(benchmark=benchmark, title=benchmark.upper(), protocol=protocol, metrics=metrics, **told),
        {f"{benchmark}.json": "digest"},
    )


def of(found: Board, model: str = "my model") -> list[Section]:
    return [section for section in found.sections if any(line.model == model for line in section.lines)]


def line(section: Section, model: str) -> Line:
    return next(line for line in section.lines if line.model == model)


def test_published_columns_are_benchmarks_and_protocols_of_ours() -> None:
    for table in published():
        for column in table.columns.values():
            kind = BENCHMARKS.load(column.benchmark)
            assert column.protocol in (*kind.protocols, "not stated"), column
        assert table.url.startswith("https://") and table.rows


def test_published_figures_are_those_of_the_documents() -> None:
    found = {row.model: row.scores for table in published() for row in table.rows}
    assert found["LLaVA-1.5 13B"]["MME"] == 1531.3 and found["LLaVA-1.5 7B"]["TextVQA"] == 58.2
    assert found["SVIT-v1.5 13B, LoRA"]["MME cognition"] == 364.3
    assert found["SVIT-v1.5 13B"]["GQA"] == 64.1 and found["LLaVA-1.6 Hermes-Yi 34B"]["MMMU"] == 51.1
    assert len(found) == 4 + 4 + 3 + 2 + 24


def test_the_reviews_table_is_whole() -> None:
    rows = list(csv.DictReader((shared_data("../paper") / "seedbench_scores.csv").open()))
    table = next(table for table in published() if "Review" in table.source)
    assert [dict(row.scores) for row in table.rows] == [
        {name: float(value) for name, value in row.items() if name not in ("mllm", "vlit_data")} for row in rows
    ]
    assert "does not say which" in " ".join(table.remarks)


def test_ranked_and_lettered_numbers_never_share_a_table() -> None:
    runs = [
        run("seed", "letter", number("accuracy", 60.0, 14233), number("accuracy, exact letter", 59.0, 14233)),
        run("seed", "ranking", number("accuracy", 40.0, 14233), name="other"),
    ]
    letter, ranking = of(board(runs))
    assert letter.key.protocol == "letter" and len(letter.lines) == 5
    assert letter.columns == (("accuracy, exact letter", ""), ("accuracy", ""))
    assert ranking.key.protocol == "ranking" and [one.source for one in ranking.lines] == [None]
    for section in board(runs).sections:
        assert len({(section.key.benchmark, section.key.protocol)}) == 1


def test_a_number_over_other_questions_has_a_table_of_its_own() -> None:
    for n, lines in ((12_578, 11), (12_577, 1), (100, 1)):
        (section,) = of(board([run("gqa", "short", number("accuracy", 99.0, n))]))
        assert len(section.lines) == lines
    (section,) = of(board([run("mmbench", "circular", number("accuracy", 99.0, 1164))]))
    assert len(section.lines) == 1  # published ones were read by the server
    (section,) = of(board([run("mmvet", "open", number("total", 99.0, 218), judge="gpt-9, prompt a, today")]))
    assert len(section.lines) == 1 and section.key.judge == "gpt-9, prompt a"


def test_runs_of_the_same_files_share_a_table_and_others_do_not() -> None:
    def other(files: dict[str, str], name: str) -> Run:
        found = run("held_out", "exact", number("accuracy", 50.0, 10), name=name)
        return Run(name, found.scores, files)

    runs = [other({"a": "1"}, "x"), other({"b": "1"}, "y"), other({"a": "2"}, "z")]
    sections = board(runs, ()).sections
    assert sorted(len(section.lines) for section in sections) == [1, 2]
    names = {one.model for section in sections for one in section.lines}
    assert names == {"my model (x)", "my model (y)", "my model (z)"}


def test_the_best_is_bold_and_a_part_never_is() -> None:
    whole = run("gqa", "short", number("accuracy", 64.1, 12_578))
    (section,) = of(board([whole]))
    best = [one.model for one in section.lines if one.values["accuracy", ""].best]
    assert best == ["LLaVA-1.6 Hermes-Yi 34B"]
    part = run("gqa", "short", number("accuracy", 99.0, 12_578), answered=12_570, unasked=8)
    (section,) = of(board([part]))
    assert section.lines[0].model == "my model"  # sorted by what it says
    assert not section.lines[0].values["accuracy", ""].best
    assert section.lines[0].partial == "12,570 of 12,578 questions, 8 could not be asked"
    assert [one.model for one in section.lines if one.values["accuracy", ""].best] == best


def test_what_was_among_the_training_samples_is_marked_and_never_best(tmp_path: Path) -> None:
    clean = number("accuracy", 51.0, 12_000)
    own = run("gqa", "short", number("accuracy", 99.0, 12_578), contaminated=578, clean=clean)
    found = board([own])
    (section,) = of(found)
    words = "578 questions are in the training samples, accuracy without them 51.0"
    assert section.lines[0].contaminated == words and not section.lines[0].values["accuracy", ""].best
    assert [one.model for one in section.lines if one.values["accuracy", ""].best] == [
        "LLaVA-1.6 Hermes-Yi 34B"
    ]
    assert f"| my model (contaminated: {words}) | 99.0" in pages.markdown(found)
    assert f'my model <span class="mark">contaminated: {words}</span>' in pages.html(found)
    rows = csv.DictReader(io.StringIO(pages.as_csv(found)))
    assert [row["contaminated"] for row in rows if row["model"] == "my model"] == [words]


def test_runs_of_other_settings_do_not_share_a_table() -> None:
    files = {"SEED-Bench.json": "12"}

    def ranked(name: str, **settings: Any) -> Run:
        scores = run("seed", "ranking", number("accuracy", 30.0, 14_233)).scores
        return Run(
            name, scores, files, settings | {"questions": f"/data/{name}/SEED-Bench.json", "images": name}
        )

    runs = [ranked("a"), ranked("b"), ranked("c", ranking_prompt="Question: {question} Answer:")]
    sections = of(board(runs, ()), "my model (a)") + of(board(runs, ()), "my model (c)")
    assert [len(section.lines) for section in sections] == [2, 1]
    assert "Settings: ranking_prompt: Question: {question} Answer:." in pages.markdown(board(runs, ()))


def test_two_scores_of_a_run_have_names_of_their_own() -> None:
    scores = run("gqa", "short", number("accuracy", 30.0, 10)).scores
    runs = [Run("mine", scores, {"a": str(i)}, {}, folder) for i, folder in enumerate(("gqa", "gqa_again"))]
    names = {one.model for section in board(runs, ()).sections for one in section.lines}
    assert names == {"my model (mine/gqa)", "my model (mine/gqa_again)"}


def test_published_tables_say_over_how_many_questions_they_are() -> None:
    text = pages.markdown(board([]))
    assert "Questions: COCO, three settings of 2,910, 3,000 and 3,000 (8,910)." in text
    assert "Questions: photos and videos (asked or scored in a way that cannot be had here" in text
    today = run("pope", "short", number("F1", 99.0, 9_000))
    (section,) = of(board([today]))
    assert len(section.lines) == 1  # LLaVA's is of 8,910 questions


def test_llava_1_6_was_asked_textvqa_without_ocr() -> None:
    """With the words that OCR found, users measure 61.4 in place of 64.9."""
    asked = {
        section.key.protocol: {one.model for one in section.lines}
        for section in board([]).sections
        if section.key.benchmark == "textvqa"
    }
    assert "LLaVA-1.6 Vicuna 7B" in asked["short"] and "LLaVA-1.5 7B" in asked["ocr"]
    assert not asked["short"] & asked["ocr"]


def test_where_less_is_better_the_least_is_best_and_first() -> None:
    runs = [
        run("chair", "open", number("CHAIRi", value, 10, scale=0.0), name=str(value), model=f"m{value}")
        for value in (12.0, 8.0, 30.0)
    ]
    (section,) = board(runs, ()).sections
    assert [one.model for one in section.lines] == ["m8.0", "m12.0", "m30.0"]
    assert section.lines[0].values["CHAIRi", ""].best


def test_a_run_without_a_number_is_shown_without_one() -> None:
    runs = [run("pope", "short", number("F1", None, 0)), run("mme", "short")]
    for section in board(runs, ()).sections:
        assert not section.lines[0].values
        assert "–" in pages.markdown(board(runs, ()))


def test_dimensions_stand_beside_the_headline_unless_they_are_many() -> None:
    few = [number("accuracy", 1.0, 5, f"dimension: {i}") for i in range(9)]
    (section,) = board([run("seed", "ranking", number("accuracy", 1.0, 45), *few)], ()).sections
    assert [label(place, section) for place in section.columns] == ["accuracy", *"012345678"]
    many = [number("accuracy", 1.0, 5, f"category: {i}") for i in range(20)]
    (section,) = board([run("mmbench", "vanilla", number("accuracy", 1.0, 45), *many)], ()).sections
    assert section.columns == (("accuracy", ""),)


class Cells(HTMLParser):
    """Rows of the tables of a page; anything that is loaded or run."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loaded: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "link", "iframe"):
            self.loaded.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_all_forms_say_the_same() -> None:
    odd = 'a|b <script>alert("x")</script>'
    found = board([run("gqa", "short", number("accuracy", 70.04, 12_578), model=odd)])
    text, page, table = pages.markdown(found), pages.html(found), pages.as_csv(found)
    (shown,) = [row for row in text.splitlines() if r"a\|b" in row]
    assert shown.endswith("| **70.0** (69.0 to 71.0) | yours |")
    assert re.search(r"\| SVIT-v1.5 13B \| 64.1 \| \[\d\] \|", text)
    assert "LLaVA, docs/MODEL_ZOO.md, table LLaVA-v1, read 2026-11-21: <https://" in text

    cells = Cells()
    cells.feed(page)
    assert not cells.open and not cells.loaded and "http-equiv" not in page
    assert [odd, "70.0 (69.0 to 71.0)", "yours"] in cells.rows

    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == sum(len(one.values) for section in found.sections for one in section.lines)
    mine = next(row for row in rows if row["model"] == odd)
    assert (mine["value"], mine["low"], mine["best"], mine["source"]) == ("70.04", "69.04", "best", "yours")
    svit = next(row for row in rows if row["model"] == "SVIT-v1.5 13B" and row["benchmark"] == "gqa")
    assert svit["protocol"] == "short" and svit["source"] == "SVIT, README.md, model zoo" and svit["read"]


def stored(folder: Path, own: Run, *, header: bool = True) -> None:
    folder.mkdir(parents=True)
    write_scores(folder / "scores.json", own.scores)
    if header:
        about = {"benchmark": "gqa", "protocol": "short", "expected": 3, "model": "m", "files": {"q": "12"}}
        (folder / "answers.jsonl").write_text(json.dumps({"header": about}) + "\n")


def test_scores_are_read_from_runs_and_folders(tmp_path: Path) -> None:
    own = run("gqa", "short", number("accuracy", 50.0, 3))
    stored(tmp_path / "one/evaluation/m/gqa", own)
    stored(tmp_path / "two/m/gqa", own, header=False)
    found = read_runs([tmp_path / "one", tmp_path / "two", tmp_path / "one/evaluation"])
    assert [(each.name, dict(each.files)) for each in found] == [("one", {"q": "12"}), ("two", {})]
    assert msgspec.structs.asdict(found[0].scores) == msgspec.structs.asdict(own.scores)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VlitError, match="no scores here"):
        read_runs([tmp_path / "empty"])
    (tmp_path / "two/m/gqa/answers.jsonl").write_text("nothing\n")
    with pytest.raises(VlitError, match="no header"):
        read_runs([tmp_path / "two"])


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    stored(tmp_path / "one/evaluation/m/gqa", run("gqa", "short", number("accuracy", 50.0, 3)))
    told = CliRunner().invoke(command, [str(tmp_path / "one"), "--no-published"])
    assert told.exit_code == 0 and "| my model | 50.0 (49.0 to 51.0) | yours |" in told.output
    assert "Sources" not in told.output
    page = tmp_path / "board.html"
    told = CliRunner().invoke(command, [str(tmp_path / "one"), "--format", "html", "--out", str(page)])
    assert told.exit_code == 0 and page.read_text().startswith("<!DOCTYPE html>")


def test_a_score_without_a_column_is_refused() -> None:
    with pytest.raises(ValidationError, match="no column B"):
        Table.model_validate(
            {
                "source": "s",
                "url": "u",
                "read": "2026-11-21",
                "columns": {"A": {"benchmark": "gqa", "protocol": "short", "of": "x", "metric": "accuracy"}},
                "rows": [{"model": "m", "scores": {"B": 1}}],
            }
        )
