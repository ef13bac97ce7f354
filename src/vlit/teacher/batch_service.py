"""The batch service of a server: files go up, batches are submitted and looked at, results come down."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from vlit.data.errors import VlitError
from vlit.data.store import atomic, unwritable
from vlit.teacher import stops
from vlit.teacher.batch_files import CHAT
from vlit.teacher.config import TeacherConfig
from vlit.teacher.errors import Trouble, answered
from vlit.teacher.transport import unanswered
from vlit.teacher.waits import backoff
from vlit.teacher.wire import Wire, kept_words, shown

ENDED = ("completed", "failed", "expired", "cancelled")

_PAGE = 100  # batches that are listed at once: the most that OpenAI gives
_PAGES = 200


class Batch(msgspec.Struct, frozen=True):
    """A batch as the server tells of it."""

    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Any = None
    request_counts: Any = None
    metadata: Any = None

    @property
    def state(self) -> str:
        """The status as OpenAI spells it; others shout it."""
        return self.status.lower().replace("canceled", "cancelled")

    @property
    def answered(self) -> int:
        """Requests that have an outcome by now."""
        counts = self.request_counts if isinstance(self.request_counts, Mapping) else {}
        return sum(n for k in ("completed", "failed") if isinstance(n := counts.get(k), int))

    @property
    def said(self) -> tuple[frozenset[str], str]:
        """Codes and words of what is wrong with the file as a whole."""
        data = self.errors.get("data") if isinstance(self.errors, Mapping) else self.errors
        errors = [e for e in data if isinstance(e, Mapping)] if isinstance(data, list) else []
        words = [str(e.get("message", "")) + (f" (line {e['line']})" if e.get("line") else "") for e in errors]
        return frozenset(str(e.get("code", "")) for e in errors), "; ".join(words[:3])


class Refused(Exception):
    """The server will not do it; ``trouble`` tells why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


