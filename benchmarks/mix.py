"""Mixing a LLaVA file of a million records, against a script that holds it in memory: time and peak memory.

    python -m benchmarks.mix [--records 1000000]

Ours reads, checks, plans, shuffles and writes the tables with provenance, on all cores. The baseline is what
people write: orjson loads the file, ``random`` shuffles the list, orjson dumps it; it joins nothing, checks
nothing and keeps account of nothing. ``anonymous`` leaves out pages of files, which the system takes back.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_WORDS = (
    "the",
    "a",
    "dog",
    "cat",
    "sits",
    "near",
    "blue",
    "red",
    "table",
    "person",
    "holding",
    "light",
    "photo",
)

#: Watches its own memory while it works; prints seconds and peaks in MB as JSON.
_WATCHED = """
import json, sys, threading, time
from pathlib import Path
import orjson, random
from vlit.run.engine import execute
from vlit.run.folder import RunFolder
from vlit.run.recipe import parse_recipe

def status(key):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(key)) / 1e3

def watch(peak, ended):
    while not ended.wait(0.05):
        peak[0] = max(peak[0], status("RssAnon"))

if __name__ == "__main__":  # workers import this file
    folder, peak, ended = Path(sys.argv[1]), [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(peak, ended))
    watcher.start()
    started = time.perf_counter()
    {work}
    seconds = time.perf_counter() - started
    ended.set()
    watcher.join()
    print(json.dumps({{"seconds": seconds, "peak_mb": status("VmHWM"), "anonymous_mb": peak[0]}}))
"""

_OURS = "execute(parse_recipe(sys.argv[2], base=folder), RunFolder(folder / sys.argv[3]))"

_BASELINE = """
    records = orjson.loads((folder / "set.json").read_bytes())
    random.Random(0).shuffle(records)
    (folder / "out.json").write_bytes(orjson.dumps(records))
"""


def make_file(path: Path, records: int) -> None:
    """LLaVA records of one to three rounds, about a third as many photos."""
    rng = random.Random(0)
    with path.open("w") as out:
        for n in range(records):
            turns = []
            for round_ in range(rng.choice((1, 1, 2, 3))):
                asked = " ".join(rng.choices(_WORDS, k=12)) + "?"
                turns.append({"from": "human", "value": asked if round_ else f"<image>\n{asked}"})
                turns.append({"from": "gpt", "value": " ".join(rng.choices(_WORDS, k=rng.choice((1, 20, 60))))})
            image = f"train2014/{rng.randrange(records // 3 + 1):012d}.jpg"
            record = {"id": f"s{n:08d}", "image": image, "conversations": turns}
            out.write((",\n" if n else "[\n") + json.dumps(record))
        out.write("\n]\n")


def _measured(work: str, folder: Path, *arguments: str) -> dict[str, float]:
    script = folder / "work.py"
    script.write_text(_WATCHED.format(work=work.strip()))
    command = [sys.executable, str(script), str(folder), *arguments]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def run(records: int = 1_000_000) -> list[dict[str, Any]]:
    """Measure: the whole set, a joined and capped one, and the baseline."""
    mixtures = {
        "whole set, shuffled": "{name: a, path: set.json}",
        "joined per image, 80,000 drawn": "{name: a, path: set.json, join: image, max_rounds: 10, cap: 80000}",
    }
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_file(folder / "set.json", records)
        baseline = _measured(_BASELINE, folder)
        for number, (what, set_) in enumerate(mixtures.items()):
            recipe = f"{{name: x, mix: {{images: skip, sets: [{set_}]}}}}"
            rows.append({"mixture": what, "records": records, **_measured(_OURS, folder, recipe, str(number))})
        rows.append({"mixture": "baseline", "records": records, **baseline})
    for row in rows:
        row["records_per_second"] = round(records / row["seconds"])
        row["ratio"] = row["seconds"] / baseline["seconds"]
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    for row in run(parser.parse_args().records):
        print(json.dumps(row))
