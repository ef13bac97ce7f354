"""What it means when no answer comes: whether anything was sent, and whether it can ever come."""

from __future__ import annotations

import errno
import socket

import aiohttp

from vlit.teacher.errors import Trouble


def unanswered(error: BaseException) -> Trouble:
    """What an exception of the HTTP client means.

    ``act`` is "host" where the name cannot be resolved or the certificate is not trusted: at the start of a run
    there is no hope, later there is.
    """
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Trouble("host", "dns", f"the name {error.host!r} cannot be resolved: {_os_words(error)}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        said = str(error.certificate_error)
        return Trouble("host", "tls", f"the certificate of {error.host!r} is not trusted: {said}")
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return Trouble("host", "tls", f"{error.host!r} does not speak TLS as it should: {_os_words(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        if error.os_error.errno in (errno.EMFILE, errno.ENFILE):
            return Trouble("host", "files", "too many open files: lower `concurrency`, or raise `ulimit -n`")
        return Trouble("down", "connection", f"no connection to {error.host}:{error.port}: {_os_words(error)}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Trouble("down", "connection", "no connection: timed out", overloaded=True)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Trouble("down", "proxy", f"the proxy says {error.status}: {error.message}")
    if isinstance(error, TimeoutError):
        return Trouble("again", "timeout", "no answer in time", None, overloaded=True)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Trouble("again", "half", "the answer ended in the middle", None)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Trouble("again", "reset", "the server closed the connection without an answer", None)
    if isinstance(error, OSError):
        return Trouble("again", "reset", f"the connection broke: {_os_words(error)}", None)
    if isinstance(error, aiohttp.ClientResponseError):  # in words it has the URL, query and all
        return Trouble("again", "protocol", f"what came is no HTTP: {error.message}"[:400], None)
    return Trouble("again", "protocol", f"what came is no HTTP: {type(error).__name__}: {error}"[:400], None)


def _os_words(error: OSError) -> str:
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, socket.gaierror):
        return inner.strerror or str(inner)
    return inner.strerror or str(inner) or type(inner).__name__
