"""A server of the tests in a thread of its own, with its own event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Self


class Threaded:
    """Base of servers that tests use in a ``with`` block."""

    _stop: asyncio.Event  #: made by :meth:`run`

    async def run(self, ready: threading.Event | None = None) -> None:
        """Serve until ``_stop`` is set; tell ``ready`` when calls are taken."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.run(ready))
        self._loop.close()
