"""The run's one structured log: a JSON object a line, appended as things happen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from vlit.data.store import unwritable


class RunLog:
    """Appends events to ``log.jsonl``.

    Args:
        path: The log file; made when the first event comes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def event(self, event: str, **fields: Any) -> None:
        """Write one event with the time in UTC."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        try:
            with self._path.open("ab") as handle:
                handle.write(orjson.dumps(line) + b"\n")
        except OSError as error:
            raise unwritable(error, self._path) from error
