"""data-juicer's operators for text on a LLaVA file; runs in an environment of its own, without vlit.

    <environment>/bin/python benchmarks/assess_peer.py FOLDER PROCESSES

The environment lies outside the repository, under $VLIT_PEERS (by default ~/.cache/vlit-peers):

    cd $VLIT_PEERS
    python3.11 -m venv datajuicer && datajuicer/bin/pip install py-data-juicer aiohttp av

Where a package lacks, data-juicer installs it while it runs; here it must not: an operator that needs one is an
error. The lists of stop words and flagged words, which it would download, are short ones of our own: what
takes time is to look each word up. Operators that share the words of a sample are fused, as it advises; filters
compute their statistics and drop nothing; the two that find duplicates find them, as ours do. The text of a
sample is all that is said in it. Prints JSON on the last line.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

STOP_WORDS = "a an and are as at be by for from has he in is it its of on that the to was were will with"
FLAGGED = "damn hell crap bloody idiot stupid"
FILTERS: list[dict[str, dict[str, Any]]] = [
    {"alphanumeric_filter": {}},
    {"average_line_length_filter": {}},
    {"character_repetition_filter": {}},
    {"maximum_line_length_filter": {}},
    {"special_characters_filter": {}},
    {"text_length_filter": {}},
    {"words_num_filter": {"lang": "en"}},
    {"word_repetition_filter": {"lang": "en"}},
    {"stopwords_filter": {"lang": "en"}},
    {"flagged_words_filter": {"lang": "en"}},
]
DUPLICATES: list[dict[str, dict[str, Any]]] = [
    {"document_deduplicator": {"lowercase": True}},
    {"document_minhash_deduplicator": {}},
]


def main(folder: Path, processes: int) -> None:
    """Load the samples, run the operators, tell what they took."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HF_DATASETS_CACHE"] = scratch
        _install_nothing()
        from data_juicer.core.data import NestedDataset
        from data_juicer.ops import load_ops
        from data_juicer.ops.op_fusion import fuse_operators
        from data_juicer.utils.constant import Fields
        from datasets import load_dataset

        lists = {"stopwords.json": STOP_WORDS, "flagged_words.json": FLAGGED}
        for name, words in lists.items():
            (Path(scratch) / name).write_text(json.dumps({"en": words.split()}), encoding="utf-8")
        (Path(scratch) / "set.jsonl").write_text("\n".join(_lines(folder / "set.json")), encoding="utf-8")
        loaded = load_dataset("json", data_files=f"{scratch}/set.jsonl", split="train", cache_dir=scratch)
        data = NestedDataset(loaded.add_column(Fields.stats, [{}] * len(loaded)))

        steps: dict[str, float] = {}
        cpu = _cpu_seconds()
        with _children() as peak:
            filters = load_ops([_placed(one, scratch, processes) for one in FILTERS])
            for operator in fuse_operators(filters):
                operator.num_proc = processes
                data = _timed(steps, operator, partial(operator.run, reduce=False), data)
            for operator in load_ops([_placed(one, scratch, processes) for one in DUPLICATES]):
                _timed(steps, operator, operator.run, data)
        cpu = _cpu_seconds() - cpu
    found = {
        "version": version("py-data-juicer"),
        "samples": len(data),
        "operators": [name for one in (*FILTERS, *DUPLICATES) for name in one],
        "seconds": sum(steps.values()),
        "cpu": cpu,
        "peak_parent": _peak_mb("self"),
        "peak_worker": peak[0],
        "steps": steps,
    }
    print(json.dumps(found), flush=True)


def _install_nothing() -> None:
    from data_juicer.utils.lazy_loader import LazyLoader

    def refuse(package: str, *_: Any, **__: Any) -> None:
        raise ImportError(f"{package} is not installed, and must not be while it is measured")

    LazyLoader._install_package = staticmethod(refuse)


def _lines(path: Path) -> Iterator[str]:
    for record in json.loads(path.read_text(encoding="utf-8")):
        text = "\n".join(turn["value"].replace("<image>\n", "") for turn in record["conversations"])
        yield json.dumps({"id": record["id"], "text": text})


def _placed(operator: dict[str, dict[str, Any]], scratch: str, processes: int) -> dict[str, dict[str, Any]]:
    ((name, options),) = operator.items()
    folders = {f"{kind}_dir": scratch for kind in ("stopwords", "flagged_words") if name == f"{kind}_filter"}
    return {name: {**options, **folders, "num_proc": processes}}


def _timed(steps: dict[str, float], operator: Any, run: Callable[[Any], Any], data: Any) -> Any:
    start = time.perf_counter()
    found = run(data)
    steps[operator._name] = time.perf_counter() - start
    return found


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _peak_mb(pid: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@contextmanager
def _children() -> Iterator[list[int]]:
    """Watch the processes that this one starts; the list's one item is the peak of the largest, in MB."""
    peak, ended = [0], threading.Event()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")

    def watch() -> None:
        while not ended.wait(0.1):
            peak[0] = max([peak[0], *map(_peak_mb, children.read_text().split())])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
