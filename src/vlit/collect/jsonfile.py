"""Big annotation files: typed decoding over a memory map, record by record only where a record is bad.

A file is decoded straight into structs that hold the needed fields only; what they lack (segmentation polygons
are nine tenths of a COCO file) is skipped without being built. A bad record does not cost the file: on the
first error the records are decoded one by one. NaN and Infinity, which Python writes but JSON does not know,
are put into quotes, so that they are lost with the record that needs them.
"""

from __future__ import annotations

import functools
import gzip
import mmap
import re
import typing
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from dataclasses import field as default
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vlit.collect.recognise import Outline, advice
from vlit.data.errors import VlitError

T = TypeVar("T")
K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)

#: From one NaN or Infinity outside strings to the next. Possessive, so that it runs through gigabytes.
_NOT_A_NUMBER = re.compile(rb'(?:[^"NI]++|"(?:[^"\\]++|\\.)*+")*+(NaN|Infinity)', re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")
_SMALL = 200  #: bytes of a bad field that are kept
ABSENT = "the field is missing"
_BOM = b"\xef\xbb\xbf"
_PICKLE = "a pickle, which can run any program when it is opened", "convert it to JSON: see docs/collect.md"
#: How files start that annotations also come in, what they are, and what to do.
_OTHERS = {
    b"PK\x03\x04": ("a zip archive", "unpack it and give the JSON file in it"),
    b"\x80": _PICKLE,
    b"x\x9c": _PICKLE,  # compressed by joblib
    b"x\xda": _PICKLE,
    b"x^": _PICKLE,
}


@dataclass(frozen=True)
class Broken:
    """A record that does not have the declared form."""

    record: str  #: e.g. ``annotations[17] (id 88366)``
    field: str
    value: Any
    reason: str
    fields: Mapping[str, Any] = default(default_factory=dict)  #: what could be read of the record


def load(path: Path, shape: type[T]) -> tuple[T, list[Broken]]:
    """Decode a JSON file, plain or gzip.

    Args:
        path: The file.
        shape: ``list[Record]``, or a struct with such lists, or with mappings from keys to records. Records in
            these may be bad, nothing else.

    Returns:
        The data without its bad records, and these.

    Raises:
        VlitError: When it is not JSON (with the position), or JSON of another kind (with what it looks like).
    """
    buffer = content(path)
    try:
        return msgspec.json.decode(buffer, type=shape), []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _record_by_record(path, buffer, shape)


def entries(raw: msgspec.Raw, kind: type[R], name: str) -> tuple[list[R], list[Broken]]:
    """Decode a list inside of a record that :func:`load` left raw, so that a bad entry costs only itself.

    Args:
        raw: The field as it stands in the file, from :func:`load`.
        kind: What each entry is.
        name: How the list is called in the names of bad entries.
    """
    try:
        return _list_decoder(kind).decode(raw), []
    except (msgspec.DecodeError, UnicodeDecodeError):
        broken: list[Broken] = []
    try:
        raws = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        return [], [Broken(name, name, bytes(memoryview(raw)[:_SMALL]), _lowered(str(error)))]
    return list(_decode_each(name, raws, kind, broken)), broken


@functools.cache
def _list_decoder(kind: type[R]) -> msgspec.json.Decoder[list[R]]:
    return msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]


def content(path: Path) -> memoryview:
    """The bytes of a file: a memory map, or what gzip unpacked, without a byte order mark.

    Raises:
        VlitError: When the file cannot be read, is empty, or the gzip stream is damaged.
    """
    try:
        if path.suffix == ".gz":
            data: Any = gzip.decompress(path.read_bytes())
        else:
            with path.open("rb") as handle:
                data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise VlitError(
            f"damaged gzip file: {error}", where=str(path), todo="download it again: it was probably cut"
        ) from error
    except OSError as error:
        raise VlitError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error
    if not len(data):
        raise VlitError("the file is empty", where=str(path), todo="download or export it again")
    view = memoryview(data)
    return view[len(_BOM) :] if view[: len(_BOM)] == _BOM else view


def outline(path: Path) -> Outline:
    """Top-level keys of a JSON file, and keys of the first record in each list and mapping of records.

    Raises:
        VlitError: When it is not JSON.
    """
    return _outline(_top(path, content(path), dict[str, msgspec.Raw] | list[msgspec.Raw]))


