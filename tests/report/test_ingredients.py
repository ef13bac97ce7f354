"""The table of what came from where."""

from __future__ import annotations

from collections.abc import Callable

from tests.report.conftest import write
from vlit.report.ingredients import ingredients
from vlit.report.page import render
from vlit.report.stage import ReportConfig, content
from vlit.run.folder import RunFolder


def test_every_number_of_every_set_is_told(run: RunFolder) -> None:
    found = ingredients(run)
    assert [row.name for row in found.rows] == ["mine", "vqa"]
    assert found.total["read"] == 1_150
    assert found.total["samples"] == 88
    page = render(content(run, ReportConfig(examples=0, explorer=0, photos=0)))
    assert "samples = kept + split + repeated − joined" in page
    assert ">1,100<" in page
    assert "llava · CC BY 4.0 · weight 1" in page


def test_what_happened_to_no_record_has_no_column(new_run: Callable[[], RunFolder], run: RunFolder) -> None:
    plain = new_run()
    write(plain, "ingredients", "set", ingredients(run).rows[:1])
    assert [name for name, _, _ in ingredients(plain).columns] == [
        "read",
        "quarantined",
        "left_out",
        "kept",
        "samples",
    ]


def test_a_run_that_mixed_nothing_has_no_such_table(new_run: Callable[[], RunFolder]) -> None:
    run = new_run()
    assert ingredients(run).rows == ()
    assert "What came from where" not in render(content(run, ReportConfig()))
