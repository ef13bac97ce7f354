"""All embedded indicators of text, beside data-juicer's operators for text, on the same real English.

    python -m benchmarks.assess_peers                     # 10,000 and 50,000 samples, 2 processes
    python -m benchmarks.assess_peers --samples 10000

Ours are the stages ``observe`` and ``assess`` through the engine, with every indicator that runs everywhere and
looks at no photos; theirs are the operators of ``assess_peer.py``, statistics alone, so that nothing is dropped
before the last of them has seen it. The samples are those of ``sentences.llava_records``. Both run in a process
of their own with two workers, and write what they find to the disk. Both are timed from where the samples are
loaded: packages are imported then, and our workers run since they loaded them; theirs are forked for each
operator. In our CPU seconds are the start of the workers and the loading. Told is the median of three rounds.

data-juicer lies in an environment of its own; ``assess_peer.py`` says how it is made. Where it is absent, its
rows are left out. Its operators that need a download are left out: language, perplexity, tokens, actions,
entities. ``COUNTERPARTS`` names what does about the same on both sides; all else one of both has alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.assess import INDICATORS
from benchmarks.peaks import peak_mb, worker_peak
from benchmarks.sentences import llava_records
from vlit.assess.observe import ObserveConfig, ObserveStage
from vlit.assess.stage import AssessConfig, AssessStage
from vlit.formats.load import LoadConfig, LoadStage
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import Recipe
from vlit.run.stage import Setting, Stage

SIZES = (10_000, 50_000)
ROUNDS = 3  # of which the median is told
PEER = Path(os.environ.get("VLIT_PEERS", "~/.cache/vlit-peers")).expanduser() / "datajuicer/bin/python"
#: What does about the same, ours and theirs.
COUNTERPARTS = {
    "exact_duplicate": "document_deduplicator",
    "near_duplicate": "document_minhash_deduplicator",
}


def recipe(folder: Path) -> Recipe:
    """The file as samples, their vectors, their scores."""
    setting = Setting(seed=17, base=folder)
    stages: list[Stage[Any]] = [
        LoadStage(LoadConfig(path="set.json", images="skip", shard_size=5_000), setting),
        ObserveStage(ObserveConfig(pictures=False), setting),
        AssessStage(AssessConfig(indicators=INDICATORS), setting),
    ]
    return Recipe("benchmark", 17, "name: benchmark\n", folder, stages)


def ours(folder: Path, workers: int) -> dict[str, Any]:
    """Load, observe and assess; the seconds are those of what follows the loading."""
    run, cpu = RunFolder(folder / "run"), cpu_seconds()
    with worker_peak() as peak:
        execute(recipe(folder), run, workers=workers)
    steps = stage_seconds(run)
    return {
        "samples": len(run.samples),
        "seconds": sum(steps.values()),
        "cpu": cpu_seconds() - cpu,
        "peak_parent": peak_mb(),
        "peak_worker": peak[0],
        "steps": steps,
    }


def stage_seconds(run: RunFolder) -> dict[str, float]:
    """What each stage took, from the run's log."""
    events = map(json.loads, run.log.read_text(encoding="utf-8").splitlines())
    return {e["stage"]: e["seconds"] for e in events if e["event"] == "stage finished" and e["stage"] != "load"}


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def in_own_process(command: list[str]) -> dict[str, Any]:
    """What a measurement printed on its last line; what else it says is told where it fails."""
    # Byte code is compiled once, as on any machine that is not told otherwise; the smaller size comes first.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(engine: str, found: dict[str, Any], things: int, ratio: float) -> dict[str, Any]:
    """One line of the table."""
    return {
        "engine": engine,
        "samples": found["samples"],
        "statistics": things,
        "seconds": round(found["seconds"], 2),
        "cpu_seconds": round(found["cpu"], 2),
        "samples_per_second": round(found["samples"] / found["seconds"]),
        "ours_over_it": round(ratio, 2),
        "peak_mb_parent": found["peak_parent"],
        "peak_mb_worker": found["peak_worker"],
    }


def main(sizes: tuple[int, ...], workers: int) -> None:
    """Measure both at each size and print the rows; then the targets, and what has a counterpart."""
    records = llava_records(max(sizes))
    both: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "set.json").write_text(json.dumps(records[:size]), encoding="utf-8")
            command = [sys.executable, "-m", "benchmarks.assess_peers", "--ours", folder]
            script = str(Path(__file__).with_name("assess_peer.py"))
            rounds: tuple[list[dict[str, Any]], ...] = ([], [])
            for _ in range(ROUNDS):  # in turn: the machine has its moods
                shutil.rmtree(Path(folder) / "run", ignore_errors=True)
                rounds[0].append(in_own_process([*command, "--workers", str(workers)]))
                if PEER.exists():
                    rounds[1].append(in_own_process([str(PEER), script, folder, str(workers)]))
        mine, *others = (_median(own) for own in rounds if own)
        _told(row("vlit, all of text", mine, len(INDICATORS), 1.0))
        if not others:
            print(f"data-juicer is not at {PEER}: see the head of assess_peer.py", file=sys.stderr)
            continue
        (found,) = others
        both.append((mine, found))
        engine, ratio = f"data-juicer {found['version']}", found["seconds"] / mine["seconds"]
        _told(row(engine, found, len(found["operators"]), ratio))
    if both:
        _tell_more(*both[-1])


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(rounds, key=lambda found: found["seconds"])[len(rounds) // 2]


def _tell_more(mine: dict[str, Any], found: dict[str, Any]) -> None:
    """Steps and targets at the largest size, and who measures what."""
    for engine, measured in (("vlit", mine), ("data-juicer", found)):
        for step, seconds in measured["steps"].items():
            _told({"engine": engine, "step": step, "of_which_seconds": round(seconds, 2)})
    rate, ratio = round(mine["samples"] / mine["seconds"]), round(found["seconds"] / mine["seconds"], 2)
    _told({"target_of": "samples per second", "figure": rate, "target": ">= 3,000", "met": _yes(rate >= 3000)})
    _told({"target_of": "ours over data-juicer", "figure": ratio, "target": ">= 3", "met": _yes(ratio >= 3)})
    for name in INDICATORS:
        _told({"indicator": name, "about_the_same": COUNTERPARTS.get(name, "none")})
    theirs = ", ".join(name for name in found["operators"] if name not in COUNTERPARTS.values())
    _told({"operators_of_data_juicer_without_an_indicator": theirs})


def _yes(met: bool) -> str:
    return "yes" if met else "no"


def _told(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, help="one size instead of 10,000 and 50,000")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        print(json.dumps(ours(given.ours, given.workers)))
    else:
        main((given.samples,) if given.samples else SIZES, given.workers)
