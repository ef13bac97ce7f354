"""The bar of a large stage fits a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from vlit.run.progress import Bars


def test_a_bar_fits_80_columns_with_its_parts_and_times() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, width=80, force_terminal=True, color_system=None)) as bars:
        bars.started("generate")
        bars.total(12_345)
        for _ in range(9_876):
            bars.advanced()
        task = bars._bar.tasks[0]
        assert task.time_remaining is not None
        out.truncate(0)
        bars._bar.refresh()
        line = out.getvalue()
        bars.finished("generate", {"samples": 1}, 1.0)
    assert "9,876 of 12,345 parts" in line and " left" in line
    assert "✓ generate   1 sample (1.0 s)" in out.getvalue()


def test_a_log_file_gets_lines_and_no_bars() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, width=80)) as bars:
        bars.started("export")
        bars.finished("export", {}, 2.0)
        bars.skipped("report", {})
    assert out.getvalue() == "✓ export     files written (2.0 s)\n= report     files written (already done)\n"
