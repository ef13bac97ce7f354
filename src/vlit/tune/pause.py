"""Ctrl-C and kill wait for the end of a step, so that a checkpoint of it is written before the stage stops."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Pause:
    """Takes note of a signal that asks to stop; a second one stops at once, in the middle of a step.

    Only in the main thread, which alone can; elsewhere signals do what they did.

    Args:
        on: Whether to wait: processes that tune together would have to agree on the step.
    """

    def __init__(self, on: bool) -> None:
        self._on = on and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Any] = {}
        self._asked: int | None = None

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked is not None

    def __enter__(self) -> Self:
        for number in _SIGNALS if self._on else ():
            if callable(before := signal.getsignal(number)):  # what is ignored, or ends the process, stays so
                self._before[number] = before
                signal.signal(number, self._note)
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        if error is None:  # one that came behind the last step is not lost
            self.leave()

    def leave(self) -> None:
        """Do what the signal asks for, where one has come: the handler of before raises."""
        if self._asked is not None:
            self._before[self._asked](self._asked, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            self._before[number](number, frame)
        self._asked = number
