"""What a teacher is asked: messages, sampling, and the key by which a request is known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import msgspec
import orjson

from vlit.data.boxes import Box

Role = Literal["system", "user", "assistant"]


class Text(msgspec.Struct, frozen=True, tag="text", gc=False):
    """Words of a message."""

    text: str


class Picture(msgspec.Struct, frozen=True, tag="picture", gc=False):
    """An image of a message. A key and a journal hold it by its hash, never by its bytes.

    ``longest_side`` (pixels) and ``mark`` (a square drawn on it, pixels of the original) change what is sent.
    """

    uri: str
    sha256: str  #: of the file's bytes
    longest_side: int | None = None
    mark: Box | None = None


Part = Text | Picture


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message; most have one text."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str, *pictures: Picture) -> Message:
        """Pictures first, then the text."""
        return cls(role, (*pictures, Text(text)))

    @property
    def text(self) -> str:
        """All words of the message."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


class Sampling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How the teacher draws its reply; what is ``None`` is left to the server."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 1024  #: of one reply; what is in flight is reserved at this length
    seed: int | None = None
    stop: tuple[str, ...] = ()
    #: How many of the likeliest tokens are told at each place, with their probabilities. Servers have a limit
    #: of their own, mostly 20 or 5; those that tell none are asked without.
    top_logprobs: int | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything that a reply depends on. Not the server's address, nor how many replies are wanted."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    schema: str | None = None  #: JSON schema of the reply, for servers that offer it
    extra: str = ""  #: JSON object of fields of one server alone

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits that are equal for equal requests. URIs of pictures do not count, bytes do."""
        return hashlib.sha256(self.record()).hexdigest()[:32]

    def record(self) -> bytes:
        """The request as JSON for a journal, pictures by their hash."""
        return _ENCODER.encode(msgspec.structs.replace(self, messages=tuple(map(_without_uri, self.messages))))

    def body(self, n: int, send: Callable[[Picture], str], *, structured: bool = True) -> bytes:
        """The body of a chat completion.

        Args:
            n: How many replies.
            send: The URL of a picture: ``data:`` with its bytes, or where the server finds it.
            structured: Whether the server takes ``response_format``.
        """
        fields: dict[str, Any] = {
            "model": self.model,
            "messages": [_sent(message, send) for message in self.messages],
            "max_tokens": self.sampling.max_tokens,
        }
        for name in ("temperature", "top_p", "seed"):
            if (value := getattr(self.sampling, name)) is not None:
                fields[name] = value
        if self.sampling.stop:
            fields["stop"] = self.sampling.stop
        if self.sampling.top_logprobs is not None:
            fields |= {"logprobs": True, "top_logprobs": self.sampling.top_logprobs}
        if n > 1:
            fields["n"] = n
        if self.schema and structured:
            schema = {"name": "reply", "schema": orjson.loads(self.schema), "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.extra:
            fields |= orjson.loads(self.extra)
        return orjson.dumps(fields)


_ENCODER = msgspec.json.Encoder()


def _without_uri(message: Message) -> Message:
    if all(isinstance(part, Text) for part in message.parts):
        return message
    parts = (msgspec.structs.replace(p, uri="") if isinstance(p, Picture) else p for p in message.parts)
    return Message(message.role, tuple(parts))


def _sent(message: Message, send: Callable[[Picture], str]) -> dict[str, Any]:
    if len(message.parts) == 1 and isinstance(message.parts[0], Text):
        return {"role": message.role, "content": message.parts[0].text}
    content = [
        {"type": "text", "text": part.text}
        if isinstance(part, Text)
        else {"type": "image_url", "image_url": {"url": send(part)}}
        for part in message.parts
    ]
    return {"role": message.role, "content": content}
