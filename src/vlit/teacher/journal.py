"""The journal: every call and every reply, kept before it is used, so that nothing is paid twice."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import msgspec

from vlit.data.errors import VlitError
from vlit.data.store import unwritable
from vlit.teacher.index import CALL, FAIL, FINAL, REPLY, Index, Totals, lines_of, segment_path, segments, unpack
from vlit.teacher.message import Message, Request
from vlit.teacher.records import NOTHING, Call, Fail, Record, Reply, Retry, decode
from vlit.teacher.reply import Choice, Failure, Usage
from vlit.teacher.writer import Writer

__all__ = ["Journal", "JournalView", "Totals"]

_PIECE = 1 << 13  # bytes that are read at once; most replies are shorter
_ASKED = 50_000  # keys that are remembered as asked in this segment
_OPEN = 64  # segments that are held open for reading


class JournalView:
    """A journal to read from, as it is when it is opened; no lock, cheap to open, pickled by its folder.

    Args:
        folder: Where the segments lie; an absent folder is an empty journal.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = Index(folder)
        self._files: dict[int, int] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.folder,))

    def __del__(self) -> None:
        self._let_go()

    @property
    def damaged(self) -> tuple[str, ...]:
        """Lines that are no record, as file and line. What the others hold can be used."""
        return tuple(self._index.state.damaged)

    def choices(self, key: str) -> tuple[Choice, ...]:
        """Everything that was ever paid for this request, in order of arrival; read from disk."""
        return tuple(c for _, r in self._read(key, REPLY) if isinstance(r, Reply) for c in r.choices)

    def failure(self, key: str) -> Failure | None:
        """The last final failure, unless a reply came after it or failures were set aside since."""
        last: Record | None = None
        for place, record in self._read(key, REPLY, FINAL):
            last = record if place > self._index.state.retried else None
        return last.final if isinstance(last, Fail) else None

    def usage(self, key: str, *, failed: bool = True) -> Usage:
        """Tokens of all calls for this request whose cost is known; of its replies alone without ``failed``."""
        prompt, completion, measured = 0, 0, True
        for _, record in self._read(key, REPLY, FINAL, FAIL):
            if isinstance(record, Reply):
                prompt += record.usage.prompt
                completion += record.usage.completion
                measured &= record.usage.measured
            elif isinstance(record, Fail) and failed:
                completion += record.cost or 0
        return Usage(prompt, completion, measured)

    def request(self, key: str) -> Request | None:
        """What was asked, pictures by their hash; ``None`` where the key was never asked."""
        for _, record in self._read(key, CALL):
            if isinstance(record, Call) and record.whole:
                return msgspec.json.decode(record.request, type=Request)
        return None

    def messages(self, key: str) -> tuple[Message, ...]:
        """The messages of what was asked; none where the key was never asked."""
        request = self.request(key)
        return request.messages if request else ()

    def outcomes(self, key: str) -> dict[str, str]:
        """Calls for this request by their ids: ``"sent"``, ``"answered"`` or ``"failed"``.

        A call that repeats an earlier one of its segment is known only once it has an outcome.
        """
        words = {Call: "sent", Reply: "answered", Fail: "failed"}
        return {
            record.id: words[type(record)]
            for _, record in self._read(key, CALL, REPLY, FINAL, FAIL)
            if not isinstance(record, Retry)
        }

    def records(self) -> Iterator[Record]:
        """All records in order of writing, from disk; damaged and torn lines are passed over."""
        for path in segments(self.folder):
            for _, _, record in lines_of(path):
                if record is not None:
                    yield record

    def _places(self, key: str) -> list[int]:
        return self._index.find(key)

    def _read(self, key: str, *kinds: int) -> Iterator[tuple[int, Record]]:
        for place in self._places(key):
            if place & 3 not in kinds:
                continue
            record = decode(self._line(*unpack(place)))
            if record is None or isinstance(record, Retry):
                path = segment_path(self.folder, unpack(place)[0])
                raise VlitError(
                    f"the journal has changed under its index: no record at byte {unpack(place)[1]:,}",
                    where=str(path),
                    todo=f"delete {self.folder / 'index.bin'} and run again: it will be made anew",
                )
            if record.key == key:
                yield place, record

    def _line(self, segment: int, offset: int) -> bytes:
        path = segment_path(self.folder, segment)
        try:
            if (file := self._files.get(segment)) is None:
                if len(self._files) >= _OPEN:
                    self._let_go()
                file = self._files[segment] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            pieces = []
            while piece := os.pread(file, _PIECE, offset):
                line, end, _ = piece.partition(b"\n")
                pieces.append(line)
                if end:
                    break
                offset += len(piece)
            return b"".join(pieces)
        except OSError as error:
            raise VlitError(f"cannot read the journal: {error.strerror or error}", where=str(path)) from error

    def _let_go(self) -> None:
        files, self._files = getattr(self, "_files", {}), {}
        for file in files.values():
            os.close(file)


