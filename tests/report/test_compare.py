"""The page of sets side by side."""

from pathlib import Path

import pytest

from vlit.assess.compare import Cell, Comparison, Line
from vlit.report.compare import missing, table_rows, write_page

ABSENT = Cell(None, 0, why="no annotations are known for its image")


def comparison(*cells: Cell, direction: str = "higher is better") -> Comparison:
    names = tuple("abcd"[: len(cells)])
    line = Line("correctness", "grounded_correctness", "embedded", direction, cells)
    return Comparison(names, (9,) * len(cells), 9, (line,))


def best(*cells: Cell, direction: str = "higher is better") -> list[bool]:
    (row,) = table_rows(comparison(*cells, direction=direction))
    return [cell.best for cell in row.cells]


@pytest.mark.parametrize(
    ("value", "margin", "text"),
    [
        (0.098123, 0.004583, "0.0981 ± 0.0046"),
        (0.8441, 0.00805, "0.844 ± 0.008"),
        (48.612, 1.7612, "48.6 ± 1.8"),
        (0.5, 0.00001234, "0.5 ± 0.00001"),
        (54321.5, 12.3, "54,322 ± 12"),
        (1.0, 0.0, "1"),
    ],
)
def test_margins_have_the_digits_of_their_values(value: float, margin: float, text: str) -> None:
    (row,) = table_rows(comparison(Cell(value, 9, margin)))
    assert row.cells[0].text.replace("1e-05", "0.00001") == text


def test_the_best_is_better_than_each_other_one_beyond_both_margins() -> None:
    assert best(Cell(1.0, 9, 0.1), Cell(0.8, 9, 0.05), ABSENT) == [True, False, False]
    assert best(Cell(1.0, 9, 0.1), Cell(0.8, 9, 0.05), Cell(0.79, 9, 0.5)) == [False] * 3
    assert best(Cell(3, 9, 0.2), Cell(2, 9, 0.2), direction="lower is better") == [False, True]
    assert best(Cell(3, 9), Cell(2, 9)) == [False, False]  # numbers of whole sets have no interval


def test_the_page_says_why_a_number_is_missing_and_what_is_behind_the_others(tmp_path: Path) -> None:
    detail = {"form": "embedded", "share": 0.123456789, "tasks": [{"task": "vqa", "found": 2}], "left_out": []}
    found = comparison(Cell(0.5, 9, detail=detail), ABSENT)
    assert missing(found) == [("b", "no annotations are known for its image", ["Grounded correctness"])]
    write_page(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<td>no annotations are known for its image</td>" in page
    assert "0.123" in page and "0.1234" not in page and "task vqa; found 2" in page and "{&#39;" not in page