def _outline(top: Any) -> Outline:
    if isinstance(top, list):
        return Outline(None, {"": _first_keys(top)})
    lists, mappings = {}, {}
    for key, raw in top.items():
        start = bytes(memoryview(raw)[:1])
        if start == b"[":
            lists[key] = _first_keys(msgspec.json.decode(raw, type=list[msgspec.Raw]))
        elif start == b"{":
            mappings[key] = _first_keys([*msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).values()])
    return Outline(tuple(top), lists, mappings)


def _first_keys(records: list[msgspec.Raw]) -> frozenset[str]:
    if not records or bytes(memoryview(records[0])[:1]) != b"{":
        return frozenset()
    return frozenset(msgspec.json.decode(records[0], type=dict[str, msgspec.Raw]))


def _record_by_record(path: Path, buffer: memoryview, shape: type[T]) -> tuple[T, list[Broken]]:
    top = _top(path, buffer, _loosened(shape))
    broken: list[Broken] = []
    if isinstance(top, list):
        records = list(_decode_each("", top, _record_type(shape), broken))
        _refuse_other_kind(path, buffer, "", records, broken)
        return typing.cast(T, records), broken
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(shape)
    for name, hint in hints.items():
        value = getattr(top, name)
        before = len(broken)
        if _is_list(hint):
            values[name] = list(_decode_each(name, value, _record_type(hint), broken))
        elif _is_mapping(hint):
            values[name] = dict(_decode_named(name, value.items(), _record_type(hint), broken))
        else:
            values[name] = value
            continue
        _refuse_other_kind(path, buffer, name, values[name], broken[before:])
    return shape(**values), broken


def _refuse_other_kind(
    path: Path, buffer: memoryview, name: str, good: Sized, broken: Sequence[Broken]
) -> None:
    """Where all records lack the same field, it is not they that are wrong, but the file."""
    lacking = {b.field for b in broken if b.reason == ABSENT}
    if good or len(broken) < 2 or len(lacking) != 1 or any(b.reason != ABSENT for b in broken):
        return
    found = _outline(_top(path, buffer, dict[str, msgspec.Raw] | list[msgspec.Raw]))
    record = f"no record of {name!r}" if name else "no record"
    raise VlitError(
        f"not the expected annotation file: {record} has the field {lacking.pop()!r}",
        where=str(path),
        todo=advice(found),
    )


def _decode_each(name: str, raws: list[msgspec.Raw], kind: type, broken: list[Broken]) -> Iterator[Any]:
    return (record for _, record in _decode_named(name or "record", enumerate(raws), kind, broken))


def _decode_named(
    name: str, raws: Iterable[tuple[K, msgspec.Raw]], kind: type, broken: list[Broken]
) -> Iterator[tuple[K, Any]]:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
    for key, raw in raws:
        try:
            yield key, decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            broken.append(_describe(f"{name}[{key}]", raw, error))


def _describe(record: str, raw: msgspec.Raw, error: Exception) -> Broken:
    """What is wrong with one record, and what of it can be read all the same."""
    fields: dict[str, Any] = {}
    try:
        for key, value in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items():
            small = len(memoryview(value)) < _SMALL  # if all records are bad, their polygons must not pile up
            try:
                fields[key] = msgspec.json.decode(value) if small else bytes(memoryview(value)[:_SMALL])
            except ValueError:
                fields[key] = bytes(memoryview(value)[:_SMALL])
    except ValueError:
        reason = f"not a JSON object: {error}" if "`object`" in str(error) else _lowered(str(error))
        return Broken(record, "", bytes(memoryview(raw)[:60]), reason)
    reason, _, where = str(error).partition(" - at `$.")
    name = re.split(r"[.\[`]", where)[0]
    if missing := _MISSING.fullmatch(reason):
        name, reason = missing[1], ABSENT
    found = fields.get(name, "") if name else ""
    if any(item in _NOT_NUMBERS for item in (found if isinstance(found, list) else [found])):
        reason = "not a finite number"
    if isinstance(error, UnicodeDecodeError):
        reason = f"its text is not UTF-8: byte 0x{error.object[error.start]:02x}"
    ident = fields.get("id", fields.get("question_id"))
    record = f"{record} (id {ident})" if isinstance(ident, int | str) else record
    return Broken(record, name, found, _lowered(reason), fields)


