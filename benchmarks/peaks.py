"""Peak memory of a process and its workers. ``ru_maxrss`` will not do: a child takes over its parent's peak."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def peak_mb(pid: int | str = "self") -> int:
    """The most memory that a process ever had resident, in MB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@contextmanager
def worker_peak() -> Iterator[list[int]]:
    """Watch the children of this process; the list's one item is the peak of the largest, in MB."""
    peak, ended = [0], threading.Event()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")

    def watch() -> None:
        while not ended.wait(0.1):
            peak[0] = max([peak[0], *map(peak_mb, children.read_text().split())])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()
