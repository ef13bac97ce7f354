"""A chat-completions server that costs next to nothing: raw asyncio, one fixed reply after a fixed time.

    python -m benchmarks.teacher_stub --latency 0.1 --core 1    # prints its URL; ends with its standard input

Whatever is measured against it is the client, not the server. ``GET /stats`` tells how many calls came since
the last look, and in how many seconds the middle nine tenths of them were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from array import array

_REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The picture shows a dog on a sofa. " * 20},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 250, "completion_tokens": 180, "total_tokens": 430},
    }
).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_ANSWER = _HEAD % len(_REPLY) + _REPLY


class Stub(asyncio.Protocol):
    """One connection."""

    latency = 0.0
    answered = array("d")  # times

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.head, self.left = transport, b"", 0
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Count a body down without keeping it, and answer when it is whole."""
        if self.left:
            self.left -= len(data)
        else:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, self.head, size = self.head[:end].lower(), b"", len(self.head)
            if head.startswith(b"get"):
                self.transport.write(_stats())
                return
            at = head.index(b"content-length:") + 15
            self.left = int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else end]) + end + 4 - size
        if self.left <= 0:
            self.left = 0
            if self.latency:
                self.loop.call_later(self.latency, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        """The one reply."""
        if not self.transport.is_closing():
            self.answered.append(time.perf_counter())
            self.transport.write(_ANSWER)


def _stats() -> bytes:
    times, count = Stub.answered, len(Stub.answered)
    first, last = count // 20, count - 1 - count // 20
    middle = {"calls": count, "middle": last - first, "seconds": times[last] - times[first] if count else 0}
    body = json.dumps(middle).encode()
    Stub.answered = array("d")
    return _HEAD % len(body) + body


async def serve(latency: float) -> None:
    """Serve until standard input ends."""
    Stub.latency = latency
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    given = parser.parse_args()
    if given.core is not None:
        os.sched_setaffinity(0, {given.core})
    asyncio.run(serve(given.latency))
