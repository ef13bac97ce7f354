"""Jobs on disk: a tiny model, a table of examples of real photos, and settings under which all is quick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.tune import tiny
from tests.tune.photos import examples
from vlit.data.encoded import Encoded
from vlit.data.schema import to_table
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.example import Example
from vlit.tune.job import Job
from vlit.tune.models.architecture import Architecture
from vlit.tune.source import to_row


def job(
    folder: Path,
    *,
    model: Callable[[Path], Architecture] = tiny.llava,
    own: Sequence[Example] | None = None,
    count: int = 20,
    measured: int = 4,
    stage: dict[str, Any] | None = None,
    **settings: Any,
) -> Job:
    """A job in a folder; its model is saved there once."""
    pytest.importorskip("torch")
    made = model(folder / "parts")
    if not (folder / "model").exists():
        made.save(folder / "model")
    found = list(own) if own is not None else examples(made, count + measured)
    rows = [
        to_row(e, "instruct", "held_out" if i >= len(found) - measured else "train")
        for i, e in enumerate(found)
    ]
    pq.write_table(to_table(rows, Encoded), folder / "examples.parquet")
    given: dict[str, Any] = {
        "trainable": {"connector": "full", "llm": "full"},
        "lr": 1e-2,
        "batch": 8,
        "epochs": 2,
    }
    config = TuneConfig(
        stages=(StageConfig.model_validate(given | (stage or {})),),
        **{"max_length": 256, "row": 256, "model": {"checkpoint": str(folder / "model")}, **settings},
    )
    return Job(
        config=config, stage="instruct", model=config.model, base=folder, seed=7,
        examples=(folder / "examples.parquet",), folder=folder / "stage",
    )  # fmt: skip
