import json

import pytest

from tests.conftest import shared_data
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Quarantined
from vlit.formats.chat import read_chat
from vlit.formats.recognise import recognise

LAYOUTS = [
    {"conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A dog."}]},
    {"messages": [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A dog."}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A dog."}]},
        ]
    },
    {"instruction": "What?", "output": "A dog."},
    {"question": "What?", "answer": "A dog."},
]


def found(tmp_path, *records, name="set.jsonl", array=False):
    path = tmp_path / name
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    path.write_text(f"[{','.join(lines)}]" if array else "\n".join(lines) + "\n")
    return list(read_chat(path, "photos", open_images=False))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("array", [False, True])
def test_every_layout_is_the_same_sample(tmp_path, layout, array):
    (s,) = found(tmp_path, {"id": "a", "image": "1.jpg", "type": "conv", **layout}, array=array)
    assert isinstance(s, Sample)
    assert [(t.role, t.text) for t in s.turns] == [("user", "<image>\nWhat?"), ("assistant", "A dog.")]
    assert s.images[0].uri == "photos/1.jpg" and s.task == "conv"


def test_text_without_image_and_context(tmp_path):
    (s,) = found(tmp_path, {"id": "a", "instruction": "Add", "input": "1 2", "output": "3"})
    assert s.images == () and s.turns[0].text == "Add\n1 2" and s.task == "unknown"


def test_what_cannot_be_used_is_quarantined_with_its_line(tmp_path):
    good = {"id": "b", "question": "Q", "answer": "A"}
    rows = found(tmp_path, {"id": "a", "text": "only"}, "", "{broken", {"id": "c", "messages": ["x"]}, good)
    assert [type(r) for r in rows] == [Quarantined, Quarantined, Quarantined, Sample]
    assert "line 1" in rows[0].record and "no turns" in rows[0].reason and "line 3" in rows[1].record
    assert rows[2].field == "messages[0]"


def test_recognises_what_it_can_read(tmp_path):
    def named(text, name="set.json"):
        (tmp_path / name).write_text(text)
        return recognise(tmp_path / name)[1]

    assert named('[{"id": "1", "conversations": [{"from": "human"') == "llava"
    assert named('[{"image_id": 1, "conversations": [{"content": [') == "svit"
    assert named('{"meta": {}, "data": {"a"') == "mimicit"
    assert named('{"messages": []}\n', "set.jsonl") == "chat"
    with pytest.raises(VlitError, match="layout of this file is not known"):
        named("[1, 2]")
    with pytest.raises(VlitError, match="not known; it begins with the keys image, bbox"):
        named('{"image": "1.jpg", "bbox": [1]}')
    for empty in ("", "[]", " \n"):
        with pytest.raises(VlitError, match="the file holds no record"):
            named(empty)
    with pytest.raises(VlitError, match=r"found: set\.json, set\.jsonl"):
        recognise(tmp_path)


def test_early_llava_layout_is_read():
    path, name = recognise(shared_data("llava") / "coco2014_val_gpt4_qa_30x3.jsonl")
    samples = [r for r in read_chat(path, "", open_images=False) if isinstance(r, Sample)]
    assert name == "chat" and len(samples) == 90
    assert {s.task for s in samples} == {"conv", "detail", "complex"}


@pytest.mark.parametrize("content", [None, 3, "", " "])
def test_a_turn_without_text_is_no_text(tmp_path, content):
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "A dog."}]
    (row,) = found(tmp_path, {"id": "a", "image": "1.jpg", "messages": turns})
    assert isinstance(row, Quarantined) and row.field == "conversations[0].value"


def test_a_dialogue_without_turns_is_quarantined(tmp_path):
    (row,) = found(tmp_path, {"id": "a", "image": "1.jpg", "messages": []})
    assert isinstance(row, Quarantined) and row.reason == "there are no turns"


@pytest.mark.parametrize(
    "part", [{"type": "image", "image": "1.jpg"}, {"type": "image_url", "image_url": {"url": "1.jpg"}}]
)
def test_images_that_parts_name_are_read(tmp_path, part):
    said = [{"role": "User", "content": [part, {"type": "text", "text": "What?"}]}]
    (*_, s) = found(tmp_path, {"id": "a", "messages": [*said, {"role": "assistant", "content": "A dog."}]})
    assert isinstance(s, Sample) and s.turns[0].text == "<image>\nWhat?"
    assert [image.uri for image in s.images] == ["photos/1.jpg"]


def test_an_image_inside_the_text_is_told(tmp_path):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    turns = [{"role": "user", "content": [part]}, {"role": "assistant", "content": "A dog."}]
    (row,) = found(tmp_path, {"id": "a", "messages": turns})
    assert isinstance(row, Quarantined) and "save it as a file" in row.reason