class Service:
    """Calls to one server, made again while it is worth it.

    Args:
        session: To call with.
        config: Its first endpoint is asked.
    """

    def __init__(self, session: aiohttp.ClientSession, config: TeacherConfig) -> None:
        self._session, self._config = session, config
        self._base = URL(config.endpoints[0].url)
        variable = config.endpoints[0].key
        self._headers = {"Authorization": f"Bearer {os.environ[variable].strip()}"} if variable else {}

    async def upload(self, path: Path, name: str) -> str:
        """Give the server a file under this name, and return its id; what it has already is not sent again."""
        listed = await self._listed("files", {"purpose": "batch"})
        for file in listed or ():
            if file.get("filename") == name and isinstance(file.get("id"), str):
                return str(file["id"])

        def form() -> aiohttp.FormData:
            data = aiohttp.FormData({"purpose": "batch"})
            data.add_field("file", path.open("rb"), filename=name, content_type="application/jsonl")
            return data

        told = await self._json("POST", "files", form=form)
        if not isinstance(told, dict) or not isinstance(told.get("id"), str):
            raise Refused(Trouble("fail", "protocol", "it took the file, but names no id for it"))
        return str(told["id"])

    async def submit(self, input_file: str, mark: str) -> Batch:
        """Submit a file once: when it is not known whether the server heard, that is found out first."""
        asked = {
            "input_file_id": input_file,
            "endpoint": CHAT,
            "completion_window": "24h",
            "metadata": {"vlit": mark},
        }
        for attempt in range(1, self._config.attempts + 1):
            try:
                return _batch(await self._json("POST", "batches", json=asked, once=True))
            except Refused as refused:
                trouble = refused.trouble
                # A file that was just uploaded may not be known yet in every corner of the server.
                unknown = "file" in trouble.reason.lower() and trouble.kind in ("400", "404")
                if attempt == self._config.attempts or not (
                    unknown or trouble.act in ("wait", "again", "down")
                ):
                    raise
                await asyncio.sleep(backoff(attempt, 0.5) if trouble.wait is None else trouble.wait)
                heard = not unknown and trouble.act != "wait"
                if heard and (found := await self.find(input_file, mark)) is not None:
                    return found
        raise AssertionError("the last attempt raises")

    async def find(self, input_file: str, mark: str) -> Batch | None:
        """The batch that was submitted with this mark.

        Raises:
            VlitError: When the server does not tell which batches it has.
        """
        listed = await self._listed("batches", {"limit": str(_PAGE)})
        if listed is None:
            raise VlitError(
                "the server does not list its batches, so it cannot be told whether a file was submitted",
                where=f"{shown(str(self._base))}/batches (file {input_file})",
                todo="look there, and write its id as `batch` and the step `submitted` into the file's state; "
                "or the step `uploaded` where it was not",
            )
        for told in listed:
            batch = _batch(told)
            if isinstance(batch.metadata, Mapping) and "vlit" in batch.metadata:
                if batch.metadata["vlit"] == mark:
                    return batch
            elif batch.input_file_id == input_file and batch.state != "failed":
                return batch
        return None

    async def look(self, batch: str) -> Batch:
        """How far a batch is."""
        return _batch(await self._json("GET", f"batches/{batch}"))

    async def download(self, file: str, path: Path) -> None:
        """Bring a file here, whole or not at all."""

        async def save(response: aiohttp.ClientResponse) -> None:
            with atomic(path) as temporary:
                try:
                    with temporary.open("wb") as out:
                        async for piece in response.content.iter_chunked(1 << 18):
                            out.write(piece)
                except OSError as error:
                    if "aiohttp" in type(error).__module__:
                        raise
                    raise unwritable(error, path) from error

        await self._json("GET", f"files/{file}/content", save=save)

    async def _listed(self, path: str, params: dict[str, str]) -> list[dict[str, Any]] | None:
        """All that is listed there, page by page; ``None`` where the server has no such list."""
        found: list[dict[str, Any]] = []
        for _ in range(_PAGES):
            try:
                told = await self._json("GET", path, params=params)
            except Refused as refused:
                if refused.trouble.act in ("path", "fail", "model"):
                    return None
                raise
            page = told.get("data") if isinstance(told, dict) else None
            if not isinstance(page, list):
                return None
            found += [each for each in page if isinstance(each, dict)]
            if not told.get("has_more") or not page or not isinstance(page[-1].get("id"), str):
                break
            params = params | {"after": page[-1]["id"]}
        return found

    async def _json(self, method: str, path: str, *, once: bool = False, **how: Any) -> Any:
        """What the server says, made again where that may help.

        Raises:
            Refused: When it will not do it, or did not answer in all attempts.
        """
        for attempt in range(1, self._config.attempts + 1):
            told = await self._call(method, path, **how)
            if not isinstance(told, Trouble):
                return told
            if once or attempt == self._config.attempts or told.act not in ("wait", "again", "down"):
                raise Refused(told)
            await asyncio.sleep(backoff(attempt, 0.5) if told.wait is None else told.wait)
        raise AssertionError("the last attempt raises")

    async def _call(
        self, method: str, path: str, *, params: Any = None, form: Any = None, save: Any = None, **options: Any
    ) -> Any:
        try:
            if form is not None:
                options["data"] = form()
            url = self._base.joinpath(*path.split("/")).update_query(params or {})
            async with self._session.request(
                method, url, headers=self._headers, allow_redirects=False, **options
            ) as response:
                if not 200 <= response.status < 300:
                    body = await response.read()
                    return self._clean(
                        answered(response.status, response.headers, body, (), self._config.deadline)
                    )
                if save is not None:
                    return await save(response)
                return msgspec.json.decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return self._clean(unanswered(error))
        except msgspec.DecodeError as error:
            return Trouble("again", "malformed", f"200, but no JSON: {error}")

    def _clean(self, trouble: Trouble) -> Trouble:
        """Servers repeat a wrong key; nobody else should."""
        return msgspec.structs.replace(trouble, reason=kept(self._config, trouble.reason))


@asynccontextmanager
async def connected(config: TeacherConfig) -> AsyncIterator[Service]:
    """A service to talk to.

    Raises:
        VlitError: When a key is missing, and in place of what the server refuses.
    """
    Wire(config)  # looks at the keys
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=config.timeout)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        try:
            yield Service(session, config)
        except Refused as refused:
            raise stopped(refused.trouble, config) from refused


def kept(config: TeacherConfig, text: str) -> str:
    """A server's words as they may be kept; also where a key is not there any more."""
    names = (endpoint.key for endpoint in config.endpoints)
    return kept_words(text, (os.environ.get(name, "").strip() for name in names if name))


def stopped(trouble: Trouble, config: TeacherConfig) -> VlitError:
    """Why the batch service is of no use now, and what the user can do."""
    endpoint, reason = config.endpoints[0], trouble.reason
    if trouble.act == "key":
        return stops.wrong_key(endpoint, reason)
    if trouble.act == "account":
        return stops.empty_account(endpoint, reason)
    if trouble.act == "model":
        return stops.unknown_model(endpoint, config.model, (), reason)
    if trouble.act == "host":
        return stops.no_host(endpoint, reason)
    todo = "put that right and run again: nothing is submitted twice"
    if trouble.act in ("wait", "again", "down"):
        todo = "run again when the server is well: nothing is submitted twice"
    if trouble.act == "path":
        todo = "correct `url:` of the first endpoint, or remove `batch:` where its server has no batches"
    return VlitError(f"the batch service does not do it ({reason})", where=shown(endpoint.url), todo=todo)


def _batch(told: Any) -> Batch:
    try:
        return msgspec.convert(told, Batch)
    except msgspec.ValidationError as error:
        raise Refused(Trouble("fail", "protocol", f"what it tells of a batch is none: {error}")) from None
