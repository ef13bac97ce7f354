"""Run every benchmark and write RESULTS.md, with machine, versions and commands.

    python -m benchmarks [name ...]

A script prints a JSON object a line, which becomes a table, or plain text. Named ones are measured anew; the
sections of the others stay as they are.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "RESULTS.md"
SCRIPTS = {
    "collect": "Collecting a set of COCO's size, against orjson parsing the same files",
    "adapt": "Annotation adaption, samples per second",
    "assess": "Assessing and selecting, samples per second",
    "assess_peers": "All embedded indicators of texts, beside data-juicer's operators",
    "pictures": "Looking at photos, photos per second",
    "clustering": "DBSCAN, exact and approximate, against scikit-learn",
    "ego": "Ego-splitting of the words of real sentences, against karateclub",
    "export": "Export to LLaVA JSON, against orjson writing the same objects",
    "mix": "Mixing a LLaVA file of a million records, against loading it with orjson",
    "teacher": "The teacher's client, against bare aiohttp and other clients",
    "grounding": "Grounded correctness: planted mistakes found, clean samples flagged",
    "scoring": "Scoring 15,000 answers to SEED-Bench",
    "adversarial": "Adversarial answers, read by us and by public harnesses",
    "evaluating": "Evaluating, against a bare loop of generate",
    "ranking": "Ranking four options, against one pass for each option",
    "packing": "Packing documents, against each computed alone",
    "tune_peers": "Tuning, beside transformers' Trainer and TRL",
    "planted": "Planted defects: which indicator sees which",
}
HEAD = """# Results

Written by `python -m benchmarks` (`make bench`). A ratio is our time over the peer's, measured in the same
run on the same machine. The machines are shared: seconds vary by tens of percent between runs, ratios less.
What each script does is told at its head.
"""


def main(names: list[str]) -> None:
    """Measure and write."""
    unknown = set(names) - set(SCRIPTS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}. Known: {', '.join(SCRIPTS)}")
    kept = sections()
    for name in names or SCRIPTS:
        print(f"{name} ...", flush=True)
        kept[SCRIPTS[name]] = measure(name)
        body = "\n".join(f"## {title}\n\n{kept[title]}\n" for title in SCRIPTS.values() if title in kept)
        RESULTS.write_text(f"{HEAD}\n{body}", encoding="utf-8")


def sections() -> dict[str, str]:
    """Sections of the file as it is, by title."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    return {m[1]: m[2].strip() for m in re.finditer(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S)}


def measure(name: str) -> str:
    """Run one script and render what it prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    return f"{render(done.stdout)}\n\n`python -m benchmarks.{name}` on {machine()}."


def render(output: str) -> str:
    """JSON lines as Markdown tables, one for each set of keys; other text as it is."""
    try:
        rows: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    except json.JSONDecodeError:
        return f"```text\n{output.strip()}\n```"
    tables: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        tables.setdefault(tuple(row), []).append(row)
    return "\n\n".join(_table(keys, found) for keys, found in tables.items())


def _table(keys: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    lines = [" | ".join(k.replace("_", " ") for k in keys), "|".join("---" for _ in keys)]
    lines += [" | ".join(_shown(row[k]) for k in keys) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def machine() -> str:
    """Processor, cores, memory, versions and day."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{p} {version(p)}" for p in ("vlit", "pyarrow", "orjson", "msgspec"))
    return (
        f"{cpu[1] if cpu else platform.machine()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB; "
        f"Python {platform.python_version()}, {packages}; {datetime.now(UTC):%Y-%m-%d}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
