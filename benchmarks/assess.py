"""Assess and select: samples a second, memory, and how both grow with the number of samples.

    python -m benchmarks.assess                       # 10k, 100k and 1M samples, 2 processes
    python -m benchmarks.assess --samples 10000

Both stages run through the engine, on samples that annotation adaption makes of the scenes of ``copies``. All
indicators without weights are measured with the embedding of the texts, except those that look at photos
(``pictures``).
Selection has a gate by quantile, gates by value and a cap, so that it takes all of its passes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.copies import Copies, CopiesConfig
from benchmarks.peaks import peak_mb, worker_peak
from vlit.assess.observe import ObserveConfig, ObserveStage
from vlit.assess.registry import INDICATORS as REGISTRY
from vlit.assess.registry import embedded
from vlit.assess.stage import AssessConfig, AssessStage
from vlit.generate.stage import GenerateConfig, GenerateStage
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.run.stage import Setting
from vlit.select.rules import SelectConfig
from vlit.select.stage import SelectStage

SIZES = (10_000, 100_000, 1_000_000)
PER_SCENE = 24.0  # samples that adaption makes of a scene
INDICATORS = {name: None for name in embedded() if "pictures" not in REGISTRY.load(name).needs}
RULES = {
    "gates": {
        "text_readability": {"min_quantile": 0.005},
        "grounded_correctness": {"min": 1.0},
        "exact_duplicate": {"max": 0},
        "near_duplicate": {"max": 0.95},
    },
}


def recipe(folder: Path, samples: int) -> Recipe:
    """Scenes, samples, scores and verdicts."""
    setting = Setting(seed=17, base=folder)
    stages = [
        Copies(CopiesConfig(scenes=round(samples / PER_SCENE)), setting),
        GenerateStage(GenerateConfig(), setting),
        ObserveStage(ObserveConfig(pictures=False), setting),
        AssessStage(AssessConfig(indicators=INDICATORS), setting),
        SelectStage(SelectConfig.model_validate({**RULES, "cap_per_task": samples // 20}), setting),
    ]
    return Recipe("benchmark", 17, "name: benchmark\n", folder, stages)


def measure(folder: Path, samples: int, stage: str, workers: int) -> dict[str, Any]:
    """Run what is not done up to ``stage``; peaks are those of this process and of its largest worker."""
    run = RunFolder(folder / "run")
    start = time.perf_counter()
    with worker_peak() as peak:
        execute(recipe(folder, samples), run, workers=workers, until=stage)
    seconds = time.perf_counter() - start
    rows = len(run.samples)
    return {
        "stage": stage,
        "samples": rows,
        "workers": workers,
        "seconds": round(seconds, 2),
        "samples_per_second": round(rows / seconds),
        "peak_mb_parent": peak_mb(),
        "peak_mb_worker": peak[0],
    }


def main(sizes: tuple[int, ...] = SIZES, workers: int = 2) -> None:
    """Measure each stage in a process of its own, so that peaks do not mix; print the rows."""
    for samples in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for stage in ("generate", "assess", "select"):
                command = [sys.executable, "-m", "benchmarks.assess", "--samples", str(samples)]
                command += ["--workers", str(workers), "--stage", stage, "--folder", folder]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                if stage != "generate":  # benchmarks.adapt measures that
                    print(done.stdout.splitlines()[-1], flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, help="one size instead of 10k, 100k and 1M")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        print(json.dumps(measure(given.folder, given.samples, given.stage, given.workers)))
    else:
        main((given.samples,) if given.samples else SIZES, given.workers)
