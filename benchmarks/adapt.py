"""Annotation adaption: samples a second, memory, and how both grow with the number of scenes.

    python -m benchmarks.adapt                        # 1k, 10k and 100k scenes, 2 processes
    python -m benchmarks.adapt --scenes 10000

The stage runs through the engine: reading scene parts, statistics, templates, writing sample parts. The scenes
are those of ``copies``. The clock runs from finished scene parts to finished sample parts.
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
from vlit.generate.stage import GenerateConfig, GenerateStage
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.run.stage import Setting

SIZES = (1_000, 10_000, 100_000)


def measure(n: int, workers: int) -> dict[str, Any]:
    """Run the stage over ``n`` scenes; peak memory is that of this process and of its largest worker."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        setting = Setting(seed=17, base=Path(folder))
        stage = GenerateStage(GenerateConfig(), setting)
        stages = [Copies(CopiesConfig(scenes=n), setting), stage]
        recipe = Recipe("benchmark", 17, "name: benchmark\n", Path(folder), stages)
        execute(recipe, run, workers=workers, until="copies")
        start = time.perf_counter()
        stage.prepare(run)
        prepared = time.perf_counter() - start
        start = time.perf_counter()
        with worker_peak() as peak:
            execute(recipe, run, workers=workers)
        seconds = time.perf_counter() - start
        samples = len(run.samples)
    return {
        "scenes": n,
        "samples": samples,
        "workers": workers,
        "seconds": round(seconds, 2),
        "of_which_statistics": round(prepared, 2),
        "samples_per_second": round(samples / seconds),
        "peak_mb_parent": peak_mb(),
        "peak_mb_worker": peak[0],
    }


def main(sizes: tuple[int, ...] = SIZES, workers: int = 2) -> dict[str, Any]:
    """Measure each size in a process of its own, so that peaks do not mix; print and return the rows."""
    rows = []
    for n in sizes:
        command = [sys.executable, "-m", "benchmarks.adapt", "--one", str(n), "--workers", str(workers)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    return {"adapt": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, help="one size instead of 1k, 10k and 100k")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.workers)))
    else:
        main((given.scenes,) if given.scenes else SIZES, given.workers)
