"""SVIT's own layout, read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.data.schema import to_table
from vlit.data.score import Quarantined
from vlit.data.store import write_part
from vlit.formats.registry import FORMATS
from vlit.formats.svit import read_svit, write_svit

#: As in the release: a topic stands beside the turns of a conversation in some of its files.
RECORDS: list[Any] = [
    {
        "image_id": 2,
        "conversations": [
            {
                "content": [
                    {"from": "user", "value": "What kind of street is this?"},
                    {"from": "gpt", "value": "A residential one."},
                    {"from": "user", "value": "Are there cars?"},
                    {"from": "gpt", "value": "Yes, several are parked."},
                ]
            },
            {
                "content": [
                    {"from": "user", "value": "Where is <st>the tree<ed> [0.726, 0.547, 0.758, 0.643]?"},
                    {
                        "from": "gpt",
                        "value": "Left of <st>cars<ed> [0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.6, 0.4].",
                    },
                ]
            },
        ],
    },
    {
        "image_id": 4,
        "conversations": [{"content": [{"from": "user", "value": "Q"}, {"from": "gpt", "value": "A"}]}],
    },
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "VG_100K"
    folder.mkdir()
    for name in (2, 4):
        PILImage.new("RGB", (40, 30), "navy").save(folder / f"{name}.jpg")
    return folder


def read(photos: Path, records: Any, **options: Any) -> tuple[list[Sample], list[Quarantined]]:
    path = photos.parent / "conversation.json"
    path.write_text(json.dumps(records))
    rows = list(read_svit(path, str(photos), **options))
    return [r for r in rows if isinstance(r, Sample)], [r for r in rows if isinstance(r, Quarantined)]


def test_each_conversation_is_a_sample(photos: Path) -> None:
    samples, problems = read(photos, RECORDS)
    assert not problems
    assert [s.id for s in samples] == ["2/0", "2/1", "4/0"]
    first = samples[0]
    assert [t.role for t in first.turns] == ["user", "assistant"] * 2
    assert [t.text.count("<image>") for t in first.turns] == [1, 0, 0, 0]
    assert first.turns[0].text == "<image>\nWhat kind of street is this?"
    assert (first.images[0].uri, first.images[0].width) == (str(photos / "2.jpg"), 40)
    assert "[0.726, 0.547, 0.758, 0.643]" in samples[1].turns[0].text
    assert (first.task, first.paradigm, first.provenance.source) == (
        "unknown",
        "data_mixing",
        "conversation.json",
    )


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        ("text", "", "a record has to be an object"),
        ({"conversations": []}, "image_id", "there is no image_id"),
        ({"image_id": True, "conversations": []}, "image_id", "not the id of an image"),
        ({"image_id": 2}, "conversations", "there are no conversations"),
        ({"image_id": 2, "conversations": {}}, "conversations", "not a list"),
        ({"image_id": 2, "conversations": []}, "conversations", "there are no conversations"),
        ({"image_id": 2, "conversations": [[]]}, "", "a record has to be an object"),
        ({"image_id": 2, "conversations": [{}]}, "conversations", "there are no conversations"),
        (
            {"image_id": 2, "conversations": [{"content": [7]}]},
            "conversations[0]",
            "a turn has to be an object",
        ),
        ({"image_id": 9, "conversations": RECORDS[1]["conversations"]}, "image", "the file is missing"),
        ({"image_id": "../2", "conversations": RECORDS[1]["conversations"]}, "image", "the path leaves"),
    ],
)
def test_what_cannot_be_used_is_quarantined(photos: Path, record: Any, field: str, reason: str) -> None:
    samples, (problem,) = read(photos, [record, RECORDS[1]])
    assert [s.id for s in samples] == ["4/0"]
    assert (problem.field, problem.action) == (field, "dropped")
    assert problem.reason.startswith(reason)
    assert "record 0" in problem.record


def test_one_bad_conversation_leaves_the_others(photos: Path) -> None:
    swapped = {"content": [{"from": "gpt", "value": "A"}, {"from": "user", "value": "Q"}]}
    record = {"image_id": 2, "conversations": [swapped, *RECORDS[0]["conversations"]]}
    samples, (problem,) = read(photos, [record])
    assert [s.id for s in samples] == ["2/1", "2/2"]
    assert problem.record == "2/0 (record 0, conversation 0)"
    assert "wrong order of roles" in problem.reason


def test_another_layout_is_an_error_that_shows_the_right_one(photos: Path) -> None:
    with pytest.raises(VlitError, match="SVIT files are"):
        read(photos, {"data": []})


def test_what_is_written_is_the_official_layout(photos: Path, tmp_path: Path) -> None:
    samples, _ = read(photos, RECORDS)
    part = tmp_path / "part.parquet"
    write_part(part, to_table(samples, Sample))
    out = tmp_path / "out.json"
    assert write_svit([part], out) == 3
    assert json.loads(out.read_text()) == RECORDS
    assert FORMATS.load("svit").write is write_svit
    write_part(part, to_table([], Sample))
    assert (write_svit([part], out), json.loads(out.read_text())) == (0, [])


@pytest.mark.parametrize(
    ("images", "roles", "said"),
    [
        ((), ("user", "assistant"), "0 images where SVIT has one"),
        (("/p/1.png",), ("user", "assistant"), r"no <image_id>\.jpg"),
        (("/p/1.jpg",), ("system", "user"), "a system turn"),
    ],
)
def test_what_has_no_place_is_an_error(images: Any, roles: Any, said: str, tmp_path: Path) -> None:
    turns = tuple(Turn(role=role, text="a") for role in roles)
    sample = Sample(id="x", turns=turns, images=tuple(Image(uri=uri, width=1, height=1) for uri in images))
    part = tmp_path / "part.parquet"
    write_part(part, to_table([sample], Sample))
    with pytest.raises(VlitError, match=said):
        write_svit([part], tmp_path / "out.json", image_root="/p")
    assert not (tmp_path / "out.json").exists()
