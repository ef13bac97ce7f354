"""Ego-splitting of the words of real sentences, against karateclub.

    python -m benchmarks.ego                      # 10,000 and 100,000 sentences; the peer takes about 8 minutes
    python -m benchmarks.ego --sentences 10000

The sentences are those of the docstrings in this environment's packages, one a document; the words are their
tokens without stop words and marks. Ours starts from lists of token ids and builds the graph too; karateclub's
time starts with the finished graph. Both end with the Louvain communities of the persona graph. The script
stops when the personas or their components are not as many as the peer's.

karateclub 1.3.3 does not install on Python 3.11. It lies in an environment of its own, without vlit, under
$VLIT_PEERS (by default ~/.cache/vlit-peers):

    cd $VLIT_PEERS && python3.9 -m venv ego && ego/bin/pip install karateclub

Its ``fit`` first gives every vertex an edge to itself. That puts each vertex into its own ego-net, which joins
all of it: Zachary's club then has 34 personas, one for each member, in place of 56. The peer is measured
without that line, so that it runs the algorithm as published and both do the same work.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PEER = Path(os.environ.get("VLIT_PEERS", "~/.cache/vlit-peers")).expanduser() / "ego" / "bin" / "python"
SIZES = (10_000, 100_000)
#: Runs in the peer's environment: edges in, figures out. Phase by phase as its ``fit``, without the loops.
PEER_SCRIPT = """
import json, resource, sys, time
import community
import networkx as nx
from karateclub import EgoNetSplitter

graph = nx.Graph()
for line in open(sys.argv[1]):
    graph.add_edge(*map(int, line.split()))
model = EgoNetSplitter(weight=None)
wall, cpu = time.perf_counter(), time.process_time()
model._set_seed()
model.graph = graph
model._create_egonets()
model._map_personalities()
model._create_persona_graph()
egos = time.perf_counter() - wall
model._create_partitions()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({
    "seconds": wall,
    "egos": egos,
    "cpu": cpu,
    "personas": model.index,
    "components": nx.number_connected_components(model.persona_graph),
    "louvain": len(set(model.partitions.values())),
    "modularity": community.modularity(model.partitions, model.persona_graph),
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def docstrings(packages: Path) -> Iterator[str]:
    """All docstrings of all files below a folder, in order of the files."""
    for path in sorted(packages.rglob("*.py")):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
                text := ast.get_docstring(node)
            ):
                yield text


def documents(wanted: int) -> tuple[list[list[int]], int]:
    """Token ids of that many different sentences of at least four words, and the number of tokens."""
    from vlit.assess.diversity.stop_words import content_words
    from vlit.language.tokens import sentences

    ids: dict[str, int] = {}
    found: dict[tuple[int, ...], None] = {}
    for text in docstrings(Path(sysconfig.get_path("purelib"))):
        for sentence in sentences(text):
            words = content_words(sentence)
            if 4 <= len(words) <= 40:
                found[tuple(ids.setdefault(w, len(ids)) for w in words)] = None
        if len(found) >= wanted:
            break
    return [list(d) for d in found][:wanted], len(ids)


def ours(texts: list[list[int]], n: int, edges: Path) -> dict[str, Any]:
    """Our figures; writes the edges of the graph for the peer."""
    from vlit.assess.clustering.ego import split_documents
    from vlit.assess.clustering.louvain import modularity

    split_documents([[0, 1, 2], [2, 3]], 4).communities("louvain")  # compile before the clock runs
    wall, cpu = time.perf_counter(), time.process_time()
    personas = split_documents(texts, n)
    egos = time.perf_counter() - wall
    louvain = personas.communities("louvain")
    figures = {
        "seconds": time.perf_counter() - wall,
        "egos": egos,
        "cpu": time.process_time() - cpu,
        "personas": len(personas),
        "components": int(personas.communities().max()) + 1,
        "louvain": int(louvain.max()) + 1,
        "modularity": modularity(personas.persona_graph, louvain),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    graph = personas.graph
    with edges.open("w") as file:
        file.writelines(
            f"{u} {v}\n"
            for u, v in zip(graph.sources.tolist(), graph.neighbours.tolist(), strict=True)
            if u < v
        )
    return figures


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """A row for each size and engine; the peer's have the ratio of the seconds."""
    for size in sizes:
        texts, n = documents(size)
        with tempfile.TemporaryDirectory() as folder:
            edges = Path(folder) / "edges.txt"
            mine = ours(texts, n, edges)
            _told("vlit", len(texts), mine, 1.0)
            if not PEER.exists():
                print(f"karateclub is not at {PEER}: see the head of benchmarks/ego.py", file=sys.stderr)
                continue
            command = [str(PEER), "-c", PEER_SCRIPT, str(edges)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peer = json.loads(done.stdout.splitlines()[-1])
        for key in ("personas", "components"):
            if peer[key] != mine[key]:
                sys.exit(f"{key}: {mine[key]} here, {peer[key]} there")
        _told("karateclub 1.3.3", len(texts), peer, peer["seconds"] / mine["seconds"])


def _told(engine: str, size: int, found: dict[str, Any], ratio: float) -> None:
    row = {
        "sentences": size,
        "engine": engine,
        "seconds": round(found["seconds"], 3),
        "of_which_personas": round(found["egos"], 3),
        "cpu_seconds": round(found["cpu"], 3),
        "times_ours": round(ratio, 1),
        "personas": found["personas"],
        "components": found["components"],
        "louvain": found["louvain"],
        "modularity_in_percent": round(100 * found["modularity"], 2),
        "peak_mb": found["peak"],
    }
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, help="one size instead of 10,000 and 100,000")
    given = parser.parse_args()
    main((given.sentences,) if given.sentences else SIZES)
