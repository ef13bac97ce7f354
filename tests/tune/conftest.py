"""Parts of a model, and a set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.assess.encoders.tiny import clip, llama
from tests.tune.recipes import PHOTOS


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    clip(folder / "clip")
    llama(folder / "llama", longest=512)
    return folder


@pytest.fixture
def data(tmp_path: Path, demo: Path) -> Path:
    """Twelve records about four photos, one of which is not there."""
    records: list[dict[str, Any]] = []
    for number in range(12):
        talk = [("human", f"<image>\nWhat is number {number}?"), ("gpt", f"It is {number}.")]
        turns = [{"from": who, "value": text} for who, text in talk]
        records.append({"id": f"r{number}", "image": PHOTOS[number % 4], "conversations": turns})
    records.append({"id": "gone", "image": "gone.jpg", "conversations": records[0]["conversations"]})
    path = tmp_path / "set.json"
    path.write_text(json.dumps(records))
    return path
