"""Executors: the same shards give the same bytes, in this process or in a pool of them."""

from __future__ import annotations

import contextlib
import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from vlit.data.errors import VlitError

T = TypeVar("T")
J = TypeVar("J")

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OBJECTS = 300_000  #: new objects after which garbage is looked for; Python's own number is 700
_shared: tuple[int, Any] = (0, None)  # what the jobs of this worker process need, and the number of its parcel
_numbers = itertools.count(1)
_kept: dict[str, tuple[int, ProcessPoolExecutor]] = {}  # the pool that waits for the next jobs, and its size
_keeping = False


class _Parcel(NamedTuple):
    number: int
    path: str


def run_jobs(work: Callable[[Any, J], T], shared: Any, jobs: Iterable[J], workers: int) -> Iterator[T]:
    """Run ``work(shared, job)`` for all jobs; results come as they finish.

    Args:
        work: A function of a module (it is sent to other processes).
        shared: Sent once to each worker, not with each job.
        jobs: Taken as workers become free, so that a long iterable is never held whole.
        workers: Processes; 1 runs everything in this one.

    Raises:
        VlitError: When a worker process died, e.g. killed for lack of memory.
    """
    if workers == 1:
        for job in jobs:
            yield work(shared, job)
        return
    with _sent(shared) as parcel, _pool(workers) as pool:
        pending: set[Future[T]] = set()
        for job in jobs:
            with _signals_held(), _threads_shared(workers):  # the first ones start the workers
                pending.add(pool.submit(_call, work, parcel, job))
            if len(pending) >= workers * 2:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


@contextlib.contextmanager
def workers_kept() -> Iterator[None]:
    """Keep worker processes from one call of ``run_jobs`` to the next: starting them anew costs seconds."""
    global _keeping
    _keeping = True
    try:
        yield
    finally:
        _keeping = False
        let_go()


def let_go() -> None:
    """End the workers that are kept, before something that needs their memory."""
    pool = _kept.pop("pool", None)
    if pool is not None:
        pool[1].shutdown()


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """The pool that is kept, or a new one; after an error none of it is left."""
    size, pool = _kept.pop("pool", (0, None))
    if pool is not None and size != workers:
        pool.shutdown()
        pool = None
    if pool is None:
        context = multiprocessing.get_context("spawn")  # fork and Arrow's threads do not go together
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise VlitError(
            "a worker process died",
            todo="run again (finished parts are kept); if memory ran out, use --workers 1",
        ) from error
    except BaseException:
        with _signals_held():
            _stop(pool)
        raise
    if _keeping:
        _kept["pool"] = (workers, pool)
    else:
        pool.shutdown()


@contextlib.contextmanager
def _sent(shared: Any) -> Iterator[_Parcel]:
    """What all jobs need, in a file without a name, which no kill leaves behind; each worker reads it once."""
    with tempfile.TemporaryFile(prefix="vlit-shared-") as file:
        pickle.dump(shared, file, protocol=pickle.HIGHEST_PROTOCOL)
        file.flush()
        yield _Parcel(next(_numbers), f"/proc/{os.getpid()}/fd/{file.fileno()}")


@contextlib.contextmanager
def _threads_shared(workers: int) -> Iterator[None]:
    """Let processes that start meanwhile share the cores: threads of linear algebra that wait in turns spin.

    What the user has set stays.
    """
    each = str(max(1, len(os.sched_getaffinity(0)) // workers))
    names = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(names, each))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for cycles of garbage less often: rows hold none, and looking takes a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold Ctrl-C and the like back for a moment, so that a worker is started, or stopped, whole.

    A process that is started meanwhile holds them back too: Ctrl-C is the parent's to handle, and a worker that
    still imports would print a traceback.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one is ever interrupted
        yield
        return
    came: list[int] = []
    handlers = {n: signal.signal(n, lambda number, _: came.append(number)) for n in _SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # what a new process inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for held, handler in handlers.items():
            signal.signal(held, handler)
        for number in came[:1]:
            signal.raise_signal(number)


def _stop(pool: ProcessPoolExecutor) -> None:
    """Stop at once: nothing that workers are in the middle of is kept, and what is finished is safe."""
    processes = list((pool._processes or {}).values())
    for process in processes:
        process.kill()
    for process in processes:
        process.join(timeout=5)
    pool.shutdown(cancel_futures=True)


def _start() -> None:
    gc.set_threshold(_OBJECTS)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS - {signal.SIGINT})
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End with the parent, also when it was killed: an orphan would go on writing into the run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(work: Callable[[Any, J], T], parcel: _Parcel, job: J) -> T:
    global _shared
    try:
        if _shared[0] != parcel.number:
            _shared = (0, None)  # the one before goes before the next one comes
            _shared = (parcel.number, pickle.loads(Path(parcel.path).read_bytes()))
            gc.freeze()  # what all jobs need is no garbage
        return work(_shared[1], job)
    except Exception as error:
        if _travels(error):
            raise
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def _travels(error: Exception) -> bool:
    """Whether an error can be sent to another process; one that cannot would look like a worker that died."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
