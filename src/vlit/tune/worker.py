"""One of several processes that tune: ``python -m torch.distributed.run ... -m vlit.tune.worker job.json``."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import orjson

from vlit.data.errors import VlitError
from vlit.tune.job import Job, work
from vlit.tune.metrics import Lines

#: Name of the environment variable that holds the process that waits for the workers.
PARENT = "VLIT_TUNE_PARENT"

#: Where a worker leaves what the user has to know, beside the job.
ERROR = "error.json"

#: Where the first worker leaves each line of metrics for the process that waits. Not metrics.jsonl itself, that
#: begins with what earlier runs wrote.
NEWS = "news.jsonl"


def main(path: Path) -> int:
    """Carry out a job as one of its processes; 0 when it is done."""
    _end_with(int(os.environ.get(PARENT, "0")))
    job = Job.read(path)
    try:
        work(job, Lines(job.folder / NEWS).append)
    except VlitError as error:
        told = {"what": error.what, "where": error.where, "todo": error.todo}
        with contextlib.suppress(FileExistsError), (job.folder / ERROR).open("xb") as file:
            file.write(orjson.dumps(told))
        return 1
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
    return 0


def _end_with(parent: int) -> None:
    """End this process when the one that waits for it is gone: nobody else would, after a kill."""

    def watch() -> None:
        agent = os.getppid()
        while os.getppid() == agent and (not parent or _lives(parent)):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    try:
        code = main(Path(sys.argv[1]))
    except BaseException:
        sys.excepthook(*sys.exc_info())  # torch's: says which process it was
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is written; an orderly end would wait for threads, and those of gloo may abort it
