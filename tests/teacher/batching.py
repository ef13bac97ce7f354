"""Running batches in tests as a stage does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlit.run.progress import Progress
from vlit.teacher.batch import Batches
from vlit.teacher.config import TeacherConfig
from vlit.teacher.journal import Journal, JournalView
from vlit.teacher.message import Message, Picture, Request, Sampling


def asked(text: str, *pictures: Picture, max_tokens: int = 50) -> Request:
    message = Message.of("user", text, *pictures)
    return Request(model="m", messages=(message,), sampling=Sampling(max_tokens=max_tokens, seed=1))


REQUESTS = [asked(f"Tell about number {n}.") for n in range(7)]


def config_of(url: str, **settings: Any) -> TeacherConfig:
    batch = {"poll": 0.01, "size": 3} | settings.pop("batch", {})
    endpoint = {"url": url, "key": settings.pop("key", None)}
    return TeacherConfig.model_validate({"model": "m", "endpoints": [endpoint], "batch": batch} | settings)


def run(folder: Path, config: TeacherConfig, requests: Sequence[Request], n: int = 1, rounds: int = 1) -> None:
    """What a stage does: add what is wanted, settle, look again."""

    async def work(journal: Journal) -> None:
        batches = Batches(config, journal, folder / "batches")
        for _ in range(rounds):
            for request in requests:
                await batches.add(request, n)
            await batches.settle(Progress())

    with Journal(folder / "journal") as journal:
        asyncio.run(work(journal))


def numbers(folder: Path, requests: Sequence[Request] = REQUESTS) -> list[int]:
    """How many replies each request has."""
    view = JournalView(folder / "journal")
    return [len(view.choices(request.key)) for request in requests]


def states(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((folder / "batches").glob("*.json"))]
