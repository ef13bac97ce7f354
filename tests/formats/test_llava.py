"""LLaVA JSON: what is written reads back equal, and equals what orjson writes of the same objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.sample import Mark, Provenance, Sample, Turn
from vlit.data.scene import Image, Scene
from vlit.data.schema import to_table
from vlit.data.store import write_part
from vlit.formats.llava import read_llava, write_llava
from vlit.formats.registry import FORMATS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SAID = TEXT.map(lambda t: t.replace("<image>", "") + "?")  # a turn has something to say
FLOAT = st.floats(0, 1e6)
BOX = st.builds(Box, x1=FLOAT, y1=FLOAT, x2=FLOAT, y2=FLOAT)
OPTIONAL = st.none() | TEXT
TUPLE = st.lists(TEXT, max_size=2).map(tuple)
PROVENANCE = st.builds(
    Provenance,
    scenes=TUPLE,
    annotations=TUPLE,
    recipe=OPTIONAL,
    templates=TUPLE,
    prompt=OPTIONAL,
    teacher=OPTIONAL,
    reply=OPTIONAL,
    seed=st.none() | st.integers(0, 2**63 - 1),
    source=OPTIONAL,
    licence=OPTIONAL,
)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1).filter(
    lambda n: n not in (".", "..") and n.strip()
)
IMAGE = st.builds(
    Image,
    uri=NAME.map("/photos/{}".format),
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
    sha256=OPTIONAL,
    size=st.none() | st.integers(0, 2**40),
    format=OPTIONAL,
    mode=OPTIONAL,
    orientation=st.integers(1, 8),
)


@st.composite
def samples(draw: st.DrawFn, metadata: bool = True) -> list[Sample]:
    """Usable samples with all kinds of content and ids of their own."""
    made = []
    for number in range(draw(st.integers(0, 5))):
        images = draw(st.lists(IMAGE, max_size=3))
        turns = [Turn(role="system", text=draw(SAID))] if draw(st.booleans()) else []
        for _ in range(draw(st.integers(1, 3))):
            turns += [Turn(role="user", text=draw(SAID)), Turn(role="assistant", text=draw(SAID))]
        first = next(i for i, t in enumerate(turns) if t.role == "user")
        token = "<image>\n" * len(images)
        text = token + turns[first].text if draw(st.booleans()) else turns[first].text + token
        turns[first] = Turn(role="user", text=text)
        made.append(
            Sample(
                id=draw(TEXT) + str(number),
                turns=tuple(turns),
                images=tuple(images),
                task=draw(TEXT),
                paradigm=draw(st.sampled_from(["annotation_adaption", "self_instruct", "data_mixing"])),
                region=draw(st.none() | BOX),
                marks=tuple(
                    draw(st.lists(st.builds(Mark, label=TEXT, box=BOX, annotation=OPTIONAL), max_size=2))
                ),
                provenance=draw(PROVENANCE),
            )
        )
    return made


def parts(folder: Path, rows: list[Sample], size: int = 2) -> list[Path]:
    """Rows as Parquet parts of ``size`` rows; at least one part."""
    paths = []
    for old in folder.glob("*.parquet"):
        old.unlink()
    for start in range(0, max(len(rows), 1), size):
        paths.append(folder / f"{start:03}.parquet")
        write_part(paths[-1], to_table(rows[start : start + size], Sample))
    return paths


def as_objects(rows: list[Sample], root: str) -> list[dict[str, Any]]:
    """The records that LLaVA's layout asks for, made the plain way."""
    speakers = {"user": "human", "assistant": "gpt", "system": "system"}
    made = []
    for row in rows:
        paths = [i.uri.removeprefix(root) for i in row.images]
        record: dict[str, Any] = {"id": row.id}
        if paths:
            record["image"] = paths[0] if len(paths) == 1 else paths
        record["conversations"] = [{"from": speakers[t.role], "value": t.text} for t in row.turns]
        made.append(record)
    return made


RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@RELAXED
@given(rows=samples())
def test_with_metadata_samples_read_back_equal(tmp_path: Path, rows: list[Sample]) -> None:
    out = tmp_path / "out.json"
    assert write_llava(parts(tmp_path, rows), out, image_root="/photos") == len(rows)
    assert list(read_llava(out, "/photos", open_images=False)) == rows
    json.loads(out.read_bytes())


