"""Arrow columns to JSON text, column by column: no Python object is made per row.

Writing a million rows through Python objects spends nearly all its time on making the objects. Arrow's string
kernels do the same work on whole columns and release the interpreter lock, so batches can run in threads.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: What JSON requires to be escaped, and how; the backslash comes first because the others bring new ones.
_NAMED = {0x5C: "\\\\", 0x22: '\\"', 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r"}
_ESCAPES = _NAMED | {code: f"\\u{code:04x}" for code in range(0x20) if code not in _NAMED}


def json_column(array: pa.Array) -> pa.StringArray:
    """JSON text of each value of a column.

    Args:
        array: Strings, booleans, integers, floats, or lists and structs of these, nested at will.

    Returns:
        One JSON text per row; null where the row is null. A null field of a struct is left out of its object; a
        null item of a list is ``null``, and so is a float that JSON cannot write (NaN, infinity).

    Raises:
        TypeError: For a column of another type.
    """
    kind = array.type
    if pa.types.is_struct(kind):
        children = zip([f.name for f in kind], array.flatten(), strict=True)
        return json_objects({name: json_column(child) for name, child in children}, _validity(array))
    if pa.types.is_list(kind):
        return json_lists(array, json_column(array.flatten()))
    if pa.types.is_string(kind):
        return json_strings(array)
    if pa.types.is_boolean(kind):
        return pc.if_else(array, "true", "false")
    if pa.types.is_integer(kind):
        return pc.cast(array, pa.string())
    if pa.types.is_floating(kind):
        return _floats(array)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    raise TypeError(f"no JSON for Arrow type {kind}")


def json_strings(array: pa.StringArray) -> pa.StringArray:
    """Strings in quotes, escaped byte for byte as orjson does it."""
    return pc.binary_join_element_wise('"', _escaped(array), '"', "")


def json_objects(fields: Mapping[str, pa.StringArray], valid: pa.BooleanArray | None = None) -> pa.StringArray:
    """One object per row from columns of JSON text; null values are left out.

    Args:
        fields: Key to column, in the order of the keys.
        valid: False where the whole object is null.
    """
    length = len(next(iter(fields.values())))
    present = {k: c for k, c in fields.items() if c.null_count < length}
    pieces: list[pa.StringArray | str] = []
    for key, column in present.items():
        name = ("," if pieces else "") + _key(key)
        if column.null_count:
            pieces.append(pc.fill_null(_joined([name, column]), ""))
        else:
            pieces += [name, column]
    if not present:
        objects = _same("{}", length)
    elif next(iter(present.values())).null_count == 0:
        objects = _joined(["{", *pieces, "}"])
    else:  # the first key may be missing, and what follows then starts with a comma
        inner = pc.replace_substring_regex(_joined(pieces), "^,", "")
        objects = _joined(["{", inner, "}"])
    return objects if valid is None else pc.if_else(valid, objects, pa.scalar(None, pa.string()))


def json_lists(lists: pa.ListArray, items: pa.StringArray) -> pa.StringArray:
    """One JSON list per row.

    Args:
        lists: Gives the number of items of each row; null rows stay null.
        items: JSON text of ``lists.flatten()``.
    """
    return _joined(["[", joined_lists(lists, items), "]"])


def joined_lists(lists: pa.ListArray, items: pa.StringArray) -> pa.StringArray:
    """As :func:`json_lists`, without the brackets."""
    if items.null_count:
        items = pc.fill_null(items, "null")
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    mask = lists.is_null() if lists.null_count else None
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), items, mask=mask), ",")


def _escaped(array: pa.StringArray) -> pa.StringArray:
    if not len(array):
        return array
    for code in _special_bytes(array):
        array = pc.replace_substring(array, chr(code), _ESCAPES[code])
    return array


def _special_bytes(array: pa.StringArray) -> list[int]:
    """Which bytes that JSON escapes occur at all; most columns have none, and then nothing is copied."""
    _, offsets, data = array.buffers()
    if data is None:
        return []
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    found = [code for code in (0x5C, 0x22) if (text == code).any()]
    control = text < 0x20
    return found + [int(code) for code in np.unique(text[control])] if control.any() else found


def _floats(array: pa.Array) -> pa.StringArray:
    # Arrow writes the shortest text that reads back as the same number; 1.0 becomes "1", the same JSON number.
    return pc.cast(pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type)), pa.string())


def _validity(array: pa.Array) -> pa.BooleanArray | None:
    return array.is_valid() if array.null_count else None


def _key(name: str) -> str:
    return f"{json_strings(pa.array([name]))[0].as_py()}:"


def _joined(pieces: list[pa.StringArray | str]) -> pa.StringArray:
    return pc.binary_join_element_wise(*pieces, "")


def _same(text: str, length: int) -> pa.StringArray:
    return pa.repeat(pa.scalar(text), length)
