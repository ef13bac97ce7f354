"""Tests of LLaVA-Bench: files in the official layout, relative scores by hand, both orders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Photo

from tests.conftest import shared_data
from tests.teacher.asking import config
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.evaluate.benchmarks.llava_bench import (
    CANDIDATE_FIRST,
    REFERENCE_FIRST,
    LlavaBenchCoco,
    LlavaBenchConfig,
    LlavaBenchWild,
    pairs,
)
from vlit.evaluate.judge import Judged, JudgeHeader, Judgement, Said, digest, judge
from vlit.evaluate.metric import Metric
from vlit.evaluate.question import Answered, Question

FILES: Mapping[str, Any] = {
    "questions": "q.jsonl",
    "context": "c.jsonl",
    "references": "a.jsonl",
    "images": "images",
}


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images; three questions of the first, one of the second; one without a reference answer."""
    (tmp_path / "images").mkdir()
    for name in ("COCO_val2014_000000000001.jpg", "000000000002.jpg"):
        Photo.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    box = {"category": "dog", "bbox": [0.1, 0.2, 0.3, 0.4]}
    first = {"id": "000000000001", "image": "000000000001.jpg", "captions": ["A dog."], "instances": [box]}
    second = {"id": "000000000002", "image": "000000000002.jpg", "captions": ["A cat."], "instances": []}
    lines(tmp_path / "c.jsonl", [first, second])
    names = ["COCO_val2014_000000000001.jpg"] * 3 + ["000000000002.jpg"] * 2 + ["000000000003.jpg"]
    kinds = ["conv", "detail", "complex", "conv", "conv", "conv"]
    lines(
        tmp_path / "q.jsonl",
        [
            {"question_id": i, "image": name, "text": f"Question {i}?", "category": kind}
            for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ],
    )
    lines(tmp_path / "a.jsonl", [{"question_id": i, "text": f"reference {i}"} for i in (3, 2, 1, 0)])
    return tmp_path


def bench(**more: Any) -> LlavaBenchCoco:
    return LlavaBenchCoco(LlavaBenchConfig.model_validate({**FILES, **more}))


def answered(questions: Sequence[Question], *texts: str) -> list[Answered]:
    return [Answered(question=q, text=text) for q, text in zip(questions, texts, strict=True)]


def judged(rows: Sequence[Answered], replies: Mapping[str, Mapping[str, str]]) -> Judged:
    """Replies by question and order."""
    found = {
        row.question.id: Judgement(
            id=row.question.id,
            answer=digest(row),
            said=tuple(Said(ask=a, text=t) for a, t in replies[row.question.id].items()),
        )
        for row in rows
    }
    return Judged(JudgeHeader(benchmark="b", protocol="p", judge="j", prompt="p"), found)


def table(metrics: Sequence[Metric]) -> dict[tuple[str, str], float | None]:
    return {(m.name, m.group): m.value for m in metrics}


def test_official_files_are_joined_by_id_and_image_and_losses_are_told(folder: Path) -> None:
    loaded = bench().load(folder)
    assert [q.id for q in loaded.questions] == ["0", "1", "2", "3"]
    assert loaded.questions[0].extra["context"].splitlines()[0] == "A dog."
    assert "dog: [0.1, 0.2, 0.3, 0.4]" in loaded.questions[0].extra["context"]
    assert loaded.questions[3].extra["context"] == "A cat."  # an image without any box
    assert [q.references for q in loaded.questions] == [(f"reference {i}",) for i in range(4)]
    assert [(r.record.split()[0], r.reason) for r in loaded.lost] == [
        ("4", "there is no reference answer"),
        ("5", "there is no text about this image for the judge"),
    ]
    assert set(loaded.files) == {"q.jsonl", "c.jsonl", "a.jsonl"}


