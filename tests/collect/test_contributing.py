"""The importer in CONTRIBUTING.md works as it stands there."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest
from PIL import Image

from vlit.collect.registry import IMPORTERS, parse_source
from vlit.run.stage import Setting


def test_the_example_importer_reads_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    module = types.ModuleType("example_importer")
    monkeypatch.setitem(sys.modules, "example_importer", module)
    exec(compile(found[1], "CONTRIBUTING.md", "exec"), module.__dict__)
    monkeypatch.setitem(IMPORTERS._builtin, "readings", "example_importer:Readings")

    from vlit.collect.stage import CollectConfig, CollectStage

    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    (tmp_path / "readings.tsv").write_text("a.jpg\tSTOP\nno tab here\n")
    config = CollectConfig.model_validate(
        {"sources": [{"kind": "readings", "path": "readings.tsv", "images": ["."]}]}
    )
    assert parse_source({"kind": "readings", "path": "x"}).kind == "readings"
    stage = CollectStage(config, Setting(seed=0, base=tmp_path))
    drafts, bad = stage.gather()
    (scene,) = stage.build(drafts, bad)
    assert [t.text for t in scene.texts] == ["STOP"]
    assert [q.reason for q in bad if q.record == "line 2"] == ["no tab in this line"]
