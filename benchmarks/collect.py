"""Collecting a COCO-size set: time and peak memory as ratios to ``orjson`` parsing the same files.

    python -m benchmarks.collect                  # 118,000 images, 860,000 boxes, 590,000 captions
    python -m benchmarks.collect --images 10000

Each measurement runs in a process of its own, so that peaks do not mix. The files are generated from a seed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

BOXES_PER_IMAGE, CAPTIONS_PER_IMAGE = 7.3, 5
VOCABULARY = """
    a the man woman dog cat table street with of on in next to small large red blue white black sitting
    standing holding riding train bus kitchen food plate grass field water
"""
RECIPE = """
name: benchmark
collect:
  images: skip
  sources:
    - {kind: coco, captions: captions.json, instances: instances.json}
"""


def write_files(folder: Path, images: int, seed: int = 7) -> None:
    """COCO captions and instances with the counts and record sizes of train2017."""
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(max(600_000, images), size=images, replace=False)).tolist()
    head = {
        "info": {"description": "generated"},
        "licenses": [{"url": "u", "id": k, "name": f"Licence {k}"} for k in range(1, 9)],
        "images": [_image(k) for k in ids],
        "categories": [{"supercategory": "thing", "id": k, "name": f"label {k}"} for k in range(1, 81)],
    }
    words = rng.choice(np.array(VOCABULARY.split()), size=(images * CAPTIONS_PER_IMAGE, 10)).tolist()
    captions = [
        {"image_id": ids[k // CAPTIONS_PER_IMAGE], "id": k + 1, "caption": " ".join(w) + "."}
        for k, w in enumerate(words)
    ]
    (folder / "captions.json").write_bytes(orjson.dumps({**head, "annotations": captions}))
    total, step = int(images * BOXES_PER_IMAGE), 20_000
    with (folder / "instances.json").open("wb") as handle:
        handle.write(orjson.dumps(head)[:-1] + b',"annotations":[')
        for start in range(0, total, step):
            block = _instances(rng, ids, start, min(step, total - start))
            handle.write((b"," if start else b"") + orjson.dumps(block)[1:-1])
        handle.write(b"]}")


def _image(ident: int) -> dict[str, Any]:
    return {
        "license": ident % 8 + 1,
        "file_name": f"{ident:012d}.jpg",
        "coco_url": f"http://images.cocodataset.org/train2017/{ident:012d}.jpg",
        "height": 480,
        "width": 640,
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm9.staticflickr.com/8186/{ident:010d}_9454f3eff2_z.jpg",
        "id": ident,
    }


def _instances(rng: np.random.Generator, ids: list[int], start: int, count: int) -> list[dict[str, Any]]:
    owners = rng.integers(0, len(ids), count)
    corners = rng.uniform((0, 0, 2, 2), (500, 380, 130, 95), (count, 4)).round(2).tolist()
    outlines = rng.uniform(0, 480, (count, 72)).round(2)
    lengths = rng.integers(4, 36, count) * 2
    labels = rng.integers(1, 81, count).tolist()
    areas = rng.uniform(10, 9999, count).tolist()
    return [
        {
            "segmentation": [outlines[k, : lengths[k]].tolist()],
            "area": areas[k],
            "iscrowd": 0,
            "image_id": ids[owners[k]],
            "bbox": corners[k],
            "category_id": labels[k],
            "id": start + k + 1,
        }
        for k in range(count)
    ]


def parse_with_orjson(folder: Path) -> dict[str, Any]:
    """The yardstick: both files parsed one after the other."""
    records = 0
    for name in ("captions.json", "instances.json"):
        records += len(orjson.loads((folder / name).read_bytes())["annotations"])
    return {"records": records}


def collect(folder: Path) -> dict[str, Any]:
    """A whole run of the stage: fingerprint, parse, join, check, Parquet parts; all cores."""
    from vlit.run.engine import execute
    from vlit.run.folder import RunFolder
    from vlit.run.recipe import parse_recipe

    run = RunFolder(folder / f"run-{os.getpid()}")
    execute(parse_recipe(RECIPE, base=folder), run)
    return {"scenes": len(run.scenes), "quarantined": len(run.quarantine)}


def measure(what: Callable[[Path], dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Run one of the functions above in a process of its own.

    Returns:
        Its result, ``seconds`` without the start of Python, and ``peak_gb``: the memory of the process and its
        workers together at the worst moment, sampled every 50 ms (pages that they share count for each).
    """
    code = (
        f"import json,time\nfrom pathlib import Path\nfrom benchmarks.collect import {what.__name__} as f\n"
        "if __name__ == '__main__':\n    t = time.perf_counter()\n    r = f(Path(__import__('sys').argv[1]))\n"
        "    print(json.dumps({**r, 'seconds': round(time.perf_counter() - t, 2)}))\n"
    )
    script = folder / f"{what.__name__}.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(_memory, _family(process.pid))))
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{what.__name__} failed")
    return {**json.loads(output.splitlines()[-1]), "peak_gb": round(peak / 1e9, 2)}


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it ended in this moment
        return [pid]
    return [pid, *(p for child in children for p in _family(int(child)))]


def _memory(pid: int) -> int:
    """Resident memory in bytes; 0 when the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def compare(images: int) -> dict[str, Any]:
    """Generate the files for so many images and measure both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, images)
        size = sum(p.stat().st_size for p in folder.glob("*.json")) / 1e6
        yardstick, ours = measure(parse_with_orjson, folder), measure(collect, folder)
    return {
        "images": images,
        "megabytes": round(size),
        "orjson_seconds": yardstick["seconds"],
        "orjson_peak_gb": yardstick["peak_gb"],
        "collect_seconds": ours["seconds"],
        "collect_peak_gb": ours["peak_gb"],
        "ratio": round(ours["seconds"] / yardstick["seconds"], 2),
        "scenes": ours["scenes"],
    }


def main() -> list[dict[str, Any]]:
    """Print and return a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 10_000, 118_000])
    rows = []
    for images in parser.parse_args().images:
        rows.append(compare(images))
        print(json.dumps(rows[-1]), flush=True)
    return rows


if __name__ == "__main__":
    main()
