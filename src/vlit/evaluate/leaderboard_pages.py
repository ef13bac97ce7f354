"""A leaderboard as Markdown, as CSV, and as an HTML page that stands alone and runs no script."""

from __future__ import annotations

import csv
import io
from html import escape

from vlit.evaluate.leaderboard import Board, Line, Section, Value, label

_INTRO = (
    "Numbers of one table were asked and read in one way. Rows with a number in the last column are published, "
    "the others are yours, with 95 % intervals. Bold is the best of at least two numbers that are "
    "neither partial nor contaminated; it need not be better than the next by more than chance."
)
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h2 { margin: 2rem 0 0; font-size: 1.1rem; } p { margin: .3rem 0 .6rem; }
div { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal; }
tr.own { background: #eef5ff; } span { font-size: .85em; } span.mark { color: #9a3412; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e6e6e6; } th, td { border-color: #333; } a { color: #8ab4f8; }
  tr.own { background: #1d2a3a; } span.mark { color: #fdba74; }
}
"""


def markdown(board: Board) -> str:
    """Tables, then the sources."""
    lines = ["# Leaderboard", "", _INTRO]
    for section in board.sections:
        lines += ["", f"## {_heading(section)}", "", f"{_about(section)}.", ""]
        lines.append(
            " | ".join(["| model", *(_cell(label(place, section)) for place in section.columns), "source |"])
        )
        lines.append("|---|" + "---:|" * (len(section.columns) + 1))
        for line in section.lines:
            values = (line.values.get(place) for place in section.columns)
            told = [_bold(_number(value), value) + _interval(value) for value in values]
            lines.append(" | ".join([f"| {_cell(_model(line))}", *told, f"{_source(line)} |"]))
    if board.sources:
        lines += ["", "## Sources", ""]
    for number, table in enumerate(board.sources, start=1):
        lines.append(f"{number}. {table.source}, read {table.read}: <{table.url}>")
        lines += [f"   - {remark}" for remark in table.remarks]
    return "\n".join(lines) + "\n"


def as_csv(board: Board) -> str:
    """A line for each number, with all that it takes to compare it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["benchmark", "protocol", "questions", "judge", "settings", "metric", "group", "model", "value", "low",
         "high", "n", "best", "missing", "contaminated", "source", "url", "read"]
    )  # fmt: skip
    for section in board.sections:
        key = section.key
        for place in section.columns:
            for line in section.lines:
                if (value := line.values.get(place)) is None:
                    continue
                low, high = value.interval or ("", "")
                table = None if line.source is None else board.sources[line.source]
                told = ("yours", "", "") if table is None else (table.source, table.url, table.read)
                writer.writerow(
                    [key.benchmark, key.protocol, key.of, key.judge, key.settings, *place, line.model,
                     value.value, low, high, value.n or "", "best" if value.best else "", line.partial,
                     line.contaminated, *told]
                )  # fmt: skip
    return out.getvalue()


def html(board: Board) -> str:
    """A page."""
    tables = "\n".join(map(_html_section, board.sections))
    sources = "\n".join(
        f'<li id="source-{number}">{escape(table.source)}, read {table.read}: '
        f'<a href="{escape(table.url)}">{escape(table.url)}</a>'
        + "".join(f"<br>{escape(remark)}" for remark in table.remarks)
        + "</li>"
        for number, table in enumerate(board.sources, start=1)
    )
    listed = f"<h2>Sources</h2>\n<ol>\n{sources}\n</ol>\n" if sources else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Leaderboard</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Leaderboard</h1>\n"
        f"<p>{escape(_INTRO)}</p>\n{tables}\n{listed}</body>\n</html>\n"
    )


def _html_section(section: Section) -> str:
    heads = "".join(f'<th scope="col">{escape(label(place, section))}</th>' for place in section.columns)
    rows = []
    for line in section.lines:
        cells = "".join(f"<td>{_html_value(line.values.get(place))}</td>" for place in section.columns)
        marks = f' <span class="mark">{escape(line.marks)}</span>' if line.marks else ""
        link = "yours" if line.source is None else f'<a href="#source-{line.source + 1}">{_source(line)}</a>'
        kind = ' class="own"' if line.source is None else ""
        rows.append(f"<tr{kind}><td>{escape(line.model)}{marks}</td>{cells}<td>{link}</td></tr>")
    return (
        f"<h2>{escape(_heading(section))}</h2>\n"
        f"<p>{escape(_about(section))}.</p>\n<div><table>\n"
        f'<thead><tr><th scope="col">model</th>{heads}<th scope="col">source</th></tr></thead>\n'
        "<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table></div>"
    )


def _html_value(value: Value | None) -> str:
    shown = escape(_number(value))
    if value is None:
        return shown
    interval = f" <span>{escape(_interval(value).strip())}</span>" if value.interval else ""
    return (f"<b>{shown}</b>" if value.best else shown) + interval


def _heading(section: Section) -> str:
    return f"{section.title}, protocol: {section.key.protocol}"


def _about(section: Section) -> str:
    key = section.key
    told = [f"Questions: {key.of}{_over(section)}"]
    told += [f"Judge: {key.judge}"] if key.judge else []
    told += [f"Settings: {key.settings}"] if key.settings else []
    return ". ".join(told)


def _over(section: Section) -> str:
    """How many questions the first number of a published table is over."""
    numbers = {
        line.values[section.columns[0]].n
        for line in section.lines
        if line.source is not None and section.columns[0] in line.values
    }
    if not numbers:
        return ""
    if None in numbers:
        return " (asked or scored in a way that cannot be had here: published rows alone)"
    return f" ({max(n for n in numbers if n):,})"


def _model(line: Line) -> str:
    return f"{line.model} ({line.marks})" if line.marks else line.model


def _source(line: Line) -> str:
    return "yours" if line.source is None else f"[{line.source + 1}]"


def _number(value: Value | None) -> str:
    return "–" if value is None else f"{value.value:.1f}"


def _bold(shown: str, value: Value | None) -> str:
    return f"**{shown}**" if value is not None and value.best else shown


def _interval(value: Value | None) -> str:
    if value is None or value.interval is None:
        return ""
    return f" ({value.interval[0]:.1f} to {value.interval[1]:.1f})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
