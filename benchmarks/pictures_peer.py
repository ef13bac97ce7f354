"""data-juicer's operators for images on some photos; runs in an environment of its own, without vlit.

    echo '["a.jpg", "b.jpg"]' | <environment>/bin/python benchmarks/pictures_peer.py

The environment lies outside the repository, under $VLIT_PEERS (by default ~/.cache/vlit-peers):

    cd $VLIT_PEERS
    python3.11 -m venv datajuicer && datajuicer/bin/pip install py-data-juicer imagededup aiohttp

The hash decodes a photo; the other two read its head or its size alone. Prints wall and CPU seconds of each
operator, and of all together, as JSON on the last line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def operators() -> dict[str, Any]:
    """A function of one sample for each operator."""
    from data_juicer.ops.deduplicator.image_deduplicator import ImageDeduplicator
    from data_juicer.ops.filter.image_shape_filter import ImageShapeFilter
    from data_juicer.ops.filter.image_size_filter import ImageSizeFilter

    filters = {
        "image_shape_filter": ImageShapeFilter(),
        "image_size_filter": ImageSizeFilter(),
    }
    found = {name: op.compute_stats_single for name, op in filters.items()}
    return {**found, "image_deduplicator (phash)": ImageDeduplicator(method="phash").compute_hash}


def main(paths: list[str]) -> None:
    """Run each operator over all photos."""
    seconds: dict[str, tuple[float, float]] = {}
    for name, operator in operators().items():
        operator(sample(paths[0]))
        wall, cpu = time.perf_counter(), time.process_time()
        for path in paths:
            operator(sample(path))
        seconds[name] = (time.perf_counter() - wall, time.process_time() - cpu)
    seconds["all three"] = (sum(s[0] for s in seconds.values()), sum(s[1] for s in seconds.values()))
    print(json.dumps({"version": version("py-data-juicer"), "operators": seconds}), flush=True)


def sample(path: str) -> dict[str, Any]:
    """A sample as data-juicer takes it."""
    return {"text": "", "images": [path], "__dj__stats__": {}}


if __name__ == "__main__":
    main(json.load(sys.stdin))
