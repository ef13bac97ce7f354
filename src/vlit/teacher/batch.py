"""Batch files: half the price and a day's patience. Nothing is submitted twice, and nothing taken in twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from vlit.data.errors import VlitError
from vlit.data.images import ImageProblem
from vlit.run.progress import Progress
from vlit.teacher import stops
from vlit.teacher.batch_files import BatchFile, Folder, OpenFile, short
from vlit.teacher.batch_results import Intake
from vlit.teacher.batch_service import connected, kept, stopped
from vlit.teacher.batch_watch import Watch
from vlit.teacher.budget import Budget, Most, most_of
from vlit.teacher.config import BatchConfig, TeacherConfig
from vlit.teacher.journal import Journal
from vlit.teacher.message import Picture, Request
from vlit.teacher.pictures import Pictures
from vlit.teacher.reply import BudgetSpent, Failure
from vlit.teacher.wire import adapted

_ENVELOPE = 200  # bytes of a line around its body, at most


class Batches:
    """Asks by batch files, round by round; the first endpoint is asked.

        batches = Batches(config, journal, run / "batches")
        await batches.add(request, n=5)  # for all that is wanted
        await batches.settle(progress)  # then the journal has what came of it; add again what it lacks

    Its state is in the folder: a run that was killed goes on where it was.

    Args:
        config: Endpoint, budget, and ``batch``.
        journal: Knows what was answered before, and is told of every call.
        folder: Of this run alone.

    Raises:
        VlitError: When the state of an earlier run cannot be read.
    """

    def __init__(self, config: TeacherConfig, journal: Journal, folder: Path) -> None:
        if forbidden := sorted({"messages", "model", "n", "max_tokens", "stream"} & set(config.extra)):
            raise stops.forbidden_extra(forbidden)
        self.config, self._journal = config, journal
        self._batch = config.batch or BatchConfig()
        self._folder = Folder(folder)
        self._pictures = Pictures(linked=config.pictures == "url")
        self._intake = Intake(self._folder, journal, config.attempts, partial(kept, config))
        known = self._folder.files()
        self._files = [file for file in known if file.step != "done"]
        self._number = max((int(file.name) for file in known), default=0)
        self._without = frozenset(name for file in known for name in file.without)
        self._single = any(file.single for file in known)
        self._held = {short(line.key) for file in self._files for line in self._folder.lines(file)}
        self._open: dict[str, OpenFile] = {}
        self._full: list[OpenFile] = []
        self._excess = 0
        self._unreachable: set[str] = set()
        for file in known:
            if file.step == "done":
                self._folder.clear(file)

    async def add(self, request: Request, n: int = 1) -> None:
        """Write what is missing of ``n`` replies to a file, unless a file that is under way asks for it.

        A request whose photo cannot be read becomes a failure in the journal.

        Raises:
            VlitError: When the disk refuses it.
        """
        key = request.key
        missing = n - len(self._journal.choices(key))
        if missing <= 0 or short(key) in self._held or self.failure(key):
            return
        self._held.add(short(key))
        try:
            urls = {picture: await self._pictures.url(picture) for picture in _pictures(request)}
        except ImageProblem as problem:
            self._held.discard(short(key))
            failure = Failure("refused", f"the photo cannot be sent: {problem}")
            await self._journal.failed(
                "unsent", key, failure.reason, cost=0, final=failure, model=request.model, most=0
            )
            return
        most = most_of(request, self.config.picture_tokens)
        most = Most(most.prompt + self._excess, most.completion)
        for count in [1] * missing if self._single else [missing]:
            body = request.body(count, urls.__getitem__, structured=self.config.structured)
            body = adapted(body, self._without) if self._without else body
            self._file(request.model, len(body)).add(request, count, most, body)

    def failure(self, key: str) -> Failure | None:
        """Why a request is not asked again. A server that did not answer in an earlier run may do so now."""
        failure = self._journal.failure(key)
        return None if failure and failure.kind == "unreachable" and key not in self._unreachable else failure

    async def settle(self, progress: Progress) -> None:
        """Submit what was written, wait for it, and take in what comes of it.

        Raises:
            BudgetSpent: When not all of it fits the budget; what fits was asked and is in the journal.
            VlitError: When the server refuses it or a batch was cancelled there, or when files wait to be
                submitted by hand. What came of the others is in the journal.
        """
        spent = await self._finish()
        for file in [file for file in self._files if file.step == "written"]:
            spent = await self._announce(file) or spent
        ready = [file for file in self._files if file.step != "written"]
        by_hand = [file for file in ready if file.by_hand]
        brought = [file for file in by_hand if self._is_brought(file)]
        problems: list[VlitError] = []
        for file in brought:
            problems += await self._take(file)
        if watched := [file for file in ready if not file.by_hand]:
            async with connected(self.config) as service:
                watch = Watch(service, self._folder, self._take)
                problems += await watch.until_done(watched, self._batch.poll, progress)
        if problems:
            raise problems[0]
        if by_hand and not brought:
            raise self._waiting(by_hand)
        if spent:
            raise spent

    def _file(self, model: str, size: int) -> OpenFile:
        """The file that is being written, with room for a body of so many bytes."""
        most = self._batch.megabytes * 1_000_000 - size - _ENVELOPE
        file = self._open.get(model)
        if file is not None and (file.lines >= self._batch.size or file.size > most):
            self._full.append(self._open.pop(model))
            file = None
        if file is None:
            self._number += 1
            name = f"{self._number:05d}"
            file = self._open[model] = OpenFile(self._folder, name, model, by_hand=not self._batch.submit)
        return file

    async def _finish(self) -> BudgetSpent | None:
        """Cut what was written where the budget ends, and tell the journal of what fits."""
        spent: BudgetSpent | None = None
        written = [*self._full, *self._open.values()]
        self._full, self._open = [], {}
        for each in written:
            fits, problem = await self._fitting(each)
            spent = spent or problem
            self._held.difference_update(each.after(fits))
            if (file := each.finish(fits)) is not None:
                file.without, file.single = sorted(self._without), self._single
                self._files.append(file)
                spent = await self._announce(file) or spent
        return spent

    async def _fitting(self, written: OpenFile) -> tuple[int, BudgetSpent | None]:
        """How many of the first lines fit the budget, and why not more."""
        fits, over, spent = 0, written.lines + 1, None
        lines = written.lines
        while over - fits > 1:
            problem = await self._over(written.file.model, written.most(lines))
            if problem is None:
                fits = lines
            else:
                over, spent = lines, problem
            lines = (fits + over) // 2
        return fits, spent

    async def _over(self, model: str, most: int) -> BudgetSpent | None:
        """Why so many tokens do not fit the budget."""
        try:
            await Budget(self.config, self._journal.totals).admit(model, most)
        except BudgetSpent:
            tokens = sum(totals.most for totals in self._journal.totals.values())
            return BudgetSpent(
                f"{tokens:,} tokens are spent or reserved by batches; with what is still to be asked "
                f"{tokens + most:,} could be spent, which is more than the budget"
            )
        return None

    async def _announce(self, file: BatchFile) -> BudgetSpent | None:
        """Tell the journal of all calls of a file, which reserves what they can cost."""
        told = self._told(file)
        rest = sum(line.most for number, line in enumerate(self._folder.lines(file)) if number >= told)
        if spent := await self._over(file.model, rest):
            return spent  # another run spent it meanwhile: the file waits
        for number, asked in enumerate(self._folder.asked(file)):
            if number >= told:
                request = msgspec.json.decode(asked.request, type=Request)
                self._journal.sent(
                    request,
                    n=asked.n,
                    endpoint=self.config.endpoints[0].url,
                    most=asked.most,
                    call=file.call(number),
                )
        await self._journal.sync()
        file.step = "known"
        self._folder.save(file)
        return None

    def _told(self, file: BatchFile) -> int:
        """How many of the first calls of a file the journal knows already, from a run that was killed."""
        for number, line in enumerate(self._folder.lines(file)):
            if file.call(number) not in self._journal.outcomes(line.key):
                return number
        return file.lines

    async def _take(self, file: BatchFile) -> list[VlitError]:
        """Take in the results of a file, and be done with it."""
        taken = await self._intake.take(file)
        self._without |= taken.without
        self._single |= taken.single
        self._excess = max(self._excess, taken.excess)
        self._unreachable |= taken.unreachable
        self._held.difference_update(short(line.key) for line in self._folder.lines(file))
        file.without, file.single, file.step = sorted(self._without), self._single, "done"
        self._folder.save(file)
        self._folder.clear(file)
        self._files.remove(file)
        return [stopped(taken.stop, self.config)] if taken.stop else []

    def _is_brought(self, file: BatchFile) -> bool:
        return any(self._folder.of(file, kind).exists() for kind in ("output", "error"))

    def _waiting(self, files: list[BatchFile]) -> VlitError:
        first = self._folder.of(files[0])
        more = f" to {self._folder.of(files[-1]).name}" if len(files) > 1 else ""
        count = "1 batch file waits" if len(files) == 1 else f"{len(files)} batch files wait"
        return VlitError(
            f"{count} to be submitted by hand, with {sum(file.lines for file in files):,} requests",
            where=f"{first}{more}",
            todo=f"submit each, put its results beside it ({first.stem}.output.jsonl, and "
            f"{first.stem}.error.jsonl where there is one), and run again",
        )


def _pictures(request: Request) -> Iterator[Picture]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Picture):
                yield part
