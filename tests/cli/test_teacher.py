"""What the command line tells of a teacher: before it is asked, while nothing answers, and when all is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.generate.instruct.runs import recipe_text
from tests.teacher.server import ScriptedTeacher
from vlit.cli import group
from vlit.data.errors import VlitError
from vlit.run.folder import RunFolder

PRICES = {"scripted": {"prompt": 100, "completion": 200}}


def vlit(*arguments: str, width: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(width)}).invoke(group, list(arguments))
    if done.exception:
        raise done.exception
    return done.output


def write(folder: Path, url: str, demo: Path, recipes: Any = ("llava_complex",), **more: Any) -> list[str]:
    """A recipe in the folder; returns the command that runs it."""
    source = {"kind": "auto", "path": str(demo), "name": "demo"}
    (folder / "x.yaml").write_text(recipe_text(url, source, list(recipes), **more))
    return ["run", str(folder / "x.yaml"), "--runs", str(folder / "runs"), "--workers", "1"]


def test_a_dry_run_tells_who_would_be_asked_for_how_much(tmp_path: Path, demo: Path) -> None:
    run = write(tmp_path, "http://localhost:1/v1", demo, teacher={"budget": {"tokens": 5000}})
    said = vlit(*run, "--dry-run")
    assert "asks scripted at http://localhost:1/v1 with a budget of 5,000 tokens: llava_complex" in said
    assert "without a budget" in vlit(*run, "--dry-run", "--set", "teacher.budget={}")
    assert "annotation adaption in place of llava_complex" in vlit(*run, "--dry-run", "--set", "teacher=none")


def test_the_preview_is_whole_on_a_narrow_terminal_and_counts_rewording(tmp_path: Path, demo: Path) -> None:
    run = write(tmp_path, "http://localhost:1/v1", demo, ["review_multiround"], teacher={"prices": PRICES})
    values = yaml.safe_load((tmp_path / "x.yaml").read_text())
    values["generate"]["adapt"] = {"tasks": {"counting": None}}
    values["generate"]["instruct"]["rewrite"] = ["counting"]
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(values))
    table = vlit(*run, "--preview", "1").partition("Nothing was sent")[2]
    assert "…" not in table
    rows = {
        cells[0]: cells[1:]
        for line in table.splitlines()
        if len(cells := line.split()) == 7 and "," not in cells[0]
    }
    assert set(rows) == {"rewrite_instructions", "review_multiround", "all"}
    numbers = {name: [float(c.replace(",", "")) for c in cells[:5]] for name, cells in rows.items()}
    parts = zip(numbers["rewrite_instructions"], numbers["review_multiround"], strict=True)
    assert numbers["all"] == pytest.approx([a + b for a, b in parts], abs=1)  # tokens are rounded
    assert numbers["rewrite_instructions"][0] > 0


def test_a_run_ends_with_what_the_teacher_cost_and_what_can_be_asked_again(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher(faults={"filter_400": 0.5}, seed=3) as server:
        run = write(tmp_path, server.url, demo, teacher={"prices": PRICES}, report=None)
        said = vlit(*run)
        lost = sum(call.fault == "filter_400" for call in server.log)
        spent = sum(call.prompt_tokens + call.completion_tokens for call in server.answered)
    assert 0 < lost < 44
    assert f"teacher    {44 - lost} of 44 exchanges kept, {44 - lost} at once; {spent:,} tokens, " in said
    assert f"{lost} × no reply; to ask again: " in said and "--retry" in said
    page = tmp_path / "runs" / "x" / "report" / "index.html"
    before = page.read_text()
    assert "= generate" in vlit(*run, "--set", "teacher.prices.scripted.prompt=1")
    assert page.read_text() != before, "the report still tells the old price"


def test_a_budget_that_allows_nothing_is_not_blamed_on_the_annotations(tmp_path: Path, demo: Path) -> None:
    run = write(tmp_path, "http://localhost:1/v1", demo, teacher={"budget": {"tokens": 10}})
    with pytest.raises(VlitError, match=r"44 x not_asked\n.*\n.*raise teacher.budget"):
        vlit(*run)


def test_scenes_without_what_a_recipe_asks_about_are_counted(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher() as server:
        run = write(tmp_path, server.url, demo, ["expand_answers", "llava_complex"])
        before = vlit(*run, "--preview", "1")
        vlit(*run)
    rows = [row for row in RunFolder(tmp_path / "runs" / "x").exchanges if row.recipe == "expand_answers"]
    without = [row for row in rows if row.cut == ("questions: missing",)]
    assert 0 < len(without) < 44 and {row.scene for row in without}.isdisjoint(
        row.scene for row in rows if row.outcome != "no_clues"
    )
    assert len({row.scene for row in rows}) == 44, "a scene was passed over in silence"
    (line,) = (line.split() for line in before.splitlines() if line.startswith(" expand_answers "))
    assert int(line[3]) == sum(row.outcome == "no_clues" for row in rows)
    with pytest.raises(VlitError, match="88 x no_clues"):
        vlit(
            *run,
            "--set",
            "collect.sources.0.path=" + str(demo / "images"),
            "--set",
            "collect.keep_unannotated=true",
        )


def test_a_server_that_is_not_there_is_told_at_once_with_how_long_it_is_tried(
    tmp_path: Path, demo: Path
) -> None:
    run = write(tmp_path, "http://127.0.0.1:9/v1", demo, teacher={"deadline": 0.5})
    done = CliRunner().invoke(group, run)
    assert isinstance(done.exception, VlitError)
    assert "no connection to 127.0.0.1:9" in done.output and "trying for 0.5 s" in done.output


def test_a_change_of_the_replies_form_is_a_change_of_the_samples(tmp_path: Path, demo: Path) -> None:
    with ScriptedTeacher() as server:
        run = write(tmp_path, server.url, demo, instruct={"scenes": 2})
        vlit(*run)
        assert "✓ generate" in vlit(*run, "--set", "teacher.structured=true")