def test_official_names_find_the_photos_of_cocos_folder(folder: Path) -> None:
    """The official questions say 000000000002.jpg; the folder val2014 has COCO_val2014_000000000002.jpg."""
    (folder / "images" / "000000000002.jpg").rename(folder / "images" / "COCO_val2014_000000000002.jpg")
    loaded = bench().load(folder)
    assert [q.id for q in loaded.questions] == ["0", "1", "2", "3"]
    assert loaded.questions[3].images[0].uri.endswith("COCO_val2014_000000000002.jpg")


def test_a_question_without_a_usable_reference_is_lost_once(folder: Path) -> None:
    lines(
        folder / "a.jsonl",
        [{"question_id": 0, "text": ""}, *({"question_id": i, "text": "r"} for i in (1, 2, 3))],
    )
    loaded = bench().load(folder)
    assert [q.id for q in loaded.questions] == ["1", "2", "3"]
    dropped = [row for row in loaded.lost if row.action == "dropped"]
    assert len(loaded.questions) + len(dropped) == 6, "as many as the questions file has"


@pytest.mark.parametrize("instances", [3, None, [None], "dog", [{"category": "dog"}], {"category": "dog"}])
def test_objects_of_another_layout_are_no_context_and_no_crash(folder: Path, instances: Any) -> None:
    lines(folder / "c.jsonl", [{"image": "000000000002.jpg", "captions": ["A cat."], "instances": instances}])
    assert [q.extra["context"] for q in bench().load(folder).questions] == ["A cat."]


def test_relative_score_is_a_ratio_of_means_and_not_a_mean_of_ratios(folder: Path) -> None:
    questions = bench().load(folder).questions
    rows = answered(questions, "w", "x", "y", "z")
    replies = {"0": "10 5\nWhy.", "1": "8 8", "2": "Why.\nAssistant 1: 5\nAssistant 2: 6", "3": "4 4"}
    own = judged(rows, {id: {REFERENCE_FIRST: text} for id, text in replies.items()})
    found = table(bench().aggregate(bench().scored_by(rows, own)))
    assert found["relative score", ""] == pytest.approx(100 * 23 / 27)
    assert found["relative score", "category: conv"] == pytest.approx(100 * 9 / 14)
    assert found["model", "category: conv"] == 4.5
    assert found["reference", "category: conv"] == 7
    assert found["relative score", "category: complex"] == pytest.approx(120)
    assert "order disagreement" not in {name for name, _ in found}


def test_a_reply_without_scores_is_left_out_and_counted_not_averaged_as_minus_one(folder: Path) -> None:
    questions = bench().load(folder).questions
    rows = answered(questions, "w", "x", "y", "z")
    rows[3] = Answered(question=questions[3], problem="the photo cannot be opened")
    replies = {"0": "8 6", "1": "Both are good.", "2": "8 6"}
    own = judged(rows[:3], {id: {REFERENCE_FIRST: text} for id, text in replies.items()})
    scored = bench().scored_by(rows, own)
    whole = bench().aggregate(scored)[0]
    assert whole.value == 75.0  # with [-1, -1] in it, as upstream has it, 73.3
    assert (whole.n, whole.failures, whole.unasked) == (2, 1, 1)
    assert scored[1].value is None and scored[3].value is None
    detail = [m for m in bench().aggregate(scored) if m.group == "category: detail"]
    assert [(m.value, m.n, m.failures) for m in detail[:3]] == [(None, 0, 1)] * 3
    assert detail[3].value == 100.0  # official: -1 for both


def test_official_quirk_failures_are_averaged_as_minus_one_beside_our_number(folder: Path) -> None:
    rows = answered(bench().load(folder).questions, "w", "x", "y", "z")
    replies = {"0": "8 6", "1": "Both are good.", "2": "Why.\nAssistant 1: 8\nAssistant 2: 6", "3": "85 90"}
    scored = bench().scored_by(
        rows, judged(rows, {id: {REFERENCE_FIRST: text} for id, text in replies.items()})
    )
    assert [one.parsed.rule for one in scored] == [
        "first line",
        "judge: no two scores; official parser: -1 -1",
        "named; official parser: -1 -1",
        "judge: no two scores; official parser: 85 90",
    ]
    found = table(bench().aggregate(scored))
    assert found["relative score", ""] == 75.0
    assert found["relative score, official parser", ""] == pytest.approx(
        100 * (6 - 1 - 1 + 90) / (8 - 1 - 1 + 85)
    )


