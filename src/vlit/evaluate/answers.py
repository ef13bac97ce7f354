"""``answers.jsonl``: what a model said, written as it says it, with all that a score needs beside it.

The first line is ``{"header": {...}}``, each other line one ``Answered`` with its question. Scores are computed
of this file alone; a run that was killed goes on behind its last whole line. Answers that a score is not over,
such as those beyond a limit that was lowered, lie in ``answers.spare.jsonl`` until they are wanted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from vlit.data.errors import VlitError
from vlit.data.score import shown
from vlit.data.store import atomic, unwritable
from vlit.evaluate.question import Answered, Question

NAME = "answers.jsonl"

#: What must not change while a file is filled, with the words for it.
_SAME = {
    "benchmark": "benchmark",
    "protocol": "protocol",
    "files": "files of the benchmark",
    "model": "model",
    "weights": "weights of the model",
    "template": "chat template",
    "decoding": "decoding",
}


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked, and of whom."""

    benchmark: str  #: name in the registry
    protocol: str
    settings: Mapping[str, Any] = {}  #: of the benchmark, as in the recipe
    files: Mapping[str, str] = {}  #: name -> BLAKE2 of its bytes
    expected: int  #: questions that the whole benchmark has, those that cannot be asked included
    lost: Mapping[str, int] = {}  #: why some of them cannot be asked, with how many
    remarks: tuple[str, ...] = ()  #: of the reading of the files
    model: str
    weights: str = ""  #: BLAKE2 of the model's files, or the commit on the hub; empty where it cannot be told
    template: str = ""  #: name and digest of the chat template
    decoding: Mapping[str, Any] = {}
    prompt: str = ""  #: one real example of what the model reads, image slots as ``<image>``
    seed: int = 0
    vlit: str = ""
    date: str = ""  #: of the first answer, ISO 8601

    def differences(self, other: Header) -> list[str]:
        """What keeps answers under the other header from standing in one file with these, in words."""
        found = []
        for name, words in _SAME.items():
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                found.append(f"{words}: {shown(_short(theirs))} there, {shown(_short(ours))} now")
        return found


@dataclass(frozen=True)
class Answers:
    """A file of answers, read."""

    header: Header
    rows: Sequence[Answered]  #: each question once, in the order of the file
    repeated: Sequence[str] = ()  #: ids that stand more than once; the first answer counts
    damaged: int = 0  #: whole lines that are no answer


