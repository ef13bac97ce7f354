"""What the report says of a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlit.data.exchange import Exchange
from vlit.data.schema import to_table
from vlit.data.store import write_part
from vlit.report.page import render
from vlit.report.stage import ReportConfig, content
from vlit.report.teacher import teaching
from vlit.run.folder import RunFolder


def row(n: int, **changes: Any) -> Exchange:
    fields: dict[str, Any] = {
        "id": f"s:{n}/svit_complex/0",
        "scene": f"s:{n}",
        "recipe": "svit_complex",
        "prompt": "0" * 12,
        "teacher": "m<b>",
        "requests": ("a" * 32,),
        "flaws": (),
        "repairs": (),
        "cut": (),
        "outcome": "kept",
        "samples": 1,
        "prompt_tokens": 1000,
        "completion_tokens": 100,
    }
    return Exchange(**(fields | changes))


def made(folder: Path, rows: list[Exchange], prices: str = "") -> RunFolder:
    run = RunFolder(folder)
    write_part(run.folder("exchanges") / "0-000000000000.parquet", to_table(rows, Exchange))
    teacher = f"teacher: {{model: 'm<b>', endpoints: [{{url: http://x/v1}}], prices: {prices or '{}'}}}\n"
    run.recipe.write_text(f"name: x\ncollect: {{sources: [{{kind: auto, path: .}}]}}\n{teacher}")
    return run


def test_exchanges_are_counted_by_how_they_ended(tmp_path: Path) -> None:
    rows = [
        row(0),
        row(1, flaws=("leak", "too_few"), repairs=("fence",), requests=("a", "b", "c")),
        row(2, outcome="leak", flaws=("leak",) * 4, samples=0),
        row(3, outcome="filtered", samples=0, prompt_tokens=0, completion_tokens=0),
        row(4, outcome="no_clues", samples=0, prompt_tokens=0, completion_tokens=0, cut=("captions: missing",)),
        row(5, cut=("regions: 3",)),
    ]
    found = teaching(made(tmp_path, rows, "{'m<b>': {prompt: 1.0, completion: 10.0}}"))
    (count,) = found.recipes
    assert (count.asked, count.kept, count.at_once, count.passed_over) == (5, 3, 2, 1)
    assert count.replies == 1 + 3 + 4 + 0 + 1 and count.samples == 3
    assert found.flaws == (("leak", 5), ("too_few", 1)) and found.repairs == (("fence", 1),)
    assert found.lost == (("filtered", 1), ("leak", 1)) and found.cut == 1
    assert found.money == (4 * 1000 * 1.0 + 4 * 100 * 10.0) / 1e6


def test_money_is_not_made_up(tmp_path: Path) -> None:
    assert teaching(made(tmp_path, [row(0)])).money is None


def test_the_page_tells_it(tmp_path: Path) -> None:
    page = render(content(made(tmp_path, [row(0), row(1, flaws=("too_few",))]), ReportConfig()))
    assert 'id="teacher"' in page and "Why replies were sent back" in page and "Too few" in page
    assert "m&lt;b&gt;" in page and "m<b>" not in page


def test_a_run_without_a_teacher_says_nothing_of_one(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.recipe.write_text("name: x\ncollect: {sources: [{kind: auto, path: .}]}\n")
    assert 'id="teacher"' not in render(content(run, ReportConfig()))
