"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def demo() -> Path:
    """The 44 photos and annotations that ship with vlit."""
    return REPOSITORY / "src" / "vlit" / "demo"


def demo_data_recipe(folder: Path) -> Path:
    """The demo's recipe as far as it makes data: runs end in the same bytes, and in seconds."""
    here = REPOSITORY / "src" / "vlit" / "demo"
    values = yaml.safe_load((here / "recipe.yaml").read_text())
    for stage in ("tune", "evaluate"):
        del values[stage]
    values["collect"]["sources"][0] |= {"path": str(here), "attribution": str(here / "ATTRIBUTION.csv")}
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def shared_data(name: str) -> Path:
    """A folder of development data; the test is skipped where it is not there."""
    folder = Path(os.environ.get("VLIT_DATA", REPOSITORY.parent / "shared" / "data")) / name
    if not folder.exists():
        pytest.skip(f"development data {name!r} is not here (set VLIT_DATA to its folder)")
    return folder