def test_numbers_that_the_judge_repeats_of_an_answer_are_no_scores(folder: Path, tmp_path: Path) -> None:
    rows = answered(bench().load(folder).questions[:1], "The corners are (10, 4) and [0, 1].")

    def says(body: dict[str, Any], *_: Any) -> str:
        return "Assistant 2 names (10, 4).\nIt is right." if len(body["messages"]) == 2 else "[0, 1]\nWhy."

    with ScriptedTeacher(says=says) as server:
        found = judge(bench(), rows, config(server.url), tmp_path / "journal")
    assert found.header.told == {"replies": 1, "sent back": 1, "unreadable": 1, "missing": 0}
    assert bench().scored_by(rows, found)[0].value is None


def test_official_parser_reads_the_first_reply_even_an_empty_one(folder: Path) -> None:
    rows = answered(bench().load(folder).questions[:1], "w")
    found = judged(rows, {"0": {REFERENCE_FIRST: "8 6"}})
    said = Said(ask=REFERENCE_FIRST, text="8 6", first="")  # sent back, as the first reply was empty
    found = Judged(found.header, {"0": Judgement(id="0", answer=digest(rows[0]), said=(said,))})
    scored = bench().scored_by(rows, found)
    assert scored[0].parsed.rule == "first line; official parser: -1 -1"
    assert table(bench().aggregate(scored))["relative score", ""] == 75.0


def test_all_replies_unreadable_give_no_score(folder: Path) -> None:
    rows = answered(bench().load(folder).questions, "w", "x", "y", "z")
    own = judged(rows, {str(i): {REFERENCE_FIRST: "Good."} for i in range(4)})
    whole = bench().aggregate(bench().scored_by(rows, own))[0]
    assert (whole.value, whole.n, whole.failures) == (None, 0, 4)  # upstream: 100.0


def test_both_orders_are_averaged_and_their_disagreement_is_told(folder: Path) -> None:
    own = bench(protocol="both-orders")
    questions = own.load(folder).questions
    rows = answered(questions, "w", "x", "y", "z")
    replies = {
        "0": {REFERENCE_FIRST: "8 6", CANDIDATE_FIRST: "8 6"},  # Assistant 1 always wins
        "1": {REFERENCE_FIRST: "9 7", CANDIDATE_FIRST: "7 9"},  # the reference always wins
        "2": {REFERENCE_FIRST: "8 8", CANDIDATE_FIRST: "6 8"},  # a draw changes nothing
        "3": {REFERENCE_FIRST: "8 6", CANDIDATE_FIRST: "no scores"},  # half a comparison counts for nothing
    }
    scored = own.scored_by(rows, judged(rows, replies))
    assert pairs(scored[0].parsed) == [(8, 6), (6, 8)]
    assert [one.value for one in scored] == [pytest.approx(0.7), 0.7, pytest.approx(0.7), None]
    found = table(own.aggregate(scored))
    assert found["relative score", ""] == pytest.approx(100 * (7 + 7 + 7) / (7 + 9 + 8))
    assert found["order disagreement", ""] == pytest.approx(100 / 3)
    assert own.aggregate(scored)[3].failures == 1


def test_drawn_order_depends_on_seed_and_id_alone(folder: Path) -> None:
    own = bench(protocol="drawn-order")
    questions = [Question(id=str(i), prompt="", references=("r",), extra={"context": "c", "question": "q"})
                 for i in range(50)]  # fmt: skip
    rows = answered(questions, *"x" * 50)
    names = [own.asks(row)[0].name for row in rows]
    assert set(names) == {REFERENCE_FIRST, CANDIDATE_FIRST}
    assert names[::-1] == [own.asks(row)[0].name for row in rows[::-1]]
    assert names != [bench(protocol="drawn-order", judge_seed=2).asks(row)[0].name for row in rows]


