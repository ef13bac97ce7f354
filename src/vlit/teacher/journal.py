"""The journal: every call and every reply, kept before it is used, so that nothing is paid twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import msgspec

from vlit.teacher.message import Message, Request
from vlit.teacher.reply import Choice, Failure, Usage


class Totals(msgspec.Struct, gc=False):
    """What was asked of one model and what it cost, over all runs that share the journal."""

    calls: int = 0
    replies: int = 0  #: calls that were answered
    failed: int = 0  #: calls that were not
    prompt: int = 0  #: tokens
    completion: int = 0  #: tokens; what failed calls cost counts here, as the dearer kind
    unknown: int = 0  #: tokens reserved by calls whose outcome or cost is not known: in flight, killed, lost

    @property
    def most(self) -> int:
        """Tokens that were spent at most; what a budget is held against."""
        return self.prompt + self.completion + self.unknown


class JournalView:
    """A journal to read from, as it is when it is opened; no lock, cheap to open, pickled by its folder.

    Args:
        folder: Where the segments lie; an absent folder is an empty journal.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def choices(self, key: str) -> tuple[Choice, ...]:
        """Everything that was ever paid for this request, in order of arrival; read from disk."""
        raise NotImplementedError

    def failure(self, key: str) -> Failure | None:
        """The last final failure, unless a reply came after it or failures were set aside since."""
        raise NotImplementedError

    def usage(self, key: str) -> Usage:
        """Tokens of all calls for this request whose cost is known."""
        raise NotImplementedError

    def messages(self, key: str) -> tuple[Message, ...]:
        """What was asked, pictures by their hash; nothing where the key was never asked."""
        raise NotImplementedError


class Journal(JournalView):
    """The journal's one writer. Use it as a context manager, and ``answered`` and ``failed`` in an event loop.

    Args:
        folder: Made when it is absent. Runs may share it, one after the other.

    Raises:
        VlitError: When another process writes to it, or the folder cannot be written.
    """

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending, save the index, and let go of the lock."""
        raise NotImplementedError

    @property
    def totals(self) -> Mapping[str, Totals]:
        """By model: all calls that the journal knows, those of this session included."""
        raise NotImplementedError

    def sent(self, request: Request, *, n: int, endpoint: str, most: int) -> str:
        """Record a call before its body leaves; survives a kill, though not a power cut.

        Args:
            request: What is asked.
            n: How many replies are asked for.
            endpoint: The server's URL; user, password and query are not kept.
            most: Tokens that the call can cost at most; reserved until its cost is known.

        Returns:
            The call's id, unique over all runs.
        """
        raise NotImplementedError

    async def answered(
        self, call: str, key: str, choices: tuple[Choice, ...], usage: Usage, *, model: str
    ) -> None:
        """Record a reply; returns when it is synced, and only then may it be used.

        Raises:
            VlitError: When it could not be written; nothing can be recorded from then on.
        """
        raise NotImplementedError

    async def failed(
        self, call: str, key: str, reason: str, *, cost: int | None, final: Failure | None = None
    ) -> None:
        """Record that a call gave no reply; returns at once, or when it is synced where it is final.

        Args:
            call: As ``sent`` returned it.
            key: Of the request.
            reason: In words.
            cost: Tokens that it cost; ``None`` where nobody knows: it stays at its reserve.
            final: Why the request is not asked again.
        """
        raise NotImplementedError

    def retry(self) -> None:
        """Set all final failures aside, so that their requests are asked again."""
        raise NotImplementedError
