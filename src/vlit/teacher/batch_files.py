"""Batch files on disk: what is asked, which calls that are, and how far each file has come.

00001.jsonl         what the server is given: {"custom_id", "method", "url", "body"}
00001.calls.jsonl   the calls behind its lines, in the same order
00001.json          how far it has come; a file without it was not finished and is written anew
00001.output.jsonl  what the server gave back; 00001.error.jsonl: likewise, for calls that failed
"""

from __future__ import annotations

import os
import re
import secrets
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import msgspec

from vlit.data.errors import VlitError
from vlit.data.store import atomic, unwritable
from vlit.teacher.budget import Most
from vlit.teacher.message import Request

_STATE = re.compile(r"\d{5,}\.json")
_PART = re.compile(r"(?P<name>\d{5,})(\.calls)?\.jsonl|(?P<half>\.\d{5,}\..*\.tmp)")

CHAT = "/v1/chat/completions"

#: How far a file has come; each step is on disk before the next one is begun.
Step = Literal[
    "written",  # it is whole, and fits the budget
    "known",  # the journal has its calls, and reserves what they can cost
    "uploaded",  # the server has the file
    "submitting",  # about to submit: whether that happened has to be found out before it is done again
    "submitted",
    "ended",  # the server does nothing more about it
    "done",  # the journal has all that came of it
]


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The call behind a line."""

    key: str
    n: int
    prompt: int  #: tokens at most
    completion: int  #: the same, of each reply

    @property
    def most(self) -> int:
        """Tokens that it can cost at most."""
        return self.prompt + self.n * self.completion


class Asked(Line, frozen=True, kw_only=True, gc=False):
    """The same, with the request as ``Request.record`` has it."""

    request: msgspec.Raw


L = TypeVar("L", bound=Line)


class BatchFile(msgspec.Struct, kw_only=True):
    """How far a file has come."""

    name: str
    token: str  #: that no other file has: ids of its calls begin with it
    model: str
    lines: int
    by_hand: bool  #: submitted by the user
    step: Step = "written"
    attempt: int = 0  #: how often the server had no room for it
    input_file: str | None = None
    batch: str | None = None
    status: str = ""  #: what it ended as
    reason: str = ""  #: why the server did not do it
    output_file: str | None = None
    error_file: str | None = None
    without: list[str] = []  #: fields that the server turned out not to know
    single: bool = False  #: the server turned out to give one reply, whatever ``n`` says

    def call(self, line: int) -> str:
        """The id of a call in the journal."""
        return f"{self.token}-{line}"

    @property
    def mark(self) -> str:
        """By which the server's batch is known again."""
        return f"{self.token}-{self.attempt}"


