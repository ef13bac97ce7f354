"""Errors that teach: what was wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VlitError(Exception):
    """Anything a user can put right. The command line prints it without a traceback.

    Args:
        what: What is wrong, with the offending value.
        where: File, line, record or key.
        todo: What the user can do now.
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        super().__init__("\n  ".join(filter(None, [what, where and f"in: {where}", todo and f"do: {todo}"])))

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        return (_rebuild, (type(self), self.what, self.where, self.todo))


def _rebuild(kind: type[VlitError], what: str, where: str, todo: str) -> VlitError:
    return kind(what, where=where, todo=todo)


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant: ``"did you mean 'seed'? Known: name, seed"``."""
    options = sorted(known)
    match = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    guess = f"did you mean {match[0]!r}? " if match else ""
    return f"{guess}Known: {', '.join(options) or 'none'}"
