"""Reading annotation JSON: damage is located, a bad record costs only itself."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlit.collect.jsonfile import entries, load, outline
from vlit.data.errors import VlitError


class Record(msgspec.Struct):
    id: int
    value: float


class Records(msgspec.Struct):
    records: list[Record]
    name: str = ""


def loaded(folder: Path, content: bytes) -> Any:
    path = folder / "x.json"
    path.write_bytes(content)
    return load(path, Records)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"  ", "ends in the middle, after 2 bytes"),
        (b'{"records":[{"id":1,"val', "ends in the middle, after 24 bytes"),
        (b'{"records":[]} {"records":[]}', "more follows at byte 15"),
        (b'{"records":[]}\n{"records":[]}\n', r"more follows at byte 15[\s\S]*JSON Lines"),
        (b'{"records":[],}', "not JSON: .*byte 14"),
        (b"id,value\n1,2\n", "not JSON: .*byte 0"),
        (b"\x89PNG\r\n", "not JSON: .*byte 0"),
        ('{"records":[]}'.encode("utf-16"), "UTF-16"),
        (b'{"records":' + b"[" * 100_000, "nested too deeply|ends in the middle"),
        (b'{"data":[{"a":1}]}', "it has no key 'records'. It has the top-level keys data"),
        (b'[{"conversations":[]}]', "a list whose records have the keys conversations"),
        (b'{"records":{"1":{}}}', "Expected `array`, got `object`"),
        (b"17", "not an annotation file"),
    ],
)
def test_damage_is_located(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(VlitError, match=what) as caught:
        loaded(tmp_path, content)
    assert caught.value.where == str(tmp_path / "x.json")


def test_byte_order_mark(tmp_path: Path) -> None:
    assert loaded(tmp_path, b'\xef\xbb\xbf{"records":[{"id":1,"value":2}]}')[0].records == [Record(1, 2.0)]


def test_invalid_utf8_costs_its_record(tmp_path: Path) -> None:
    data, broken = loaded(tmp_path, b'{"records":[{"id":"\xff","value":1},{"id":2,"value":2,"x":"\xff"}]}')
    assert data.records == [Record(2, 2.0)]
    assert [b.record for b in broken] == ["records[0]"]


def test_not_a_number_among_strings_of_that_name(tmp_path: Path) -> None:
    text = b'{"records":[{"id":1,"value":-Infinity},{"id":2,"value":2,"n":"\\"NaN, NaN"}],"name":"Infinity"}'
    data, broken = loaded(tmp_path, text)
    assert (data.records, data.name) == ([Record(2, 2.0)], "Infinity")
    assert [(b.field, b.value) for b in broken] == [("value", "-Infinity")]


def test_one_early_nan_in_a_big_file_takes_linear_time(tmp_path: Path) -> None:
    rest = b',{"id":2,"value":2,"note":"N and I, not NaN"}' * 200_000
    data, broken = loaded(tmp_path, b'{"records":[{"id":1,"value":NaN}' + rest + b"]}")
    assert (len(data.records), len(broken)) == (200_000, 1)  # quadratic time would take hours


numbers = st.floats() | st.integers() | st.none() | st.text(alphabet='NaInfinity-\\" ,:[]{}é', max_size=12)


@given(
    st.lists(st.fixed_dictionaries({"id": numbers, "value": numbers}, optional={"note": numbers})), st.text()
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_good_records_survive_bad_ones(tmp_path: Path, records: list[dict[str, Any]], name: str) -> None:
    """Python's own JSON, which writes NaN and Infinity, is the reference."""
    content = json.dumps({"records": records, "name": name}).encode()
    data, broken = loaded(tmp_path, content)
    good = [
        Record(r["id"], float(r["value"]))
        for r in json.loads(content)["records"]
        if type(r["id"]) is int and type(r["value"]) in (int, float) and math.isfinite(r["value"])
    ]
    assert data.records == good
    assert data.name == name
    assert len(good) + len(broken) == len(records)


class Named(msgspec.Struct):
    records: dict[str, Record]


def test_bad_records_of_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"records":{"a":{"id":1,"value":2},"b":{"id":3,"value":NaN},"c":[]}}')
    data, broken = load(tmp_path / "x.json", Named)
    assert data.records == {"a": Record(1, 2.0)}
    assert [(b.record, b.reason[:23]) for b in broken] == [
        ("records[b] (id 3)", "not a finite number"),
        ("records[c]", "not a JSON object: Expe"),
    ]


def test_bad_entries_of_a_list_in_a_record() -> None:
    raw = msgspec.Raw(b'[{"id":1,"value":2},{"id":3},7]')
    good, broken = entries(raw, Record, "parts")
    assert good == [Record(1, 2.0)]
    assert [(b.record, b.field) for b in broken] == [("parts[1] (id 3)", "value"), ("parts[2]", "")]
    assert entries(msgspec.Raw(b'{"id":1}'), Record, "parts")[1][0].reason == "expected `array`, got `object`"


def test_a_list_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'[{"image_id":1,"regions":[]},{"image_id":2,"regions":[]}]')
    with pytest.raises(VlitError, match=r"no record has the field 'id'|no record has the field 'value'"):
        load(tmp_path / "x.json", list[Record])


@pytest.mark.parametrize("content", [b"\x80\x02}q\x00.", b"x\x9c\x00", b"PK\x03\x04"])
def test_what_is_no_json_at_all(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(VlitError, match=r"pickle[\s\S]*convert it to JSON|zip archive[\s\S]*unpack it"):
        loaded(tmp_path, content)


def test_outline(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"info":{},"images":[],"annotations":[{"id":1,"caption":NaN}],"odd":[1]}')
    found = outline(path)
    assert found.keys == ("info", "images", "annotations", "odd")
    assert found.records == {"images": set(), "annotations": {"id", "caption"}, "odd": set()}
    assert found.mappings == {"info": set()}
