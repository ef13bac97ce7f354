"""One session's segment of a journal: appended to, and synced for many records at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vlit.data.errors import VlitError
from vlit.data.store import unwritable
from vlit.teacher.index import Index, segment_path
from vlit.teacher.records import Record, encode

Waiter = asyncio.Future[None]
Pending = tuple[Record | None, bytes, Waiter | None]


class Writer:
    """Appends records to a segment and takes them into the index.

    A thread writes what has come together while it was syncing: one write, one sync, and one call into the
    event loop for all that wait. The file is made with the first record.

    Args:
        folder: Of the journal.
        number: Of the segment, which is not there yet.
        index: Learns of a record when it is written (``now``) or synced (``soon``).
    """

    def __init__(self, folder: Path, number: int, index: Index) -> None:
        self.path, self.number = segment_path(folder, number), number
        self.broken: VlitError | None = None  #: why nothing can be written any more
        self.lock = threading.Lock()  #: of the file's end and of the index
        self._index = index
        self._file: int | None = None
        self._size = self._lines = 0
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def now(self, record: Record, *, sync: bool = False) -> None:
        """Write at once: after a kill the record is there, after a power cut only if it is synced.

        Raises:
            VlitError: When it cannot be written, or something could not be before.
        """
        line = encode(record)
        with self.lock:
            offset = self._append(line, 1)
            self._index.take(record, self.number, offset)
        if sync:
            self._sync()

    async def synced(self, record: Record | None = None) -> None:
        """Write, and come back when it and all before it is synced.

        Raises:
            VlitError: When it is not.
        """
        self._check()
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._queue.put((record, encode(record) if record else b"", waiter))
        await waiter

    def soon(self, record: Record) -> None:
        """Write with the next group; nobody waits for it."""
        self._check()
        self._queue.put((record, encode(record), None))

    def close(self) -> None:
        """Write and sync what is pending, and save the index.

        Raises:
            VlitError: When something could not be written.
        """
        self._queue.put(None)
        self._thread.join()
        try:
            if self._file is not None and not self.broken:
                self._sync()
                self._save()
        finally:
            if self._file is not None:
                os.close(self._file)
                self._file = None
        self._check()
        self.broken = VlitError("the journal is closed", where=str(self.path))

    def _check(self) -> None:
        if self.broken:
            raise _again(self.broken)

    def _run(self) -> None:
        more = True
        while more:
            group = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    group.append(self._queue.get_nowait())
            more = None not in group
            self._commit([pending for pending in group if pending is not None])

    def _commit(self, group: Sequence[Pending]) -> None:
        if not group:
            return
        try:
            with self.lock:
                offset = self._append(b"".join(line for _, line, _ in group), sum(bool(g[1]) for g in group))
            self._sync()
            with self.lock:
                for record, line, _ in group:
                    if record is not None:
                        self._index.take(record, self.number, offset)
                    offset += len(line)
                full = self._index.full
            _resolve(group, None)
            if full:
                self._save()
        except VlitError as error:
            self.broken = self.broken or error
            _resolve(group, error)
        except BaseException as error:
            # A mistake of ours must not leave anyone waiting for ever: neither this group, nor those that were
            # put into the queue meanwhile, to whom the thread has to tell the same.
            self.broken = self.broken or VlitError(f"the journal stopped: {error!r}", where=str(self.path))
            self.broken.__cause__ = error
            _resolve(group, self.broken)

    def _append(self, data: bytes, lines: int) -> int:
        """Write at the end and return the offset; whoever calls holds the lock."""
        self._check()
        start = self._size
        if not data:
            return start
        try:
            if self._file is None:
                self._file = _create(self.path)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            if self._file is not None:
                with contextlib.suppress(OSError):  # a torn last line is passed over when it is read
                    os.ftruncate(self._file, start)
            self.broken = unwritable(error, self.path)
            raise self.broken from error
        self._size, self._lines = start + len(data), self._lines + lines
        return start

    def _sync(self) -> None:
        if self._file is None:
            return
        try:
            os.fsync(self._file)
        except OSError as error:
            # What the kernel could not write it may forget: no later sync can be believed.
            self.broken = unwritable(error, self.path)
            raise self.broken from error

    def _save(self) -> None:
        with self.lock:
            self._index.cover(self.path, self._size, self._lines)
            state = self._index.set_aside()
        keys, places = self._index.sorted_in()
        with self.lock:
            self._index.adopt(keys, places)
        self._index.save(state, keys, places)


def _create(path: Path) -> int:
    """A new file whose name survives a power cut."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return file


def _resolve(group: Sequence[Pending], error: VlitError | None) -> None:
    """Wake all that wait, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Waiter]] = defaultdict(list)
    for _, _, waiter in group:
        if waiter is not None:
            loops[waiter.get_loop()].append(waiter)
    for loop, waiters in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(_wake, waiters, error)


def _wake(waiters: Sequence[Waiter], error: VlitError | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue  # cancelled
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(_again(error))


def _again(error: VlitError) -> VlitError:
    """An error of its own for everyone who gets it: tracebacks would grow into each other."""
    another = VlitError(error.what, where=error.where, todo=error.todo)
    another.__cause__ = error.__cause__
    return another
