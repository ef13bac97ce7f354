"""Asking the teacher from tests, without an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from vlit.teacher.client import Teacher
from vlit.teacher.config import TeacherConfig
from vlit.teacher.journal import Journal
from vlit.teacher.message import Message, Picture, Request, Sampling
from vlit.teacher.reply import BudgetSpent, Choice, Failure

R = TypeVar("R")
Outcome = tuple[Choice, ...] | Failure


def request(text: str, *pictures: Picture, schema: str | None = None, **sampling: Any) -> Request:
    """A request with one user message."""
    return Request(
        model="scripted",
        messages=(Message.of("system", "You write about photos."), Message.of("user", text, *pictures)),
        sampling=Sampling(**{"max_tokens": 50} | sampling),
        schema=schema,
    )


def config(*urls: str, key: str | None = None, concurrency: int = 64, **more: Any) -> TeacherConfig:
    """A configuration with short waits."""
    endpoints = [{"url": url, "key": key, "concurrency": concurrency} for url in urls]
    return TeacherConfig.model_validate(
        {"model": "scripted", "endpoints": endpoints, "timeout": 5.0, "deadline": 20.0} | more
    )


def with_teacher(
    folder: Path, settings: TeacherConfig, do: Callable[[Teacher, Journal], Awaitable[R]], **options: Any
) -> R:
    """What ``do`` returns, with a teacher and a journal that are open meanwhile."""

    async def run() -> R:
        with Journal(folder) as journal:
            async with Teacher(settings, journal, **{"backoff": 0.02} | options) as teacher:
                return await do(teacher, journal)

    return asyncio.run(run())


def ask_all(folder: Path, settings: TeacherConfig, *requests: Request, n: int = 1) -> list[Outcome]:
    """The outcomes of requests that are asked at once."""

    async def do(teacher: Teacher, _: Journal) -> list[Outcome]:
        return list(await asyncio.gather(*(teacher.ask(each, n) for each in requests)))

    return with_teacher(folder, settings, do)


def texts(outcome: Outcome) -> tuple[str, ...]:
    """The replies' texts."""
    assert not isinstance(outcome, Failure), outcome
    return tuple(choice.text for choice in outcome)


async def ask_until_spent(teacher: Teacher, requests: list[Request]) -> tuple[int, int]:
    """How many were answered, and how many were not made for want of budget."""
    outcomes = await asyncio.gather(*(teacher.ask(each) for each in requests), return_exceptions=True)
    spent = sum(isinstance(outcome, BudgetSpent) for outcome in outcomes)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, BudgetSpent):
            raise outcome
    return len(outcomes) - spent, spent
