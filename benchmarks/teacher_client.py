"""One measurement of ``benchmarks.teacher`` in a process of its own: our client, or bare aiohttp.

python -m benchmarks.teacher_client '{"engine": "ours", "url": "...", "requests": 20000, "in_flight": 256}'
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.teacher_peers import MAX_TOKENS, SYSTEM, prompt
from vlit.teacher.client import Teacher
from vlit.teacher.config import TeacherConfig
from vlit.teacher.journal import Journal
from vlit.teacher.message import Message, Picture, Request, Sampling
from vlit.teacher.reply import Choice, Failure, Usage

#: Tasks for each call that may be in flight, as where the generator asks.
_AHEAD = 2
#: How often the memory is looked at over a run.
_LOOKS = 10


class NoJournal:
    """Keeps nothing: what a client without a journal would do."""

    def __init__(self) -> None:
        self.totals: dict[str, Any] = {}
        self._calls = 0

    def choices(self, key: str) -> tuple[Choice, ...]:
        """None are known."""
        return ()

    def failure(self, key: str) -> None:
        """None is known."""

    def sent(self, request: Request, **_: Any) -> str:
        """An id alone."""
        self._calls += 1
        return str(self._calls)

    async def answered(self, call: str, key: str, choices: tuple[Choice, ...], usage: Usage, **_: Any) -> None:
        """Nothing."""

    async def failed(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    async def sync(self) -> None:
        """Nothing."""


def questions(requests: int, photos: list[Picture]) -> Iterator[Request]:
    """The requests, made when they are taken; with photos, equally many about each, one after the other."""
    each = requests // len(photos) if photos else 0
    for i in range(requests):
        shown = (photos[i // each],) if photos else ()
        messages = (Message.of("system", SYSTEM), Message.of("user", prompt(i), *shown))
        yield Request(model="stub", messages=messages, sampling=Sampling(max_tokens=MAX_TOKENS))


async def ours(
    url: str, requests: int, in_flight: int, journal: Any, photos: list[Picture], looks: list[int]
) -> float:
    """Ask all requests by as many tasks as the generator uses; the seconds that it took."""
    config = TeacherConfig.model_validate(
        {"model": "stub", "endpoints": [{"url": url, "concurrency": in_flight}]}
    )
    waiting = questions(requests, photos)
    done = 0

    async def worker(teacher: Teacher) -> None:
        nonlocal done
        for request in waiting:
            told = await teacher.ask(request)
            assert not isinstance(told, Failure), told
            assert told[0].text
            done += 1
            if done % max(requests // _LOOKS, 1) == 0:
                looks.append(_resident_mb())

    start = time.perf_counter()
    async with Teacher(config, journal) as teacher, asyncio.TaskGroup() as group:
        for _ in range(in_flight * _AHEAD):
            group.create_task(worker(teacher))
    return time.perf_counter() - start


async def bare(url: str, requests: int, in_flight: int, photos: list[Picture]) -> float:
    """The floor: aiohttp, orjson, a semaphore and gather; photos are read for each call."""
    gate = asyncio.Semaphore(in_flight)
    each = requests // len(photos) if photos else 0

    async def call(session: aiohttp.ClientSession, i: int) -> str:
        async with gate:
            content: Any = prompt(i)
            if photos:
                data = base64.b64encode(Path(photos[i // each].uri).read_bytes()).decode()
                image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
                content = [image, {"type": "text", "text": content}]
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
            body = {"model": "stub", "messages": messages, "max_tokens": MAX_TOKENS}
            headers = {"Content-Type": "application/json"}
            async with session.post(
                f"{url}/chat/completions", data=orjson.dumps(body), headers=headers
            ) as response:
                told = orjson.loads(await response.read())
        text: str = told["choices"][0]["message"]["content"]
        return text

    start = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        assert all(await asyncio.gather(*(call(session, i) for i in range(requests))))
    return time.perf_counter() - start


def photographs(folder: Path, count: int, size: int = 115_000) -> list[Picture]:
    """JPEGs of random greys, all different, each of about ``size`` bytes, hashed as a collected photo is."""
    from PIL import Image

    side, data = 200, b""
    while len(data) < size:
        side += 8
        out = io.BytesIO()
        Image.effect_noise((side, side), 80).convert("RGB").save(out, "JPEG", quality=85)
        data = out.getvalue()
    pictures = []
    for i in range(count):
        different = data + i.to_bytes(4, "big")  # behind the end of the image
        path = folder / f"{i}.jpg"
        path.write_bytes(different)
        pictures.append(Picture(str(path), hashlib.sha256(different).hexdigest()))
    return pictures


def _resident_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def _counted(photos: list[Picture]) -> list[int]:
    """Counts from now on how often a photo is opened."""
    reads, names = [0], {photo.uri for photo in photos}

    def hook(event: str, arguments: Any) -> None:
        if event == "open" and str(arguments[0]) in names:
            reads[0] += 1

    sys.addaudithook(hook)
    return reads


def run(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Measure.

    Args:
        spec: ``engine`` ("ours", "bare"), ``url``, ``requests``, ``in_flight``; ``journal`` ("synced",
            "unsynced", "none"), ``photos`` (how many), ``core``.
        folder: Where journal and photos lie.
    """
    if spec.get("core") is not None:
        os.sched_setaffinity(0, {spec["core"]})
    if spec.get("journal") == "unsynced":
        os.fsync = os.fdatasync = lambda fd: None
    photos = photographs(folder, spec["photos"]) if spec.get("photos") else []
    asked = (spec["url"], spec["requests"], spec["in_flight"])
    looks: list[int] = []
    reads = _counted(photos)
    begun = time.process_time()
    if spec["engine"] == "bare":
        seconds = asyncio.run(bare(*asked, photos))
    else:
        kept: Any = nullcontext(NoJournal()) if spec.get("journal") == "none" else Journal(folder / "journal")
        start = time.perf_counter()
        with kept as journal:
            asyncio.run(ours(*asked, journal, photos, looks))
        seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in (folder / "journal").rglob("*") if path.is_file())
    return {
        "version": aiohttp.__version__ if spec["engine"] == "bare" else "",
        "seconds": seconds,
        "cpu": time.process_time() - begun,
        "looks": looks,
        "reads": reads[0],
        "journal_bytes": size,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(run(json.loads(sys.argv[1]), Path(temporary))), flush=True)
