"""Looking at photos: photos a second on two processes, beside data-juicer's operators for images.

    python -m benchmarks.pictures                     # 1,000 JPEGs of 640 x 480, 2 processes
    python -m benchmarks.pictures --photos 200

Measured is ``look_all`` without a vision model: one decoding, 15 measures, hash and descriptor of each photo.
The photos are parts of the 44 that ship with vlit, brought to 640 x 480 and saved as JPEG of quality 90; each
is another part. data-juicer has no measure of sharpness, noise, compression or complexity that runs without a
model; beside us stand its operators that open images: shape, size of the file, and the duplicate finder with
its perceptual hash, the only one of them that decodes a photo. They are called directly, one sample after the
other in each process, without the cost of its data sets.

data-juicer runs in an environment of its own (``pictures_peer.py`` says how it is made); without it, its row is
left out. Seconds are those of the slower process, CPU seconds those of both; imports are not counted.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import PIL.Image as PILImage

from benchmarks.copies import DEMO
from vlit.assess.pictures.fingerprint import perceptual_hash
from vlit.assess.pictures.look import look_all
from vlit.assess.pictures.pixels import pixels_of
from vlit.data.scene import Image
from vlit.data.seeds import rng

SIZE = (640, 480)
PEERS = Path(os.environ.get("VLIT_PEERS", "~/.cache/vlit-peers")).expanduser()


def make(folder: Path, photos: int) -> list[str]:
    """Write the photos; the same ones each time."""
    sources = [PILImage.open(path).convert("RGB") for path in sorted((DEMO / "images").glob("*.jpg"))]
    paths = []
    for number in range(photos):
        source, draw = sources[number % len(sources)], rng(17, "photo", str(number))
        width = source.width * draw.uniform(0.6, 1)
        height = min(source.height, width * SIZE[1] / SIZE[0])
        left, top = draw.uniform(0, source.width - width), draw.uniform(0, source.height - height)
        part = source.resize(SIZE, PILImage.Resampling.BICUBIC, (left, top, left + width, top + height))
        path = folder / f"{number:05d}.jpg"
        part.save(path, quality=90)
        paths.append(str(path))
    return paths


def ours(paths: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    images = [Image(uri=path, width=SIZE[0], height=SIZE[1]) for path in paths]
    look_all(images[:2])
    wall, cpu = time.perf_counter(), time.process_time()
    assert all(picture.looks is not None for picture in look_all(images))
    return time.perf_counter() - wall, time.process_time() - cpu


def ours_hash(paths: list[str]) -> tuple[float, float]:
    """The same for decoding and the perceptual hash alone, which is what the peer's duplicate finder does."""
    wall, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        perceptual_hash(pixels_of(path).working)
    return time.perf_counter() - wall, time.process_time() - cpu


def row(engine: str, photos: int, workers: int, seconds: list[tuple[float, float]]) -> dict[str, Any]:
    """One line of the table."""
    wall, cpu = max(s[0] for s in seconds), sum(s[1] for s in seconds)
    return {
        "engine": engine,
        "photos": photos,
        "workers": workers,
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "photos_per_second": round(photos / wall, 1),
        "cpu_ms_per_photo": round(1000 * cpu / photos, 2),
    }


def peer(pieces: list[list[str]]) -> list[dict[str, Any]] | None:
    """What data-juicer took for each piece, by operator; ``None`` where it is not installed."""
    python = PEERS / "datajuicer" / "bin" / "python"
    script = str(Path(__file__).with_name("pictures_peer.py"))
    if (
        not python.exists()
        or subprocess.run([python, "-c", "import data_juicer"], capture_output=True).returncode
    ):
        return None
    running = [
        subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in pieces
    ]
    for process, piece in zip(running, pieces, strict=True):
        assert process.stdin is not None
        process.stdin.write(json.dumps(piece))
        process.stdin.close()
    said = [process.stdout.read() if process.stdout else "" for process in running]
    for process in running:
        if process.wait():
            return None
    return [json.loads(lines.splitlines()[-1]) for lines in said]


def main(photos: int, workers: int) -> None:
    """Measure both and print the rows."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder), photos)
        pieces = [paths[i::workers] for i in range(workers)]
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            for engine, work in (("vlit, everything", ours), ("vlit, hash alone", ours_hash)):
                print(json.dumps(row(engine, photos, workers, list(pool.map(work, pieces)))), flush=True)
        found = peer(pieces)
        if found is None:
            print(f"data-juicer is not installed in {PEERS.name}/datajuicer: no row for it", file=sys.stderr)
            return
        for name in found[0]["operators"]:
            seconds = [tuple(one["operators"][name]) for one in found]
            engine = f"data-juicer {found[0]['version']}, {name}"
            print(json.dumps(row(engine, photos, workers, seconds)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    main(given.photos, given.workers)
