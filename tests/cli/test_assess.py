"""``vlit assess`` and ``vlit compare`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import vlit
from vlit.assess.compare import _names, compare
from vlit.cli.assess import _photos_lie_in
from vlit.data.errors import VlitError
from vlit.report.compare import published, table_rows
from vlit.run.folder import RunFolder

ANIMALS = ("dog", "cat", "horse", "sheep", "cow")


def a_set(path: Path, n: int, answer: str = "The photo shows a {} on a field near the old farm.") -> Path:
    records = [
        {
            "id": f"r{i}",
            "image": f"{i}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\nWhat animal is in photo {i}?"},
                {"from": "gpt", "value": answer.format(ANIMALS[i % 5])},
            ],
        }
        for i in range(n)
    ]
    path.write_text(json.dumps(records))
    return path


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sets that were assessed: one says the same in every answer."""
    folder = tmp_path_factory.mktemp("sets")
    a_set(folder / "varied.json", 60)
    a_set(folder / "stuck.json", 40, "There is an animal in this photo of a farm.")
    for name in ("varied", "stuck"):
        done = vlit("assess", f"{name}.json", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "no photos under" in done.stdout and "principles judged" in done.stdout
        assert "visual complexity" in done.stdout and "not judged" in done.stdout
    return folder / "runs" / "varied", folder / "runs" / "stuck"


def test_sets_compare_at_equal_size(two_runs: tuple[Path, Path]) -> None:
    found = compare([RunFolder(path) for path in two_runs])
    assert found.sizes == (60, 40) and found.n == 40 and found.names == ("varied", "stuck")
    lines = {line.indicator: line for line in found.lines}
    varied, stuck = lines["near_duplicate"].cells
    assert varied.n == stuck.n == 40 and stuck.value is not None and varied.value is not None
    assert stuck.value == pytest.approx(39 / 40)  # all but the first of the draw
    assert found.lines[0].principle == "text readability"
    rows = {row.indicator: row for row in table_rows(found)}
    assert [cell.best for cell in rows["Exact duplicate"].cells] == [False, False]


def test_compare_writes_a_page(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    done = vlit("compare", *map(str, two_runs), "--n", "30", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 samples of each" in done.stdout
    page = (tmp_path / "compare.html").read_text()
    assert "varied" in page and "stuck" in page and "As the review published it" in page and "MIMIC-IT" in page


def test_more_samples_than_there_are_is_an_error(two_runs: tuple[Path, Path]) -> None:
    with pytest.raises(VlitError, match="has 40 samples, fewer than 50"):
        compare([RunFolder(path) for path in two_runs], n=50)


def test_published_table_is_whole() -> None:
    head, rows = published()
    assert len(rows) == 8 and all(len(row) == len(head) == 12 for row in rows)
    assert rows[3][:3] == ["Ours(QC)", "0.84", "34.1"]


def test_a_path_that_is_no_set_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1, 2]")
    done = vlit("assess", "x.json", cwd=tmp_path)
    assert done.returncode == 1 and "layout of this file is not known" in done.stderr
    done = vlit("assess", "y.json", cwd=tmp_path)
    assert done.returncode == 1 and "there is no run in this folder, and no such file" in done.stderr


def test_sets_of_one_name_have_runs_of_their_own(tmp_path: Path) -> None:
    for folder, n in (("a", 12), ("b", 8)):
        (tmp_path / folder).mkdir()
        a_set(tmp_path / folder / "set.json", n)
    for _ in range(2):  # the second time finds its own runs again
        done = vlit("compare", "a/set.json", "b/set.json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["b-set", "set"]
    assert "have 12 and 8 samples" in (tmp_path / "compare.html").read_text()


def test_runs_of_one_name_are_told_apart() -> None:
    assert _names([Path("/x/runs/a"), Path("/y/runs/a"), Path("/y/runs/a")]) == (
        "x/runs/a",
        "y/runs/a",
        "y/runs/a",
    )
    assert _names([Path("/x/a"), Path("/x/b")]) == ("a", "b")


def test_one_missing_photo_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "3.jpg").touch()
    assert _photos_lie_in(tmp_path, a_set(tmp_path / "set.json", 5), "llava")
    assert not _photos_lie_in(tmp_path / "photos", tmp_path / "set.json", "llava")