@RELAXED
@given(rows=samples())
def test_without_metadata_records_equal_orjson(tmp_path: Path, rows: list[Sample]) -> None:
    out = tmp_path / "out.json"
    write_llava(parts(tmp_path, rows), out, image_root="/photos", metadata=False)
    wanted = as_objects(rows, "/photos/")
    lines = out.read_bytes().split(b"\n")
    assert (
        b"\n".join(lines)
        == b"[" + b",".join(b"\n" + orjson.dumps(r) for r in wanted) + b"\n" * bool(rows) + b"]\n"
    )
    back = list(read_llava(out, "/photos", open_images=False))
    assert [(s.id, s.turns, [i.uri for i in s.images]) for s in back if isinstance(s, Sample)] == [
        (s.id, s.turns, [i.uri for i in s.images]) for s in rows
    ]


def plain(number: int, uri: str | None = "/a/b/1.jpg", **more: Any) -> Sample:
    token = "<image>\n" if uri else ""
    return Sample(
        id=f"s{number}",
        turns=(Turn(role="user", text=f"{token}What?"), Turn(role="assistant", text="That.")),
        images=(Image(uri=uri, width=4, height=3),) if uri else (),
        **more,
    )


@pytest.mark.parametrize(
    ("uris", "paths"),
    [
        (["/a/b/1.jpg", "/a/b/2.jpg"], ["1.jpg", "2.jpg"]),
        (["/a/b/1.jpg", "/a/bc/1.jpg"], ["b/1.jpg", "bc/1.jpg"]),  # "/a/b" is no folder of both
        (["/a/1.jpg", None], ["1.jpg", None]),
        (["s3://x/train/1.jpg", "s3://x/val/1.jpg"], ["train/1.jpg", "val/1.jpg"]),
        (["s3://x/1.jpg", "/a/1.jpg"], ["s3://x/1.jpg", "/a/1.jpg"]),
        ([None, None], [None, None]),
    ],
)
def test_paths_are_relative_to_the_deepest_common_folder(
    tmp_path: Path, uris: list[str | None], paths: list[str | None]
) -> None:
    rows = [plain(i, uri) for i, uri in enumerate(uris)]
    write_llava(parts(tmp_path, rows, size=1), tmp_path / "out.json")
    assert [r.get("image") for r in json.loads((tmp_path / "out.json").read_bytes())] == paths


def test_an_image_outside_the_root_is_an_error_that_names_it(tmp_path: Path) -> None:
    rows = [plain(0), plain(1, "/elsewhere/2.jpg")]
    with pytest.raises(VlitError, match=r"/elsewhere/2\.jpg"):
        write_llava(parts(tmp_path, rows), tmp_path / "out.json", image_root="/a")
    assert not (tmp_path / "out.json").exists()
    assert not list(tmp_path.glob(".*.tmp"))


def test_bytes_do_not_depend_on_threads_or_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [plain(i, f"/a/{i % 7}.jpg", region=Box(0.1, 1 / 3, 2, 3) if i % 2 else None) for i in range(100)]
    paths = parts(tmp_path, rows, size=30)
    write_llava(paths, tmp_path / "one.json", threads=1)
    monkeypatch.setattr("vlit.formats.llava.BATCH", 7)
    write_llava(paths, tmp_path / "many.json", threads=5)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "many.json").read_bytes()


def test_a_part_of_something_else_is_refused(tmp_path: Path) -> None:
    write_part(tmp_path / "0.parquet", to_table([], Scene))
    with pytest.raises(VlitError, match="does not hold samples"):
        write_llava([tmp_path / "0.parquet"], tmp_path / "out.json", image_root="/")


def test_row_groups_as_they_are_written_stay_in_order(tmp_path: Path) -> None:
    rows = [plain(i) for i in range(50)]
    pq.write_table(to_table(rows, Sample), tmp_path / "0.parquet", row_group_size=9)
    assert write_llava([tmp_path / "0.parquet"], tmp_path / "out.json") == 50
    assert list(read_llava(tmp_path / "out.json", "/a/b", open_images=False)) == rows


def test_the_format_is_found_by_name() -> None:
    assert FORMATS.load("llava").write is write_llava
