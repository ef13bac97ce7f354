"""VQA v2 and A-OKVQA: counted answers, joins with COCO, dirt."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collect.annotated import caption, collect, listed, photo, reasons, write
from tests.conftest import shared_data
from vlit.collect.vqa import counted
from vlit.data.errors import VlitError
from vlit.data.scene import Answer

VQA = {"kind": "vqa", "images": "images", "questions": "q.json", "annotations": "a.json"}


def question(ident: int, image: int = 790, text: Any = "Is it a cat?") -> dict[str, Any]:
    return {"question_id": ident, "image_id": image, "question": text}


def annotation(ident: int, *answers: str, image: int = 790) -> dict[str, Any]:
    ten = [{"answer": a, "answer_confidence": "yes", "answer_id": n} for n, a in enumerate(answers, start=1)]
    return {"question_id": ident, "image_id": image, "answer_type": "yes/no", "answers": ten}


def write_vqa(folder: Path, questions: list[Any], annotations: list[Any]) -> None:
    photo(folder / "images/000000000790.jpg")
    write(folder / "q.json", {"questions": questions})
    write(folder / "a.json", {"annotations": annotations})


def test_answers_are_counted(tmp_path: Path) -> None:
    write_vqa(tmp_path, [question(1)], [annotation(1, "yes", "no", "yes", " yes ", "dunno", "a cat", "a cat")])
    scenes, bad = collect(tmp_path, VQA)
    (found,) = scenes["coco:790"].questions
    assert (found.id, found.kind, found.text) == ("question:1", "yes/no", "Is it a cat?")
    assert [(a.text, a.count) for a in found.answers] == [("yes", 3), ("a cat", 2), ("dunno", 1), ("no", 1)]
    assert not bad


@given(st.lists(st.text()))
def test_counted_is_sorted_complete_and_independent_of_order(answers: list[str]) -> None:
    result = counted(answers)
    assert sum(a.count for a in result) == sum(bool(a.split()) for a in answers)
    assert result == counted(reversed(answers))
    assert list(result) == sorted(result, key=lambda a: (-a.count, a.text))


def test_questions_and_annotations_that_do_not_meet(tmp_path: Path) -> None:
    write_vqa(
        tmp_path,
        [question(1), question(2), question(1), question(4, text=None), question(5, text=" "), question(6)],
        [annotation(1, "yes"), annotation(1, "no"), annotation(3, "no"), annotation(5, "no"), annotation(6)],
    )
    scenes, bad = collect(tmp_path, VQA)
    assert [q.id for q in scenes["coco:790"].questions] == ["question:1"]
    assert scenes["coco:790"].questions[0].answers == (Answer(text="yes", count=1),)
    assert [(q.record, q.reason) for q in bad] == [
        ("question:1", "an annotation of this id comes before it"),
        ("question:3", "no question has this id"),
        ("question:1", "a question of this id comes before it"),
        ("question:2", "no annotation answers it"),
        ("questions[3] (id 4)", "expected `str`, got `null`"),
        ("question:5", "the question is empty"),
        ("question:6", "the question has no answer"),
    ]


def test_gzip_and_join_with_coco(tmp_path: Path) -> None:
    write_vqa(tmp_path, [question(1)], [annotation(1, "yes")])
    for name in ("q.json", "a.json"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    write(tmp_path / "c.json", {"images": [listed(790)], "annotations": [caption(5, 790)]})
    vqa = {"kind": "vqa", "questions": "q.json.gz", "annotations": ["a.json.gz"]}
    scenes, _ = collect(tmp_path, vqa, {"kind": "coco", "images": "images", "captions": "c.json"})
    (scene,) = scenes.values()
    assert (len(scene.questions), len(scene.captions)) == (1, 1)


def test_cut_gzip(tmp_path: Path) -> None:
    write_vqa(tmp_path, [question(1)], [annotation(1, "yes")])
    (tmp_path / "q.json.gz").write_bytes(gzip.compress((tmp_path / "q.json").read_bytes())[:-12])
    with pytest.raises(VlitError, match="damaged gzip file"):
        collect(tmp_path, {**VQA, "questions": "q.json.gz"})


def test_aokvqa(tmp_path: Path) -> None:
    photo(tmp_path / "images/000000000790.jpg")
    base = {"split": "val", "image_id": 790, "question": "Which country?", "choices": ["spain", "china"]}
    records = [
        {**base, "question_id": "a", "correct_choice_idx": 1, "direct_answers": ["china", "spain", "china"],
         "rationales": ["The  flag.", ""]},
        {**base, "question_id": "b"},  # the test split keeps its answers secret
        {**base, "question_id": "c", "correct_choice_idx": 2},
        {**base, "question_id": "d", "choices": None},
        {**base, "question_id": "e", "correct_choice_idx": 0},
    ]  # fmt: skip
    write(tmp_path / "a.json", records)
    scenes, bad = collect(tmp_path, {"kind": "aokvqa", "images": "images", "questions": "a.json"})
    first, last = scenes["coco:790"].questions
    assert (first.id, first.choices, first.correct, first.rationales) == (
        "question:a", ("spain", "china"), 1, ("The flag.",),
    )  # fmt: skip
    assert first.answers == (Answer(text="china", count=2), Answer(text="spain", count=1))
    assert (last.id, last.correct, last.answers) == ("question:e", 0, ())
    assert reasons(bad) == {
        "question:b": "the question has no answer",
        "question:c": "choice 2 is right, but there are 2 choices",
        "record[3] (id d)": "expected `array`, got `null`",
    }


def test_real_vqa_without_photos() -> None:
    folder = shared_data("vqa-v2")
    scenes, bad = collect(folder, {"kind": "auto", "path": "."}, images="skip")
    assert sum(len(s.questions) for s in scenes.values()) == 8977
    assert all(sum(a.count for a in q.answers) == 10 for s in scenes.values() for q in s.questions)
    assert not bad
    annotations = orjson.loads(gzip.decompress((folder / "annotations_valid.json.gz").read_bytes()))[
        "annotations"
    ]
    expected = annotations[17]
    found = {q.id: q for s in scenes.values() for q in s.questions}[f"question:{expected['question_id']}"]
    assert {a.text for a in found.answers} == {a["answer"] for a in expected["answers"]}
    assert found.kind == expected["answer_type"]
    with pytest.raises(VlitError, match="8,260 x there is no such photo"):
        collect(folder, {"kind": "auto", "path": "."})
