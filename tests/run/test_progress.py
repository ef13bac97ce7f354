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


def test_what_is_said_leaves_room_for_the_bar_and_the_times() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, width=80, force_terminal=True, color_system=None)) as bars:
        bars.started("generate")
        bars.total(400)
        for _ in range(40):
            bars.advanced()
        bars.said("1,234 replies, 2.3M tokens, 64/64 in flight, 17 retried (500)")
        out.truncate(0)
        bars._bar.refresh()
        line = out.getvalue()
        bars.total(3)  # the parts that come after it are counted anew
        assert bars._bar.tasks[0].completed == 0 and "0 of 3 parts" in str(bars._bar.tasks[0].fields["parts"])
    assert "1,234 replies, 2.3M tokens " in line and " left" in line and "…" not in line


def test_a_log_file_gets_lines_and_no_bars() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, width=80)) as bars:
        bars.started("export")
        bars.finished("export", {}, 2.0)
        bars.skipped("report", {})
    assert out.getvalue() == "✓ export     files written (2.0 s)\n= report     files written (already done)\n"
