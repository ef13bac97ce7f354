"""Columns to JSON text, held against what orjson and json make of the same rows."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.formats.json_column import json_column, json_lists, json_objects, json_strings

TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from('"\\\n\r\t\b\f\x00\x01\x1f\x7f/<>&\u2028é漢🦙'),
    )
)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | TEXT,
        'an "odd" key': TEXT,
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "share": st.none() | st.floats(),
        "yes": st.none() | st.booleans(),
        "tags": st.none() | st.lists(st.none() | TEXT, max_size=3),
        "box": st.none() | st.fixed_dictionaries({"x": st.floats(allow_nan=False), "who": st.none() | TEXT}),
        "boxes": st.lists(
            st.fixed_dictionaries({"x": st.none() | st.integers(-9, 9), "in": st.lists(TEXT)}), max_size=3
        ),
    }
)
TYPE = pa.struct(
    [
        ("text", pa.string()),
        ('an "odd" key', pa.string()),
        ("count", pa.int64()),
        ("share", pa.float64()),
        ("yes", pa.bool_()),
        ("tags", pa.list_(pa.string())),
        ("box", pa.struct([("x", pa.float64()), ("who", pa.string())])),
        ("boxes", pa.list_(pa.struct([("x", pa.int64()), ("in", pa.list_(pa.string()))]))),
    ]
)


def expected(value: Any, *, top: bool = True) -> Any:
    """The value as the documentation promises it: no null fields, no NaN."""
    if isinstance(value, dict):
        kept = {k: expected(v, top=False) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v is not None}
    if isinstance(value, list):
        return [expected(v, top=False) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(st.lists(ROW, max_size=6), st.integers(0, 3))
def test_nested_rows_equal_json(rows: list[dict[str, Any]], skip: int) -> None:
    array = pa.array(rows, TYPE).slice(skip)  # a slice has an offset in every buffer
    texts = json_column(array).to_pylist()
    assert [json.loads(t) for t in texts] == [expected(r) for r in rows[skip:]]
    assert [orjson.loads(t) for t in texts] == [expected(r) for r in rows[skip:]]


@given(st.lists(TEXT))
def test_strings_equal_orjson_byte_for_byte(texts: list[str]) -> None:
    assert json_strings(pa.array(texts, pa.string())).to_pylist() == [orjson.dumps(t).decode() for t in texts]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_floats_read_back_exactly(values: list[float]) -> None:
    texts = json_column(pa.array(values, pa.float64())).to_pylist()
    assert [float(json.loads(t)) for t in texts] == values


def test_every_control_character_is_escaped() -> None:
    text = "".join(map(chr, range(0x80)))
    (encoded,) = json_strings(pa.array([text])).to_pylist()
    assert encoded == orjson.dumps(text).decode()
    assert json.loads(encoded) == text


def test_null_structs_are_null_and_fields_of_all_null_columns_vanish() -> None:
    array = pa.array([None, {"a": 1, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.string())]))
    assert json_column(array).to_pylist() == [None, '{"a":1}']


def test_objects_without_any_field_are_empty() -> None:
    column = pa.array([None, '"x"', None])
    assert json_objects({"a": column, "b": column}).to_pylist() == ["{}", '{"a":"x","b":"x"}', "{}"]
    assert json_objects({"a": pa.nulls(2, pa.string())}).to_pylist() == ["{}", "{}"]


def test_lists_of_a_null_row_hide_its_items() -> None:
    lists = pa.array([["a"], None, [], ["b", "c"]])
    assert json_lists(lists, json_strings(lists.flatten())).to_pylist() == ['["a"]', None, "[]", '["b","c"]']


def test_unknown_types_are_refused() -> None:
    with pytest.raises(TypeError, match="date32"):
        json_column(pa.array([0], pa.date32()))
