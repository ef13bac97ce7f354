"""A run that is killed at any moment and gone on with ends with the bits of one that was left in peace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
SEEDS = (1, 2, 3, 5, 6, 7, 9, 10, 31, 11)


@pytest.mark.slow
def test_weights_and_lines_are_those_of_a_run_in_peace(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.tune.killed", str(tmp_path), *map(str, SEEDS)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert len(found) == len(SEEDS)
    assert all(own["weights"] and own["lines"] for own in found), found
    assert all(own["from"] <= own["killed"] and own["resumed_at"] == own["from"] for own in found), found
    assert len({own["killed"] for own in found}) > 4, "the kills came at too few different steps"
    assert any(own["killed"] % 5 for own in found), "no kill in the middle of an epoch"