class Folder:
    """The folder of a run's batch files.

    Args:
        path: ``<run>/batches``; made when it is needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[BatchFile]:
        """All files that were finished once, in order; what a kill left unfinished is deleted.

        Raises:
            VlitError: When the state of one cannot be read.
        """
        names = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []
        found = [_state(self.path / name) for name in names if _STATE.fullmatch(name)]
        known = {file.name for file in found}
        for name in names:
            part = _PART.fullmatch(name)
            if part and (part["half"] or part["name"] not in known):
                (self.path / name).unlink()
        return found

    def of(self, file: BatchFile, kind: str = "") -> Path:
        """``kind``: nothing, "calls", "output" or "error"."""
        return self.path / f"{file.name}{kind and '.'}{kind}.jsonl"

    def save(self, file: BatchFile) -> None:
        """Keep how far a file has come.

        Raises:
            VlitError: When the disk refuses it.
        """
        with atomic(self.path / f"{file.name}.json") as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=1))

    def lines(self, file: BatchFile) -> Iterator[Line]:
        """The calls behind its lines, in order."""
        return self._lines(file, Line)

    def asked(self, file: BatchFile) -> Iterator[Asked]:
        """The same, with what is asked."""
        return self._lines(file, Asked)

    def clear(self, file: BatchFile) -> None:
        """Delete what the journal has by now; what the user put there stays."""
        for kind in ("", "calls") if file.by_hand else ("", "calls", "output", "error"):
            self.of(file, kind).unlink(missing_ok=True)

    def _lines(self, file: BatchFile, kind: type[L]) -> Iterator[L]:
        path = self.of(file, "calls")
        decoder = msgspec.json.Decoder(kind)
        try:
            with path.open("rb") as stream:
                for line in stream:
                    yield decoder.decode(line)
        except (OSError, msgspec.DecodeError) as error:
            raise VlitError(
                f"a batch file cannot be taken up again: {error}",
                where=str(path),
                todo=f"delete {self.path / file.name}.json to have its requests asked anew, "
                "which costs as much again where they were answered",
            ) from error


class OpenFile:
    """A batch file that is being written.

    Args:
        folder: Where.
        name: "00001".
        model: One for all lines: servers refuse others.
    """

    def __init__(self, folder: Folder, name: str, model: str, *, by_hand: bool) -> None:
        self.file = BatchFile(
            name=name, token=f"b{secrets.token_hex(8)}", model=model, lines=0, by_hand=by_hand
        )
        self._folder = folder
        self._paths = folder.of(self.file), folder.of(self.file, "calls")
        self._keys = array("Q")
        self._ends = array("q"), array("q")  #: of each line, in bytes
        self._most = array("q")  #: of all lines up to each
        self._streams: tuple[BinaryIO, BinaryIO] | None = None

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self._most)

    @property
    def size(self) -> int:
        """Bytes of what the server is given."""
        return self._ends[0][-1] if self.lines else 0

    def add(self, request: Request, n: int, most: Most, body: bytes) -> None:
        """Append a line.

        Raises:
            VlitError: When the disk refuses it.
        """
        line = Asked(
            key=request.key,
            n=n,
            prompt=most.prompt,
            completion=most.completion,
            request=msgspec.Raw(request.record()),
        )
        asked = b'{"custom_id":"%s-%d","method":"POST","url":"%s","body":%s}\n' % (
            request.key.encode(),
            self.lines,
            CHAT.encode(),
            body,
        )
        try:
            if self._streams is None:
                self._folder.path.mkdir(parents=True, exist_ok=True)
                self._streams = self._paths[0].open("wb"), self._paths[1].open("wb")
            for stream, data, ends in zip(
                self._streams, (asked, msgspec.json.encode(line) + b"\n"), self._ends, strict=True
            ):
                stream.write(data)
                ends.append((ends[-1] if ends else 0) + len(data))
        except OSError as error:
            raise unwritable(error, self._paths[0]) from error
        self._keys.append(short(request.key))
        self._most.append((self._most[-1] if self._most else 0) + line.most)

    def after(self, lines: int) -> Iterable[int]:
        """The keys of all lines but the first so many, as ``short`` has them."""
        return self._keys[lines:]

    def most(self, lines: int) -> int:
        """Tokens that the first so many lines can cost at most."""
        return self._most[lines - 1] if lines else 0

    def finish(self, lines: int) -> BatchFile | None:
        """Keep the first so many lines, synced, with a state of their own; ``None`` where that is none.

        Raises:
            VlitError: When the disk refuses it.
        """
        if self._streams is None:
            return None
        try:
            for stream, ends in zip(self._streams, self._ends, strict=True):
                with stream:
                    stream.truncate(ends[lines - 1] if lines else 0)
                    stream.flush()
                    os.fsync(stream.fileno())
        except OSError as error:
            raise unwritable(error, self._paths[0]) from error
        if not lines:
            self.discard()
            return None
        self.file.lines = lines
        self._folder.save(self.file)
        return self.file

    def discard(self) -> None:
        """Leave nothing of it."""
        for stream, path in zip(self._streams or (), self._paths, strict=False):
            with suppress(OSError):
                stream.close()
            path.unlink(missing_ok=True)


def short(key: str) -> int:
    """A key as a number, to be kept by the million."""
    return int(key[:16], 16)


def _state(path: Path) -> BatchFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=BatchFile)
    except (OSError, msgspec.DecodeError) as error:
        raise VlitError(
            f"the state of a batch file cannot be read: {error}",
            where=str(path),
            todo="correct it, or delete it to have its requests asked anew, "
            "which costs as much again where they were answered",
        ) from error
