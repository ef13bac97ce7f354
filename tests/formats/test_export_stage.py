"""The stage ``export`` on a run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pydantic
import pytest

from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.data.schema import to_table
from vlit.data.store import write_part
from vlit.formats.stage import ExportConfig, ExportStage
from vlit.run.folder import RunFolder
from vlit.run.stage import Setting


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    for number in (1, 0):
        turns = (Turn(role="user", text="Hi"), Turn(role="assistant", text=f"Hello {number}."))
        write_part(
            folder.folder("selected") / f"{number}.parquet",
            to_table([Sample(id=str(number), turns=turns)], Sample),
        )
    return folder


def stage(base: Path, **config: object) -> ExportStage:
    return ExportStage(ExportConfig.model_validate(config), Setting(seed=0, base=base))


def test_by_default_one_llava_file_in_the_run(run: RunFolder, tmp_path: Path) -> None:
    made = stage(tmp_path)
    (path,) = made.files(run)
    assert path == run.path / "exports" / "llava.json"
    made.finish(run)
    assert [r["id"] for r in json.loads(path.read_bytes())] == ["0", "1"]
    assert all("vlit" in r for r in json.loads(path.read_bytes()))
    assert list(made.shards(run)) == []


def test_a_path_of_the_recipe_is_relative_to_the_recipe(run: RunFolder, tmp_path: Path) -> None:
    made = stage(tmp_path, formats=[{"path": "out/mine.json", "metadata": False}])
    made.finish(run)
    assert "vlit" not in (tmp_path / "out" / "mine.json").read_text()


def test_two_exports_to_one_file_are_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="same file"):
        stage(tmp_path, formats=[{}, {"metadata": False}]).files(run)


def test_unknown_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(pydantic.ValidationError, match="no format 'lava'; did you mean 'llava'"):
        stage(tmp_path, formats=[{"format": "lava"}])
    with pytest.raises(pydantic.ValidationError, match="name at least one"):
        stage(tmp_path, formats=[])


def test_an_empty_selection_is_an_empty_array(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    stage(tmp_path).finish(run)
    assert json.loads((run.path / "exports" / "llava.json").read_bytes()) == []
