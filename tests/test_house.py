"""The house plan of CONTRIBUTING.md, held against the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "vlit"
#: From the top of the house to the bottom; imports point down.
FLOORS = (
    "cli",
    "api",
    "report",
    "evaluate",
    "tune",
    "select",
    "assess",
    "generate",
    "teacher",
    "collect",
    "formats",
    "run",
    "weights",
    "language",
    "data",
)
#: Code that is saved beside the weights which it runs, and knows nothing of vlit.
TRAVELLING = {
    "flamingo_config.py",
    "flamingo_decoder.py",
    "flamingo_layers.py",
    "flamingo_model.py",
    "llava_mlp.py",
}
STAGES = {"report", "evaluate", "tune", "select", "assess", "generate", "collect", "formats"}
#: The report and the selection ask the registry what each indicator declares: its direction and its principle;
#: the report asks what a stage of tuning does where its recipe says nothing, and how a score is to be read.
#: A reference corpus to assess by, and a set to tune on, are files of a training-data format. Evaluation loads
#: models through tune.
ALLOWED = {
    ("report", "assess"),
    ("report", "tune"),
    ("report", "evaluate"),
    ("select", "assess"),
    ("assess", "formats"),
    ("tune", "formats"),
    ("evaluate", "tune"),
}
FILES = sorted(SOURCE.rglob("*.py"))


def floors_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.level and path.name in TRAVELLING:
                continue
            assert node.level == 0, f"{path}: imports are absolute"
            names = [node.module]
            if node.module == "vlit":
                names = [f"vlit.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "vlit" and len(parts) > 1 and parts[1] in FLOORS:
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down_and_files_stay_small(path: Path) -> None:
    here = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if here in FLOORS:
        for there in floors_imported(path):
            assert FLOORS.index(there) >= FLOORS.index(here), f"{here} imports {there}, which lies above it"
            if here in STAGES and there in STAGES and here != there:
                assert (here, there) in ALLOWED, f"the stages {here} and {there} should meet in tables"
    assert len(path.read_text().splitlines()) <= 400


def test_every_folder_has_its_floor() -> None:
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert folders <= set(FLOORS)