class Journal(JournalView):
    """The journal's one writer. Use it as a context manager, and ``answered`` and ``failed`` in an event loop.

    Args:
        folder: Made when it is absent. Runs may share it, one after the other.

    Raises:
        VlitError: When another process writes to it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = _locked(folder)
        try:
            super().__init__(folder)
            numbers = [int(path.stem) for path in segments(folder)]
            self._segment = max(numbers, default=0) + 1
            self._writer = Writer(folder, self._segment, self._index)
        except BaseException:
            os.close(self._lock)
            raise
        self._calls = 0
        self._open: dict[str, tuple[str, int]] = {}
        self._asked: set[str] = set()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a journal has one writer: send a JournalView of its folder")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A disk that is full was told where it was met: it must not hide the error on its way.
        with contextlib.suppress(VlitError) if error else contextlib.nullcontext():
            self.close()

    def close(self) -> None:
        """Write what is pending, save the index, and let go of the lock.

        Raises:
            VlitError: When something could not be written.
        """
        if self._lock < 0:
            return
        try:
            self._writer.close()
        finally:
            os.close(self._lock)
            self._lock = -1
            self._let_go()

    @property
    def totals(self) -> Mapping[str, Totals]:
        """By model, as it is now: all calls that the journal knows, those of this session included."""
        with self._writer.lock:
            return {m: msgspec.structs.replace(t) for m, t in self._index.state.totals.items()}

    def sent(self, request: Request, *, n: int, endpoint: str, most: int, call: str | None = None) -> str:
        """Record a call before its body leaves; survives a kill, though not a power cut.

        Args:
            request: What is asked.
            n: How many replies are asked for.
            endpoint: The server's URL; user, password and query are not kept.
            most: Tokens that the call can cost at most; reserved until its cost is known.
            call: An id of your own, unique over all runs, for a call whose outcome is met in another session;
                then the outcome has to name ``most`` (and, a failure, ``model``) again.

        Returns:
            The call's id, unique over all runs.

        Raises:
            VlitError: When it could not be written; then it must not be sent.
        """
        key, whole = request.key, True
        if call is None:
            self._calls += 1
            call = f"{self._segment}-{self._calls}"
            self._open[call] = (request.model, most)
            whole = key not in self._asked
        record = Call(
            id=call,
            key=key,
            at=_now(),
            model=request.model,
            endpoint=_public(endpoint),
            n=n,
            most=most,
            request=msgspec.Raw(request.record()) if whole else NOTHING,
        )
        self._writer.now(record)
        if len(self._asked) >= _ASKED:
            self._asked.clear()
        self._asked.add(key)
        return call

    async def answered(
        self,
        call: str,
        key: str,
        choices: tuple[Choice, ...],
        usage: Usage,
        *,
        model: str,
        most: int | None = None,
    ) -> None:
        """Record a reply; returns when it is synced, and only then may it be used.

        Args:
            call: As ``sent`` returned it.
            key: Of the request.
            choices: What came.
            usage: What it cost.
            model: The request's.
            most: Of a call that had an id of your own.

        Raises:
            VlitError: When it could not be written; nothing can be recorded from then on.
        """
        model, most = self._settle(call, model, most)
        await self._writer.synced(
            Reply(id=call, key=key, at=_now(), model=model, most=most, usage=usage, choices=choices)
        )

    async def failed(
        self,
        call: str,
        key: str,
        reason: str,
        *,
        cost: int | None,
        final: Failure | None = None,
        model: str | None = None,
        most: int | None = None,
    ) -> None:
        """Record that a call gave no reply; returns at once, or when it is synced where it is final.

        Args:
            call: As ``sent`` returned it.
            key: Of the request.
            reason: In words.
            cost: Tokens that it cost; ``None`` where nobody knows: it stays at its reserve.
            final: Why the request is not asked again.
            model: Of a call that had an id of your own.
            most: The same.
        """
        model, most = self._settle(call, model, most)
        record = Fail(
            id=call, key=key, at=_now(), model=model, most=most, reason=reason, cost=cost, final=final
        )
        if final:
            await self._writer.synced(record)
        else:
            self._writer.soon(record)

    async def sync(self) -> None:
        """Come back when everything that was recorded is synced, calls and failures too.

        Raises:
            VlitError: When it could not be written.
        """
        await self._writer.synced()

    def retry(self) -> None:
        """Set all final failures aside, so that their requests are asked again."""
        self._writer.now(Retry(at=_now()), sync=True)

    def _settle(self, call: str, model: str | None, most: int | None) -> tuple[str, int]:
        """The model and the reserve of a call that has an outcome now."""
        opened = self._open.pop(call, None)
        if opened is not None:
            return opened
        if model is None or most is None:
            raise ValueError(f"the call {call!r} is not open in this session: name its model and its most")
        return model, most

    def _places(self, key: str) -> list[int]:
        with self._writer.lock:
            return self._index.find(key)


def _locked(folder: Path) -> int:
    """The lock of a folder; it goes with the process, also when it is killed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise unwritable(error, folder) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise VlitError(
            "another process is writing to this journal",
            where=str(folder),
            todo="wait for it, or give this run a journal of its own with --set teacher.journal=...",
        ) from None
    return lock


@lru_cache(maxsize=256)
def _public(url: str) -> str:
    """The URL without what may be secret in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _now() -> float:
    return round(time.time(), 3)
