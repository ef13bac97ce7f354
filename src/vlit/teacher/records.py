"""The lines of a journal: calls, replies, failures."""

from __future__ import annotations

import json

import msgspec

from vlit.teacher.reply import Choice, Failure, Usage

NOTHING = msgspec.Raw(b"null")


class Call(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="call", gc=False):
    """A body that is about to leave."""

    id: str
    key: str  #: of the request, 32 hexadecimal digits
    at: float  #: seconds since 1970
    model: str
    endpoint: str
    n: int
    most: int  #: tokens that it can cost at most
    request: msgspec.Raw = NOTHING  #: there where the key is asked for the first time in this segment

    @property
    def whole(self) -> bool:
        """Whether the request is in the record."""
        return self.request != NOTHING


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="reply", gc=False):
    """What a call brought."""

    id: str
    key: str
    at: float
    model: str
    most: int  #: the call's, which is no longer reserved
    usage: Usage
    choices: tuple[Choice, ...]


class Fail(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="fail", gc=False):
    """A call that brought nothing. ``cost`` is ``None`` where nobody knows it: ``most`` stays reserved."""

    id: str
    key: str
    at: float
    model: str
    most: int
    reason: str
    cost: int | None
    final: Failure | None = None  #: why the request is not asked again


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="retry", gc=False):
    """All final failures before this line are set aside."""

    at: float


Record = Call | Reply | Fail | Retry

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """One line, its end included."""
    try:
        return _ENCODER.encode(record) + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair: a model that stops in the middle of an emoji. JSON holds it as an escape.
        return json.dumps(msgspec.to_builtins(record)).encode("ascii") + b"\n"


def decode(line: bytes) -> Record | None:
    """The record of a line, or ``None`` where it is damaged or torn."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_surrogates(line)


def _decode_surrogates(line: bytes) -> Record | None:
    try:
        record: Record = msgspec.convert(json.loads(line), Record)
        return record
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