def read_answers(path: Path) -> Answers:
    """Answers of a file. A last line without its end is none: the writer was killed in it.

    Raises:
        VlitError: When there is no such file, it does not begin with a header, or it is not of one evaluation.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(error, path) from error
    lines = data.split(b"\n")[:-1]
    header = _header(lines[0] if lines else b"", path)
    found: dict[str, Answered] = {}
    repeated: list[str] = []
    damaged = 0
    for line in lines[1:]:
        try:
            row = _ROWS.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if line.startswith(_HEAD):
                raise _no_whole(path, "it has a second header: two files were put together") from None
            damaged += 1
            continue
        before = found.get(row.question.id)
        if before is None or before.problem:  # one that could not be asked is asked again later
            found[row.question.id] = row
        else:
            repeated.append(row.question.id)
    if len(found) > header.expected:
        raise _no_whole(path, f"{len(found):,} answers, and its header tells of {header.expected:,} questions")
    return Answers(header, tuple(found.values()), tuple(repeated), damaged)


def _no_whole(path: Path, why: str) -> VlitError:
    return VlitError(f"this is no file of one evaluation: {why}", where=str(path), todo="score each file alone")


def read_header(path: Path) -> Header:
    """What a file of answers is of, without the answers.

    Raises:
        VlitError: As :func:`read_answers`.
    """
    try:
        with path.open("rb") as handle:
            line = handle.readline()
    except OSError as error:
        raise _unreadable(error, path) from error
    return _header(line.removesuffix(b"\n"), path)


class AnswersFile:
    """A file of answers that is being filled. Use it in a ``with`` block.

    Args:
        path: Of the file.
        header: Of the answers to come; the date of answers that are there stays.
        known: All questions of the benchmark, by id.

    Attributes:
        found: What is there already, by id; that of ``answers.spare.jsonl`` is among it.
        unknown: Ids of answers in the file that the benchmark has no question for.
        repeated: Ids that stood more than once.
        damaged: Lines that were no answer.

    Raises:
        VlitError: When the file is of another benchmark, model or settings, or its questions have changed.
    """

    def __init__(self, path: Path, header: Header, known: Mapping[str, Question]) -> None:
        self.path, self.header = path, header
        self.found: dict[str, Answered] = {}
        self._strange: dict[str, Answered] = {}
        self.unknown: Sequence[str] = ()
        self.repeated: Sequence[str] = ()
        self.damaged = 0
        self._handle: FileIO | None = None
        if path.exists() and path.stat().st_size:
            before, spare = read_answers(path), spare_of(path)
            if spare.exists():  # never without the other: who deletes that one wants to begin anew
                self._take(read_answers(spare), known)
            self._take(before, known)
            self.unknown = tuple(r.question.id for r in before.rows if r.question.id not in known)
            self.repeated, self.damaged = before.repeated, before.damaged

    def _take(self, before: Answers, known: Mapping[str, Question]) -> None:
        if differences := self.header.differences(before.header):
            raise other_answers(self.path, differences)
        changed = [r.question.id for r in before.rows if not _same(known.get(r.question.id), r.question)]
        if changed:
            number = f"{len(changed):,} of {len(before.rows):,} questions, such as {changed[0]}, differ"
            raise other_answers(self.path, [number])
        self.header = msgspec.structs.replace(self.header, date=before.header.date)
        for row in before.rows:
            name = row.question.id
            if name not in known:
                self._strange[name] = row
            elif not (row.problem and name in self.found):
                # What it is scored by may have been put right since.
                self.found[name] = msgspec.structs.replace(row, question=known[name])

    def __enter__(self) -> Self:
        # What is there is written anew: without half a line at its end, under the header as it is now. What
        # leaves one file stands in the other before: a kill in between loses nothing.
        if self.unknown:
            self._put_aside({**self.found, **self._strange})
        self._write(self.path, self.found.values())
        try:
            self._handle = self.path.open("ab", buffering=0)  # what is told as written is written
        except OSError as error:
            raise unwritable(error, self.path) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def append(self, row: Answered) -> None:
        """Write one answer; it is kept from here on, whatever ends the process.

        Raises:
            VlitError: When the disk is full.
        """
        assert self._handle is not None
        rest = memoryview(_line(row))
        try:
            while rest:
                rest = rest[self._handle.write(rest) :]
        except OSError as error:
            raise unwritable(error, self.path) from error
        self.found[row.question.id] = row

    def settle(self, order: Iterable[str]) -> None:
        """Write the file anew with these answers in this order: the same answers give the same bytes.

        Args:
            order: Ids; those without an answer are passed over. All other answers are put aside.
        """
        own = {name: self.found[name] for name in order if name in self.found}
        beyond = {name: row for name, row in self.found.items() if name not in own and not row.problem}
        self._put_aside({**beyond, **self._strange})
        self._write(self.path, own.values())

    def _put_aside(self, rows: Mapping[str, Answered]) -> None:
        if rows:
            self._write(spare_of(self.path), rows.values())
        else:
            spare_of(self.path).unlink(missing_ok=True)

    def _write(self, path: Path, rows: Iterable[Answered]) -> None:
        with atomic(path) as temporary, temporary.open("wb") as handle:
            handle.write(_encode({"header": self.header}) + b"\n")
            handle.writelines(map(_line, rows))


def spare_of(path: Path) -> Path:
    """Where answers of a file lie that no score is over now."""
    return path.with_suffix(".spare.jsonl")


def other_answers(path: Path, differences: Sequence[str]) -> VlitError:
    """Why answers cannot be added to a file."""
    return VlitError(
        f"the answers that are there are not of this evaluation: {'; '.join(differences)}",
        where=str(path),
        todo="move the file away, or give the run another name; nothing of it was changed",
    )


class _First(msgspec.Struct):
    header: Header


_ROWS = msgspec.json.Decoder(Answered)
_HEAD = b'{"header":'
_encode = msgspec.json.Encoder().encode


def _line(row: Answered) -> bytes:
    return _encode(row) + b"\n"


def _unreadable(error: OSError, path: Path) -> VlitError:
    return VlitError(
        f"cannot read the answers: {error.strerror or error}",
        where=str(path),
        todo="name an answers.jsonl that `vlit evaluate` has written",
    )


def _header(line: bytes, path: Path) -> Header:
    try:
        return msgspec.json.decode(line, type=_First).header
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VlitError(
            f"the file does not begin with a header of answers: {error}",
            where=str(path),
            todo="name an answers.jsonl that `vlit evaluate` has written",
        ) from None


def _same(now: Question | None, before: Question) -> bool:
    """Whether a question is put as it was, wherever its photo lies and whatever it is scored by."""
    return now is None or now == before or _asked(now) == _asked(before)


def _asked(question: Question) -> tuple[Any, ...]:
    """What a model is given of a question."""
    photos = [i.uri if i.sha256 is None else i.sha256 for i in question.images]
    return question.prompt, photos, question.options, question.extra.get("system")


def _short(value: Any) -> str:
    """A value of a header for a message: of many files the first few."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {str(one)[:12]}" for key, one in value.items()) or "none"
    return str(value)[:60] or "none"
