"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def demo() -> Path:
    """The 44 photos and annotations that ship with vlit."""
    return REPOSITORY / "src" / "vlit" / "demo"


def shared_data(name: str) -> Path:
    """A folder of development data; the test is skipped where it is not there."""
    folder = Path(os.environ.get("VLIT_DATA", REPOSITORY.parent / "shared" / "data")) / name
    if not folder.exists():
        pytest.skip(f"development data {name!r} is not here (set VLIT_DATA to its folder)")
    return folder
