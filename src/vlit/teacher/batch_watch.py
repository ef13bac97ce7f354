"""Watching batch files on a server: each is uploaded, submitted once, looked at, and in the end fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from vlit.data.errors import VlitError
from vlit.run.progress import Progress
from vlit.teacher.batch_files import BatchFile, Folder, Step
from vlit.teacher.batch_service import ENDED, Batch, Service

#: What servers say when they have no room for more requests at the moment.
_NO_ROOM = "token_limit_exceeded"

#: Takes the results of a file in, and tells what the user has to know about it.
Take = Callable[[BatchFile], Awaitable[list[VlitError]]]


class Watch:
    """Brings files to their end.

    Args:
        service: Of the server.
        folder: Of the files.
        take: Takes the results of one in.
    """

    def __init__(self, service: Service, folder: Folder, take: Take) -> None:
        self._service, self._folder, self._take = service, folder, take
        self._answered: dict[str, int] = {}
        self._no_room: set[str] = set()

    async def until_done(self, files: list[BatchFile], poll: float, progress: Progress) -> list[VlitError]:
        """Come back when none is under way.

        Args:
            files: Those that the journal knows.
            poll: Seconds between two looks.
            progress: Told how far they are.

        Returns:
            What the user has to know.

        Raises:
            VlitError: When the server has no room even for one.
        """
        problems: list[VlitError] = []
        while True:
            for file in files:
                problems += await self._advance(file, files)
            left = [file for file in files if file.step != "done"]
            if not left:
                return problems
            answered = sum(self._answered.get(file.name, 0) for file in files)
            requests = sum(file.lines for file in files)
            progress.said(f"{answered:,} of {requests:,} requests in {len(files)} batch files")
            await asyncio.sleep(poll)

    async def _advance(self, file: BatchFile, files: list[BatchFile]) -> list[VlitError]:
        """Take a file as far as it goes now."""
        if file.step == "known":
            name = f"vlit-{file.token}.jsonl"
            file.input_file = await self._service.upload(self._folder.of(file), name)
            self._keep(file, "uploaded")
        if file.step in ("uploaded", "submitting"):
            if file.name in self._no_room and _others(file, files):
                return []
            await self._submit(file)
        if file.step == "submitted":
            batch = await self._service.look(file.batch or "")
            self._answered[file.name] = batch.answered
            if batch.state not in ENDED:
                return []
            if batch.state == "failed" and _NO_ROOM in batch.said[0]:
                self._make_room(file, files, batch.said[1])
                return []
            self._end(file, batch)
        if file.step == "ended":
            return await self._bring(file)
        return []

    async def _submit(self, file: BatchFile) -> None:
        """Submit a file once, also when this was begun before and nobody knows how it went."""
        batch: Batch | None = None
        assert file.input_file is not None, "it was uploaded"
        if file.step == "submitting":
            batch = await self._service.find(file.input_file, file.mark)
        self._keep(file, "submitting")
        batch = batch or await self._service.submit(file.input_file, file.mark)
        file.batch = batch.id
        self._keep(file, "submitted")

    def _make_room(self, file: BatchFile, files: list[BatchFile], said: str) -> None:
        """Leave a file for later, when others have ended."""
        file.attempt += 1
        file.batch = None
        self._keep(file, "uploaded")
        self._no_room.add(file.name)
        if not _others(file, files):
            raise VlitError(
                f"the server has no room for the batch file {file.name}: {said}",
                where=str(self._folder.of(file)),
                todo="run again when other batches of your account have ended; with fewer requests a file "
                "(teacher.batch.size) later ones find room earlier",
            )

    def _end(self, file: BatchFile, batch: Batch) -> None:
        file.status = batch.state
        file.reason = batch.said[1]
        file.output_file, file.error_file = batch.output_file_id, batch.error_file_id
        self._keep(file, "ended")

    async def _bring(self, file: BatchFile) -> list[VlitError]:
        """Fetch the results and take them in."""
        for kind, name in (("output", file.output_file), ("error", file.error_file)):
            if name and not self._folder.of(file, kind).exists():
                await self._service.download(name, self._folder.of(file, kind))
        problems = await self._take(file)
        self._answered[file.name] = file.lines
        self._no_room.clear()
        if file.status == "failed":
            problems.append(
                VlitError(
                    f"the server refuses the batch file {file.name}: {file.reason or 'it does not say why'}",
                    where=f"batch {file.batch}",
                    todo="put that right and run again: its requests are asked anew",
                )
            )
        if file.status == "cancelled":
            problems.append(
                VlitError(
                    f"the batch of the file {file.name} was cancelled at the server",
                    where=f"batch {file.batch}",
                    todo="run again to have the rest of its requests asked; what was answered is kept",
                )
            )
        return problems

    def _keep(self, file: BatchFile, step: Step) -> None:
        file.step = step
        self._folder.save(file)


def _others(file: BatchFile, files: list[BatchFile]) -> bool:
    """Whether another file is being worked on by the server."""
    return any(other.step == "submitted" for other in files if other is not file)
