"""Reading LLaVA JSON that is not as it should be: each record is used, repaired or quarantined."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Quarantined
from vlit.formats.llava import read_llava


def record(name: Any = "a", image: Any = "1.jpg", *turns: Any, **more: Any) -> dict[str, Any]:
    said = list(turns) or [("human", "<image>\nWhat?"), ("gpt", "That.")]
    made = {"id": name, "image": image, "conversations": [{"from": f, "value": v} for f, v in said], **more}
    return made if image is not None else {k: v for k, v in made.items() if k != "image"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg"):
        PILImage.new("RGB", (40, 30), "navy").save(folder / name)
    (folder / "text.jpg").write_text("no picture")
    return folder


def read(photos: Path, *records: Any, **options: Any) -> tuple[list[Sample], list[Quarantined]]:
    path = photos.parent / "in.json"
    path.write_text(json.dumps(records))
    rows = list(read_llava(path, str(photos), **options))
    return [r for r in rows if isinstance(r, Sample)], [r for r in rows if isinstance(r, Quarantined)]


@pytest.mark.parametrize("text", ["<image>\nWhat?", "What?\n<image>", "What is <image> of?", "<image>"])
def test_the_image_may_stand_anywhere(photos: Path, text: str) -> None:
    (sample,), problems = read(photos, record("a", "1.jpg", ("human", text), ("gpt", "That.")))
    assert not problems
    assert sample.turns[0].text == text
    (image,) = sample.images
    assert (image.uri, image.width, image.height, image.format) == (str(photos / "1.jpg"), 40, 30, "JPEG")
    assert sample.paradigm == "data_mixing"
    assert sample.provenance.source == "in.json"


def test_a_photo_that_changed_is_looked_at_again(photos: Path) -> None:
    (before,), _ = read(photos, record())
    PILImage.new("RGB", (20, 10)).save(photos / "1.jpg")
    (after,), _ = read(photos, record())
    assert (before.images[0].width, after.images[0].width) == (40, 20)


def test_text_only_records_and_unknown_keys(photos: Path) -> None:
    (sample,), problems = read(photos, record("a", None, ("human", "Hi"), ("gpt", "Hello."), model=""))
    assert not problems
    assert sample.images == ()


def test_several_images(photos: Path) -> None:
    turns = ("human", "<image> and <image>: which is brighter?"), ("gpt", "Neither.")
    (sample,), problems = read(photos, record("a", ["1.jpg", "2.jpg"], *turns))
    assert not problems
    assert [Path(i.uri).name for i in sample.images] == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(("person", "model"), [("user", "assistant"), ("USER", "ASSISTANT"), ("Human", "GPT")])
def test_other_spellings_of_roles_are_reported(photos: Path, person: str, model: str) -> None:
    (sample,), (problem,) = read(photos, record("a", "1.jpg", (person, "<image>What?"), (model, "That.")))
    assert [t.role for t in sample.turns] == ["user", "assistant"]
    assert (problem.action, problem.field) == ("repaired", "conversations.from")
    assert problem.value == f"{person}, {model}"


def test_an_image_that_the_text_does_not_show_is_put_first(photos: Path) -> None:
    turns = ("system", "Be brief."), ("human", "What?"), ("gpt", "That.")
    (sample,), (problem,) = read(photos, record("a", "1.jpg", *turns))
    assert [t.text for t in sample.turns] == ["Be brief.", "<image>\nWhat?", "That."]
    assert problem.action == "repaired"
    assert "LLaVA would have left the image out" in problem.reason


USER, MODEL = ("human", "<image>What?"), ("gpt", "That.")


@pytest.mark.parametrize(
    ("bad", "field", "reason"),
    [
        ("text", "", "has to be an object"),
        ({"id": "a"}, "conversations", "no conversations"),
        ({"id": "a", "conversations": {}}, "conversations", "not a list"),
        ({"id": "a", "conversations": []}, "conversations", "no turns"),
        (record("a", "1.jpg", USER, ("gpt", " ")), "conversations[1].value", "empty"),
        (record("a", "1.jpg", USER, ("gpt", None)), "conversations[1].value", "not text"),
        (record("a", "1.jpg", USER, ("bing", "x")), "conversations[1].from", "unknown role"),
        (record("a", "1.jpg", USER, (None, "x")), "conversations[1].from", "unknown role"),
        (record("a", "1.jpg", MODEL, USER), "conversations[0].from", "assistant where user was due"),
        (record("a", "1.jpg", USER, MODEL, MODEL), "conversations[2].from", "assistant where user was due"),
        (record("a", "1.jpg", USER, MODEL, ("human", "And?")), "conversations[2].from", "no answer"),
        (record("a", "1.jpg", ("system", "x")), "conversations[0].from", "no answer"),
        (record("a", None, USER, MODEL), "image", "no image"),
        (record("a", "1.jpg", ("human", "<image><image>"), MODEL), "image", "1 images but 2"),
        (record("a", ["1.jpg", "2.jpg"], USER, MODEL), "image", "2 images but 1"),
        (record("a", 7), "image", "not the path"),
        (record("a", ""), "image", "not the path"),
        (record("a", "3.jpg"), "image", "the file is missing"),
        (record("a", "text.jpg"), "image", "not an image"),
        (record("a", "../secret.jpg"), "image", "leaves the image folder"),
        (record("a", "/etc/secret.jpg"), "image", "leaves the image folder"),
    ],
)
def test_unusable_records_are_quarantined_and_the_rest_is_read(
    photos: Path, bad: Any, field: str, reason: str
) -> None:
    kept, (problem,) = read(photos, record("before"), bad, record("after"))
    assert [s.id for s in kept] == ["before", "after"]
    assert problem.action == "dropped"
    assert problem.field == field
    assert reason in problem.reason
    assert problem.record.endswith("(record 1)")
    assert problem.file.endswith("in.json")


def test_equal_ids_are_told_apart_and_equal_records_are_dropped(photos: Path) -> None:
    kept, problems = read(photos, record("a"), record("a", "2.jpg"), record("a"), record("a#1"))
    assert [s.id for s in kept] == ["a", "a#1", "a#1#3"]
    assert [(p.action, p.record) for p in problems] == [
        ("repaired", "a (record 1)"),
        ("dropped", "a (record 2)"),
        ("repaired", "a#1 (record 3)"),
    ]


def test_ids_that_are_no_text(photos: Path) -> None:
    kept, problems = read(photos, record(17), record(None), record(True))
    assert [s.id for s in kept] == ["17", "record-1", "record-2"]
    assert {p.action for p in problems} == {"repaired"}


@pytest.mark.parametrize("found", [{"task": 3}, {"images": []}, {"images": [{"width": 1}]}, "x"])
def test_unusable_metadata_is_left_out_and_reported(photos: Path, found: Any) -> None:
    (sample,), (problem,) = read(photos, record("a", vlit=found))
    assert sample.task == "unknown"
    assert (sample.images[0].width, problem.action) == (40, "repaired")
    assert problem.field.startswith("vlit")


def test_described_images_have_to_exist(photos: Path) -> None:
    described = {"images": [{"width": 9, "height": 9}]}
    kept, (problem,) = read(photos, record("a", "3.jpg", vlit=described), record("b", "1.jpg", vlit=described))
    assert [s.id for s in kept] == ["b"]
    assert kept[0].images[0].width == 9
    assert "missing" in problem.reason


@pytest.mark.parametrize(
    ("text", "what", "todo"),
    [
        ("", "empty", "again"),
        ('{"data": []}', "one JSON object", "jq '.data'"),
        ('{"id": "a"}\n{"id": "b"}\n', "JSONL", "jq -s"),
        ('[{"id": "a"}, {"id', "truncated", "cut off"),
        ('[{"id": "a"}][{"id": "b"}]', "no JSON array", "cut off"),
        ("id,image\n", "no JSON array", "cut off"),
    ],
)
def test_files_that_are_no_array_are_explained(tmp_path: Path, text: str, what: str, todo: str) -> None:
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(VlitError) as error:
        list(read_llava(tmp_path / "in.json", "/"))
    assert what in error.value.what
    assert todo in error.value.todo
    assert error.value.where.endswith("in.json")


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(VlitError, match="No such file"):
        list(read_llava(tmp_path / "in.json", "/"))


def test_a_byte_order_mark_is_passed_over(photos: Path) -> None:
    path = photos / "in.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([record()]).encode())
    assert len(list(read_llava(path, str(photos)))) == 1


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.just("<image>"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "image", "conversations", "from", "value", "vlit"]), inner)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(junk=st.lists(JUNK, max_size=4))
def test_any_json_array_is_read_to_its_end(tmp_path: Path, junk: list[Any]) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps([*junk, record("last", None, ("human", "Hi"), ("gpt", "Hello."))]))
    rows = list(read_llava(path, str(tmp_path)))
    samples = [r for r in rows if isinstance(r, Sample)]
    dropped = [r for r in rows if isinstance(r, Quarantined) and r.action == "dropped"]
    assert len(samples) + len(dropped) == len(junk) + 1
    assert samples[-1].turns[0].text == "Hi"


def shared_data() -> Path:
    return Path(os.environ.get("VLIT_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.skipif(
    not (shared_data() / "llava").is_dir(), reason="set VLIT_DATA to the development data to read real answers"
)
def test_real_records_of_the_older_layout(tmp_path: Path) -> None:
    lines = (shared_data() / "llava" / "coco2014_val_gpt4_qa_30x3.jsonl").read_text().splitlines()
    with pytest.raises(VlitError, match="JSONL"):
        list(read_llava(shared_data() / "llava" / "coco2014_val_gpt4_qa_30x3.jsonl", "/"))
    old = [json.loads(line) for line in lines]
    new = [
        record(o["id"], o["image"], ("human", f"{o['instruction']}\n<image>"), ("gpt", o["output"]))
        for o in old
    ]
    (tmp_path / "in.json").write_text(json.dumps(new))
    rows = list(read_llava(tmp_path / "in.json", "/nowhere", open_images=False))
    samples = [r for r in rows if isinstance(r, Sample)]
    assert len(samples) == 90
    assert len({s.id for s in samples}) == 90  # three answers share each photo's id
    assert sum(isinstance(r, Quarantined) and r.field == "id" for r in rows) == 60
