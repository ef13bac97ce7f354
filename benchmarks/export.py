"""Export to LLaVA JSON against orjson writing the same objects: time, ratio, and memory at three sizes.

    python -m benchmarks.export [--samples 1000000]

The baseline has its Python objects ready made and only dumps, joins and writes them; our side starts from
Parquet. Both write to the same disk in one run. No two samples of a row group are alike, so that Parquet's
dictionaries do not make our side faster than it is on real data.
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

import orjson
import pyarrow as pa

from vlit.data.boxes import Box
from vlit.data.sample import Mark, Provenance, Sample, Turn
from vlit.data.scene import Image
from vlit.data.schema import to_table
from vlit.data.seeds import rng
from vlit.data.store import write_part
from vlit.formats.llava import write_llava

PART = 50_000
DISTINCT = 20_000

_LABELS = ("person", "dog", "traffic light", "dining table", "bicycle", "cup", "umbrella", "sheep")
_QUESTIONS = (
    "How many {0}s can you see in this photo?",
    "Is there a {0} in the picture? Answer with yes or no.",
    'Someone says: "The {0} is beside the {1}." Is that so, and where in the picture is each of them?',
    "Describe the scene in detail, from the foreground to the background.",
)
_ANSWERS = (
    "There are {2} of them; the nearest {0} stands on the left, close to a {1}.",
    "Yes.",
    "A {0} waits at the edge of the street while a {1} can be made out behind it. The light is soft, as on an "
    "overcast morning, and the pavement is still wet from the rain that seems to have fallen during the night.",
)


def _sample(number: int) -> Sample:
    """One sample in the shape that annotation adaption gives: one to four rounds, some with boxes."""
    draw = rng(0, str(number))
    scene = f"{draw.randrange(600_000):012d}"
    turns = []
    for round_ in range(draw.choice((1, 1, 1, 2, 4))):
        words = (*draw.sample(_LABELS, 2), draw.randrange(2, 9))
        question = draw.choice(_QUESTIONS).format(*words)
        turns.append(Turn(role="user", text=question if round_ else f"<image>\n{question}"))
        turns.append(Turn(role="assistant", text=draw.choice(_ANSWERS).format(*words)))
    ids = [f"coco:{draw.randrange(10**9)}" for _ in range(draw.randrange(1, 6))]
    marks = [
        Mark(label=draw.choice(_LABELS), box=Box(x, 20.25, x + 110.5, 200.0), annotation=i)
        for i in ids[: draw.choice((0, 0, 1, 3))]
        for x in (round(draw.uniform(0, 400), 2),)
    ]
    return Sample(
        id=f"{scene}-{number}",
        turns=tuple(turns),
        images=(
            Image(
                uri=f"/data/coco/train2017/{scene}.jpg",
                width=640,
                height=480,
                sha256=f"{draw.getrandbits(256):064x}",
                size=draw.randrange(50_000, 300_000),
                format="JPEG",
                mode="RGB",
            ),
        ),
        task=draw.choice(("presence", "counting", "conversation", "referring")),
        marks=tuple(marks),
        provenance=Provenance(
            scenes=(scene,),
            annotations=tuple(ids),
            recipe="adapt/presence",
            templates=("presence.ask.7", "presence.say.3"),
            seed=17,
            source="coco-2017",
            licence="CC BY 2.0",
        ),
    )


def make_parts(folder: Path, samples: int) -> list[Path]:
    """Parts with ``samples`` rows: some thousands again and again, each time with new ids."""
    table = to_table([_sample(i) for i in range(DISTINCT)], Sample)
    paths = []
    for start in range(0, samples, PART):
        rows = min(PART, samples - start)
        block = pa.concat_tables([table] * (rows // DISTINCT + 1)).slice(0, rows).combine_chunks()
        ids = pa.array([f"s{start + i:08d}" for i in range(rows)])
        paths.append(folder / f"{start:09d}.parquet")
        write_part(paths[-1], block.set_column(0, table.schema.field("id"), ids))
    return paths


def _baseline(records: list[Any], path: Path) -> float:
    start = time.perf_counter()
    with path.open("wb") as out:
        out.write(b"[\n" + b",\n".join(map(orjson.dumps, records)) + b"\n]\n")
    return time.perf_counter() - start


def _compare(parts: list[Path], folder: Path, metadata: bool) -> dict[str, float]:
    ours = baseline = 0.0
    size = 0
    out = folder / "out.json"
    start = time.perf_counter()
    write_llava(parts, out, metadata=metadata)
    ours = time.perf_counter() - start
    # The same objects, some at a time: a million of them as Python objects would need gigabytes.
    records: list[Any] = []
    with out.open("rb") as lines:
        for line in lines:
            if line.startswith(b"{"):
                size += len(line)
                records.append(orjson.loads(line.rstrip(b",\n")))
            if len(records) == PART:
                baseline += _baseline(records, folder / "baseline.json")
                records.clear()
    if records:
        baseline += _baseline(records, folder / "baseline.json")
    return {"ours_s": ours, "orjson_s": baseline, "ratio": ours / baseline, "megabytes": size / 1e6}


def _peak_megabytes(parts: list[Path], folder: Path) -> float:
    """Peak memory of a fresh process that exports the parts."""
    # VmHWM starts anew with the process; ru_maxrss would take over the peak of this one.
    code = (
        "import sys; from pathlib import Path; from vlit.formats.llava import write_llava; "
        "write_llava([Path(p) for p in sys.argv[2:]], Path(sys.argv[1])); "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", code, str(folder / "peak.json"), *map(str, parts)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e3


def run(samples: int = 1_000_000) -> list[dict[str, Any]]:
    """Measure; a row of seconds and ratio with and without metadata, and a row of peak memory for each size."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = make_parts(folder, samples)
        rows += [
            {"samples": samples, "metadata": metadata, **_compare(parts, folder, metadata)}
            for metadata in (True, False)
        ]
        for size in sorted({samples // 100, samples // 10, samples}):
            (folder / str(size)).mkdir()
            some = parts if size == samples else make_parts(folder / str(size), size)
            rows.append({"samples": size, "peak_mb": _peak_megabytes(some, folder)})
    return rows


def main() -> None:
    """Print a row a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    for row in run(parser.parse_args().samples):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
