"""Renewing one section of measured figures keeps the others; scripts find what they measure."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks


def test_renewing_one_section_keeps_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(benchmarks, "measure", lambda name: f"figures of {name}\n\n| a |\n|---|\n| 1 |")
    names = list(benchmarks.SCRIPTS)
    benchmarks.main(names[:3])
    benchmarks.main(names[1:2])
    found = benchmarks.sections()
    assert list(found) == [benchmarks.SCRIPTS[name] for name in names[:3]]
    assert all(found[benchmarks.SCRIPTS[name]].startswith(f"figures of {name}") for name in names[:3])


@pytest.mark.parametrize(
    "script", sorted(p.stem for p in Path(benchmarks.__file__).parent.glob("*.py") if p.stem != "__main__")
)
def test_a_script_finds_what_it_measures(script: str) -> None:
    importlib.import_module(f"benchmarks.{script}")
