"""Rows of a small spreadsheet, read by the standard library: stored answers come as XLSX."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

_NS = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of the first sheet by the names of its first row; empty cells are left out."""
    with zipfile.ZipFile(path) as book:
        shared = []
        if "xl/sharedStrings.xml" in book.namelist():
            strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
            shared = ["".join(t.text or "" for t in one.iter(f"{_NS}t")) for one in strings]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    table = [dict(cell for c in row if (cell := _cell(c, shared))) for row in sheet.iter(f"{_NS}row")]
    names = table[0]
    return [{names[column]: text for column, text in row.items() if column in names} for row in table[1:]]


def _cell(cell: ElementTree.Element, shared: list[str]) -> tuple[str, str] | None:
    column = re.sub(r"\d", "", cell.get("r", ""))
    if cell.get("t") == "inlineStr":
        return column, "".join(t.text or "" for t in cell.iter(f"{_NS}t"))
    value = cell.findtext(f"{_NS}v")
    if value is None:
        return None
    return column, shared[int(value)] if cell.get("t") == "s" else value
