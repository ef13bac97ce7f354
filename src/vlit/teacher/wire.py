"""The calls themselves: one HTTP session, keys from the environment, bodies as each server takes them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp
import orjson
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from vlit.data.errors import VlitError
from vlit.teacher.config import EndpointConfig, TeacherConfig
from vlit.teacher.errors import OPTIONAL, shortened

#: Seconds in which a connection has to be there.
_CONNECT = 30.0

#: Seconds that an idle connection is kept: less than any usual server keeps it, so that none is used that it is
#: closing at that moment.
_KEEP = 4.0

#: Bytes from which a body is sent in pieces; the client warns of bigger ones as a whole.
_PIECES = 1 << 20

#: Characters of the shortest key that is hidden: "x", for a server that wants none, stands in every sentence.
_SECRET = 4

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Wire:
    """Posts bodies to endpoints.

    Args:
        config: Names the environment variables that hold the keys.

    Raises:
        VlitError: When such a variable is missing or empty.
    """

    def __init__(self, config: TeacherConfig) -> None:
        self._timeout = config.timeout
        self._keys = [_key(endpoint) for endpoint in config.endpoints]
        #: Of the endpoints, in their order.
        self.targets = [Target(e, key) for e, key in zip(config.endpoints, self._keys, strict=True)]
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; it belongs to the event loop that runs now."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=min(_CONNECT, self._timeout)),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    async def post(
        self, target: Target, call: str, body: bytes, within: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a body and read the whole answer.

        Args:
            target: Where to.
            call: Its id, which the server is told too: its log can be held against the journal.
            body: JSON.
            within: Seconds that are left, where that is less than the usual time.

        Returns:
            Status, headers and body.

        Raises:
            aiohttp.ClientError, TimeoutError, OSError: When there is no whole answer.
        """
        options: dict[str, Any] = {}
        if target.proxy is not None:
            options["proxy"], options["proxy_auth"] = target.proxy
        if within < self._timeout:
            options["timeout"] = aiohttp.ClientTimeout(total=within)
        response = await self._open.post(
            target.url,
            data=body if len(body) < _PIECES else io.BytesIO(body),
            headers={**target.headers, "X-Client-Request-Id": call},
            allow_redirects=False,
            **options,
        )
        return response.status, response.headers, await response.read()

    async def models(self, target: Target) -> list[str]:
        """Names of the models that a server offers; none where it does not tell."""
        try:
            async with self._open.get(target.models, headers=target.headers) as response:
                told = orjson.loads(await response.read())
            return [str(model["id"]) for model in told["data"]]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
            return []

    def kept(self, text: str) -> str:
        """A server's words as they may be kept."""
        return kept_words(text, self._keys)

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the teacher as an asynchronous context manager")
        return self._session


class Target:
    """What does not change from call to call."""

    def __init__(self, endpoint: EndpointConfig, key: str | None) -> None:
        base = URL(endpoint.url)
        self.url = base.joinpath("chat", "completions").with_query(base.query)
        self.models = base.joinpath("models").with_query(base.query)
        self.headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {key}"} if key else {}
        )
        self.proxy = _proxy(base)


def _key(endpoint: EndpointConfig) -> str | None:
    if endpoint.key is None:
        return None
    key = os.environ.get(endpoint.key, "").strip()
    if not key:
        state = "empty" if endpoint.key in os.environ else "not set"
        raise VlitError(
            f"the environment variable {endpoint.key} is {state}",
            where=f"teacher.endpoints, {shown(endpoint.url)}",
            todo=f"export {endpoint.key}=... with the key of this server, or remove `key:` if it needs none",
        )
    if not (key.isascii() and key.isprintable()):
        raise VlitError(
            f"the environment variable {endpoint.key} holds characters that no key has",
            where=f"teacher.endpoints, {shown(endpoint.url)}",
            todo="set it again, without line breaks and quotes",
        )
    return key


def _proxy(url: URL) -> tuple[URL, aiohttp.BasicAuth | None] | None:
    """The proxy that the environment names, looked up once; none for this machine itself."""
    if url.host in _LOOPBACK:
        return None
    try:
        return get_env_proxy_for_url(url)
    except LookupError:
        return None


def kept_words(text: str, keys: Iterable[str | None]) -> str:
    """A server's words as they may be kept: not too long, and without keys, which some servers repeat."""
    for key in keys:
        if key and len(key) >= _SECRET:
            text = text.replace(key, "[key]")
    return shortened(text)


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    return str(URL(url).with_user(None).with_query(None))


def sent_fields(body: bytes) -> frozenset[str]:
    """The optional fields of a body."""
    return frozenset(orjson.loads(body)) & frozenset(OPTIONAL)


def adapted(body: bytes, without: Iterable[str]) -> bytes:
    """A body without fields that a server does not know; ``max_tokens`` by its newer name."""
    fields = orjson.loads(body)
    for name in without:
        value = fields.pop(name, None)
        if name == "max_tokens" and value is not None:
            fields["max_completion_tokens"] = value
    return orjson.dumps(fields)