def test_answers_cannot_fill_the_slots_of_the_prompt_and_silence_is_shown(folder: Path) -> None:
    row = answered(bench().load(folder).questions[:1], "{context} {second} {0}")[0]
    text = bench().asks(row)[0].text
    assert "{context} {second} {0}" in text and text.count("A dog.") == 1
    silent = bench().asks(Answered(question=row.question, text=" "))[0].text
    assert "(This assistant gave no answer.)" in silent


def test_with_a_real_judge_at_the_end_of_a_line(folder: Path, tmp_path: Path) -> None:
    own = bench(protocol="both-orders")
    rows = answered(own.load(folder).questions, "w", "x", "y", "z")
    rows[1] = Answered(question=rows[1].question, text="")

    def says(body: dict[str, Any], *_: Any) -> str:
        asked = body["messages"][1]["content"]
        return "9 6\nWhy." if asked.index("reference") < asked.index("<<end of Assistant 1>>") else "6 9\nWhy."

    with ScriptedTeacher(says=says) as server:
        found = judge(own, rows, config(server.url), tmp_path / "journal")
        assert len(server.log) == 8 and server.log[0].pictures == 0
    assert table(own.aggregate(own.scored_by(rows, found)))["relative score", ""] == pytest.approx(100 * 6 / 9)
    assert found.header.told["replies"] == 8


def test_in_the_wild_reads_captions_and_prefixed_categories(folder: Path) -> None:
    lines(folder / "c.jsonl", [{"id": 1, "image": "000000000001.jpg", "caption": "A view."}])
    lines(
        folder / "q.jsonl",
        [
            {"question_id": 0, "image": "000000000001.jpg", "text": "Q?", "category": "llava_bench_detail"},
            {"question_id": 1, "image": "000000000001.jpg", "text": "Q?", "category": "poems"},
        ],
    )
    (folder / "images" / "COCO_val2014_000000000001.jpg").rename(folder / "images" / "000000000001.jpg")
    loaded = LlavaBenchWild(LlavaBenchConfig.model_validate(FILES)).load(folder)
    assert [q.groups["category"] for q in loaded.questions] == ["detail", "poems"]
    assert loaded.questions[0].extra["context"] == "A view."
    lines(folder / "c.jsonl", [{"id": 1, "image": "000000000001.jpg", "caption": ["A view.", "A hill."]}])
    several = LlavaBenchWild(LlavaBenchConfig.model_validate(FILES)).load(folder)
    assert several.questions[0].extra["context"] == "A view.\nA hill."
    assert list(loaded.remarks) == ["categories that the official files do not have: poems"]


def test_context_of_another_layout_stops_with_the_reason(folder: Path) -> None:
    lines(folder / "c.jsonl", [{"id": 1, "image": "000000000001.jpg", "caption": "of the other benchmark"}])
    with pytest.raises(VlitError, match="no question can be asked"):
        bench().load(folder)


def test_official_questions_and_contexts_fit(tmp_path: Path) -> None:
    data = shared_data("llava")
    questions = [json.loads(line) for line in (data / "qa90_questions.jsonl").read_text("utf-8").splitlines()]
    (tmp_path / "images").mkdir()
    for name in {q["image"] for q in questions}:
        Photo.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    lines(tmp_path / "a.jsonl", [{"question_id": q["question_id"], "text": "r"} for q in questions])
    own = bench(
        questions=str(data / "qa90_questions.jsonl"), context=str(data / "caps_boxes_coco2014_val_80.jsonl")
    )
    loaded = own.load(tmp_path)
    assert (len(loaded.questions), list(loaded.lost), list(loaded.remarks)) == (90, [], [])
    counts = [sum(q.groups["category"] == kind for q in loaded.questions) for kind in own.categories]
    assert counts == [30, 30, 30]
