from __future__ import annotations

import os
import signal
import time

import pytest

from vlit.data.errors import VlitError
from vlit.run.executor import run_jobs, workers_kept


def add(shared: int, job: int) -> int:
    return shared + job


def die(shared: None, job: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return job


def complain(shared: None, job: int) -> int:
    raise VlitError("no good", where="job", todo="another")


class Fussy(Exception):
    def __init__(self, *, why: str) -> None:
        super().__init__(why)


def fuss(shared: None, job: int) -> int:
    raise Fussy(why="too hot")


@pytest.mark.parametrize("workers", [1, 2])
def test_all_jobs_are_done(workers: int) -> None:
    assert sorted(run_jobs(add, 10, range(20), workers)) == list(range(10, 30))


def test_jobs_are_taken_as_workers_become_free() -> None:
    taken = []

    def jobs():  # type: ignore[no-untyped-def]
        for i in range(50):
            taken.append(i)
            yield i

    results = run_jobs(add, 0, jobs(), 2)
    next(results)
    assert len(taken) <= 8
    results.close()


def test_a_worker_that_dies_is_an_error_not_a_hang() -> None:
    with pytest.raises(VlitError, match="worker process died"):
        list(run_jobs(die, None, range(3), 2))


def test_errors_keep_their_parts_on_the_way_from_a_worker() -> None:
    with pytest.raises(VlitError) as caught:
        list(run_jobs(complain, None, range(3), 2))
    assert (caught.value.what, caught.value.where, caught.value.todo) == ("no good", "job", "another")


def test_an_error_that_cannot_travel_is_told_all_the_same() -> None:
    with pytest.raises(RuntimeError, match="Fussy: too hot"):
        list(run_jobs(fuss, None, range(3), 2))


def sleep(shared: None, job: int) -> int:
    time.sleep(60)
    return job


def test_stopping_early_ends_the_workers() -> None:
    started = time.monotonic()
    results = run_jobs(sleep, None, range(4), 2)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    signal.setitimer(signal.ITIMER_REAL, 2)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert time.monotonic() - started < 20


def threads_of(shared: None, job: int) -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


def test_processes_share_the_cores_and_keep_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert set(run_jobs(threads_of, None, range(2), 2)) == {str(max(1, cores // 2))}
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    assert set(run_jobs(threads_of, None, range(2), 2)) == {"7"}


def pid_and(shared: str, job: int) -> tuple[int, str]:
    return os.getpid(), shared


def test_workers_that_are_kept_do_the_next_jobs_with_what_those_need() -> None:
    with workers_kept():
        first = set(run_jobs(pid_and, "a", range(40), 2))
        second = set(run_jobs(pid_and, "b", range(40), 2))
        (alone,) = {pid for pid, _ in run_jobs(pid_and, "c", range(3), 1)}
        other = set(run_jobs(pid_and, "d", range(40), 3))
    assert {pid for pid, _ in first} >= {pid for pid, _ in second} and {s for _, s in second} == {"b"}
    assert alone == os.getpid() and not {pid for pid, _ in other} & {pid for pid, _ in first}
    for pid in {pid for found in (first, second, other) for pid, _ in found}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_is_kept_after_an_error() -> None:
    with workers_kept():
        with pytest.raises(VlitError, match="no good"):
            list(run_jobs(complain, None, range(3), 2))
        assert sorted(run_jobs(add, 10, range(4), 2)) == [10, 11, 12, 13]
