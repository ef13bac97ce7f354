"""Filling journals in tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

from vlit.teacher.journal import Journal
from vlit.teacher.message import Message, Picture, Request, Sampling
from vlit.teacher.reply import Choice, Usage

URL = "http://localhost:8000/v1"
HELLO = Choice("Hello.", "stop")
TEN_AND_FIVE = Usage(10, 5)


def asked(text: str = "What is here?", *pictures: Picture) -> Request:
    return Request(
        model="m", messages=(Message.of("user", text, *pictures),), sampling=Sampling(temperature=0.8)
    )


async def pay(journal: Journal, request: Request, *choices: Choice, usage: Usage = TEN_AND_FIVE) -> str:
    call = journal.sent(request, n=len(choices), endpoint=URL, most=100)
    await journal.answered(call, request.key, choices, usage, model=request.model)
    return call


def filled(folder: Path, *requests: Request) -> None:
    async def fill() -> None:
        for request in requests:
            await pay(journal, request, Choice(request.messages[0].text, "stop"))

    with Journal(folder) as journal:
        asyncio.run(fill())