def _lowered(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


def _top(path: Path, buffer: memoryview, shape: Any) -> Any:
    """Decode with records left raw, after NaN and Infinity were put into quotes where there are any."""
    try:
        anything = _decode_quoted(buffer, msgspec.Raw)
        try:
            return msgspec.json.decode(anything, type=shape)
        except msgspec.ValidationError as error:
            raise _wrong_shape(path, anything, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _syntax_error(path, buffer, error) from error
    except RecursionError as error:
        raise VlitError(
            "the JSON is nested too deeply", where=str(path), todo="is this an annotation file?"
        ) from error


def _decode_quoted(buffer: memoryview, shape: Any) -> Any:
    try:
        return msgspec.json.decode(buffer, type=shape)
    except msgspec.DecodeError:
        quoted = _quote_not_a_number(buffer)
        if quoted is None:
            raise
        return msgspec.json.decode(quoted, type=shape)


def _wrong_shape(path: Path, raw: msgspec.Raw, error: Exception) -> VlitError:
    try:
        found = _outline(msgspec.json.decode(raw, type=dict[str, msgspec.Raw] | list[msgspec.Raw]))
    except msgspec.ValidationError:
        return VlitError(f"not an annotation file: {error}", where=str(path), todo="give another file")
    missing = _MISSING.fullmatch(str(error))
    said = f"it has no key {missing[1]!r}" if missing else str(error)
    return VlitError(
        f"not the expected annotation file: {said}. It has {found}",
        where=str(path),
        todo=advice(found, missing[1] if missing else ""),
    )


def _quote_not_a_number(buffer: memoryview) -> bytes | None:
    parts: list[bytes | memoryview] = []
    start = 0
    # Anchored at the end of the last one: a search would start again inside of strings.
    while match := _NOT_A_NUMBER.match(buffer, start):
        begin, end = match.span(1)
        begin -= buffer[begin - 1] == 0x2D  # the sign of -Infinity
        parts += [buffer[start:begin], b'"', buffer[begin:end], b'"']
        start = end
    return b"".join([*parts, buffer[start:]]) if parts else None


def _syntax_error(path: Path, buffer: memoryview, error: Exception) -> VlitError:
    text = str(error)
    other = next((said for start, said in _OTHERS.items() if bytes(buffer[: len(start)]) == start), None)
    if other is not None:
        return VlitError(f"this is {other[0]}, not JSON", where=str(path), todo=other[1])
    if "truncated" in text:
        return VlitError(
            f"the JSON ends in the middle, after {len(buffer):,} bytes",
            where=str(path),
            todo="download it again: the download was probably cut",
        )
    found = re.search(r"\(byte (\d+)\)", text)
    at = int(found[1]) if found else 0
    more = "trailing characters" in text
    at -= more  # msgspec has gone one too far there
    near = bytes(buffer[max(0, at - 20) : at + 20])
    if more:
        lines = bytes(buffer[at - 1 : at + 1]) == b"\n{"
        return VlitError(
            f"after a complete JSON document more follows at byte {at:,}: {near!r}",
            where=str(path),
            todo="these are JSON Lines: name the file .jsonl for `kind: captions`, or make it one document"
            if lines
            else "several documents were joined in one file: split them and list them one by one",
        )
    if bytes(buffer[:2]) in (b"\xff\xfe", b"\xfe\xff") or bytes(buffer[1:2]) == b"\0":
        return VlitError("the file is UTF-16, JSON is UTF-8", where=str(path), todo="save it as UTF-8")
    return VlitError(f"not JSON: {text}, near {near!r}", where=str(path), todo="look at that place of the file")


def _is_list(hint: Any) -> bool:
    return typing.get_origin(hint) is list


def _is_mapping(hint: Any) -> bool:
    return typing.get_origin(hint) is dict


def _record_type(shape: Any) -> type:
    return typing.cast(type, typing.get_args(shape)[-1])


def _loosened(shape: Any) -> Any:
    """The same shape, with records left raw."""
    if _is_list(shape):
        return list[msgspec.Raw]
    hints = typing.get_type_hints(shape)
    fields = [(f.name, _raw(hints[f.name]), *_default(f)) for f in msgspec.structs.fields(shape)]
    return msgspec.defstruct(f"Raw{shape.__name__}", fields)


def _raw(hint: Any) -> Any:
    if _is_list(hint):
        return list[msgspec.Raw]
    return dict[str, msgspec.Raw] if _is_mapping(hint) else hint


def _default(info: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    if info.default is not msgspec.NODEFAULT:
        return (info.default,)
    if info.default_factory is not msgspec.NODEFAULT:
        return (msgspec.field(default_factory=info.default_factory),)
    return ()
