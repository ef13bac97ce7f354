from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.sample import Mark, Provenance, Sample, Turn
from vlit.data.scene import Answer, Caption, Image, Object, Question, Scene
from vlit.data.schema import from_table, schema_of, to_table
from vlit.data.score import Quarantined, Score, SetScore, Verdict
from vlit.data.store import Table, read_part, write_part

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False)
boxes = st.builds(Box, numbers, numbers, numbers, numbers)
images = st.builds(Image, uri=texts, width=st.integers(1, 9999), height=st.integers(1, 9999))
scenes = st.builds(
    Scene,
    id=texts,
    image=images,
    source=texts,
    licence=st.none() | texts,
    captions=st.tuples(st.builds(Caption, id=texts, text=texts)),
    objects=st.lists(st.builds(Object, id=texts, label=texts, box=boxes, crowd=st.booleans())).map(tuple),
    questions=st.tuples(
        st.builds(
            Question,
            id=texts,
            text=texts,
            answers=st.lists(st.builds(Answer, text=texts, count=st.integers(1, 10))).map(tuple),
            correct=st.none() | st.integers(0, 3),
        )
    ),
    searched=st.lists(texts).map(tuple),
)
samples = st.builds(
    Sample,
    id=texts,
    turns=st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), text=texts)).map(tuple),
    images=st.lists(images, max_size=2).map(tuple),
    region=st.none() | boxes,
    marks=st.lists(st.builds(Mark, label=texts, box=boxes, annotation=st.none() | texts)).map(tuple),
    provenance=st.builds(Provenance, scenes=st.tuples(texts), seed=st.none() | st.integers(0, 2**60)),
)


@settings(max_examples=50)
@given(st.lists(scenes, max_size=3))
def test_scenes_come_back_from_arrow(rows: list[Scene]) -> None:
    assert from_table(to_table(rows, Scene), Scene) == rows


@settings(max_examples=50)
@given(st.lists(samples, max_size=3))
def test_samples_come_back_from_arrow(rows: list[Sample]) -> None:
    assert from_table(to_table(rows, Sample), Sample) == rows


def test_each_noun_has_one_declared_schema() -> None:
    assert [f"{f.name}: {f.type}{'' if f.nullable else ' not null'}" for f in schema_of(Score)] == [
        "sample: string not null",
        "indicator: string not null",
        "value: double",
        "reason: string",
        "group: string",
    ]
    for kind in (Scene, Sample, SetScore, Verdict, Quarantined):
        assert schema_of(kind).metadata == {b"vlit.row": kind.__name__.encode()}


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    rows = [Score(sample=f"s{i}", indicator="x", value=i / 3) for i in range(100)]
    write_part(tmp_path / "a.parquet", to_table(rows, Score))
    write_part(tmp_path / "b.parquet", to_table(list(rows), Score))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_find_reads_rows_by_value(tmp_path: Path) -> None:
    for part in range(3):
        rows = [Score(sample=f"s{part}", indicator=i, value=1.0) for i in ("a", "b")]
        write_part(tmp_path / f"{part}-x.parquet", to_table(rows, Score))
    table = Table(tmp_path, Score)
    assert len(table) == 6
    assert [s.indicator for s in table.find(sample="s1")] == ["a", "b"]
    assert list(table.ids("sample")) == ["s0", "s0", "s1", "s1", "s2", "s2"]


def test_a_part_of_another_noun_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_part(path, to_table([Score(sample="s", indicator="i", value=None)], Score))
    with pytest.raises(VlitError, match="does not hold Verdict rows"):
        read_part(path, Verdict)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(VlitError, match="delete the file and run again"):
        read_part(path, Verdict)
