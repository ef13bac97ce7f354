"""Taking in what came of a batch file: each line once, into the journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import orjson

from vlit.data.errors import VlitError
from vlit.teacher.batch_files import BatchFile, Folder, Line
from vlit.teacher.completion import Completion, read_completion
from vlit.teacher.errors import OPTIONAL, Trouble, answered
from vlit.teacher.journal import Journal
from vlit.teacher.reply import Failure, Usage

#: Replies that are on their way to the disk at once.
_TOGETHER = 1_000

#: The number of a line, and what came of it.
Outcome = tuple[int, Completion | Trouble]


class Result(msgspec.Struct, frozen=True):
    """A line of a results file."""

    custom_id: str
    response: Any = None
    error: Any = None


class Taken(msgspec.Struct):
    """What was learned from the results of one file."""

    stop: Trouble | None = None  #: why no request can succeed
    without: frozenset[str] = frozenset()  #: fields that the server does not know
    single: bool = False  #: it gives one reply, whatever ``n`` says
    excess: int = 0  #: tokens by which a call cost more than its bound
    unreachable: set[str] = set()  #: keys that were given up on


class Intake:
    """Takes results in.

    Args:
        folder: Of the batch files.
        journal: Learns what came of each call.
        attempts: How often a request is asked whose failures may pass.
        clean: Takes keys out of what a server says.
    """

    def __init__(self, folder: Folder, journal: Journal, attempts: int, clean: Callable[[str], str]) -> None:
        self._folder, self._journal, self._attempts, self._clean = folder, journal, attempts, clean
        self._tries: Counter[str] = Counter()

    async def take(self, file: BatchFile) -> Taken:
        """Take in all lines of a file; those that the journal has already are passed over.

        Raises:
            VlitError: When the results are not those of this file, or the journal cannot be written.
        """
        taken = Taken()
        lines = list(self._folder.lines(file))
        for some in _together(self._outcomes(file, lines)):
            await asyncio.gather(
                *(self._record(file, number, lines[number], outcome, taken) for number, outcome in some)
            )
        await self._journal.sync()
        return taken

    def _outcomes(self, file: BatchFile, lines: list[Line]) -> Iterator[Outcome]:
        """What came of each line that the journal knows no outcome of, once."""
        done = bytearray(len(lines))
        for number, line in enumerate(lines):
            done[number] = self._journal.outcomes(line.key).get(file.call(number), "sent") != "sent"
        for kind in ("output", "error"):
            path = self._folder.of(file, kind)
            for result in _results(path):
                number = _number(result, lines, path)
                if not done[number]:
                    done[number] = True
                    yield number, read_result(result, file.without)
        for number, known in enumerate(done):
            if not known:
                yield number, _lost(file)

    async def _record(
        self, file: BatchFile, number: int, line: Line, outcome: Completion | Trouble, taken: Taken
    ) -> None:
        call, model, most = file.call(number), file.model, line.most
        if isinstance(outcome, Completion):
            usage = outcome.usage or Usage(line.prompt, line.n * line.completion, measured=False)
            taken.single |= outcome.count < line.n
            taken.excess = max(taken.excess, usage.total - most)
            await self._journal.answered(call, line.key, outcome.choices, usage, model=model, most=most)
            return
        outcome = msgspec.structs.replace(outcome, reason=self._clean(outcome.reason))
        final = self._final(line.key, outcome, taken)
        await self._journal.failed(
            call, line.key, outcome.reason, cost=outcome.cost, final=final, model=model, most=most
        )

    def _final(self, key: str, trouble: Trouble, taken: Taken) -> Failure | None:
        """The failure of a request that is not asked again."""
        if trouble.act == "fail":
            return Failure(trouble.failure, trouble.reason)
        if trouble.act in ("key", "account", "model", "path"):
            taken.stop = taken.stop or trouble
            return None
        if trouble.act == "adapt":
            taken.without |= trouble.fields
            taken.single |= "n" in trouble.fields
            return None
        self._tries[key] += 1
        if self._tries[key] < self._attempts:
            return None
        taken.unreachable.add(key)
        return Failure(trouble.failure, f"{trouble.reason} (after {self._attempts} attempts)")


def read_result(result: Result, without: Collection[str] = ()) -> Completion | Trouble:
    """What a line means.

    Args:
        result: The line.
        without: Optional fields that its request did not have.
    """
    response = result.response if isinstance(result.response, dict) else {}
    error = result.error if isinstance(result.error, dict) else {}
    status, body = response.get("status_code"), response.get("body")
    if status == 200 and body is not None:
        return read_completion(orjson.dumps(body))
    if isinstance(status, int) and status != 200:
        said = orjson.dumps(body if body else {"error": error or str(result.error or "")})
        return answered(status, {}, said, frozenset(OPTIONAL) - set(without), 0.0)
    code, message = str(error.get("code") or "no_result"), error.get("message") or result.error
    return Trouble("again", code, f"{code}: {message or 'the line holds neither a reply nor an error'}")


def _lost(file: BatchFile) -> Trouble:
    """A line that no result speaks of; in a file that was refused as a whole nothing was done."""
    if file.status == "failed":
        return Trouble("again", "failed", f"the batch file was refused: {file.reason}")
    reason = f"the results have no line for it (the batch is {file.status or 'not known'})"
    return Trouble("again", "no_result", reason, cost=None)


def _number(result: Result, lines: list[Line], path: Path) -> int:
    """The line of the batch file that a result belongs to.

    Raises:
        VlitError: When there is none.
    """
    key, _, number = result.custom_id.rpartition("-")
    if number.isdecimal() and int(number) < len(lines) and lines[int(number)].key == key:
        return int(number)
    raise VlitError(
        f"these are the results of another batch file: nothing was asked as {result.custom_id!r}",
        where=str(path),
        todo="put the right ones there; nothing is lost",
    )


def _results(path: Path) -> Iterator[Result]:
    """The lines of a results file; none where it is not there."""
    decoder = msgspec.json.Decoder(Result)
    if not path.exists():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise VlitError(
                    f"line {number} is no result: {error}",
                    where=str(path),
                    todo="delete the file and run again: it is fetched once more, or put the whole one there "
                    "where you fetched it yourself",
                ) from error


def _together(outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
    """Many at once, so that they share a sync."""
    while some := list(islice(outcomes, _TOGETHER)):
        yield some
