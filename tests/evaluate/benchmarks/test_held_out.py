"""Held-out samples: their first question, the exact answer by task, and what the majority answer would get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.tune.photos import photos
from vlit.data.encoded import Encoded
from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.data.schema import to_table
from vlit.data.store import part_path, write_part
from vlit.evaluate.benchmarks.held_out import HeldOut, HeldOutConfig, plain, question_of, side
from vlit.evaluate.metric import Metric
from vlit.evaluate.question import Answered
from vlit.run.folder import RunFolder


def sample(name: str, question: str, answer: str, task: str = "presence", photo: int = 0) -> Sample:
    """A sample about one photo, with a second question that nobody may be asked."""
    turns = [("user", f"<image>\n{question}"), ("assistant", answer), ("user", "And?"), ("assistant", "So.")]
    own = tuple(Turn(role=role, text=text) for role, text in turns)  # type: ignore[arg-type]
    return Sample(id=name, turns=own, images=(photos()[photo],), task=task)


SAMPLES = [
    sample("a", "Is there a dog?", "No.", photo=0),
    sample("b", "Is there a cat?", "Yes", photo=1),
    sample("c", "How many?", "3", task="counting", photo=0),
    sample("d", "Where is it?", "It is at [0.100, 0.100, 0.500, 0.500].", task="box", photo=2),
    sample("t1", "Is there a bus?", "no", photo=3),
    sample("t2", "Is there a car?", "No.", photo=3),
    sample("t3", "Is there a man?", "yes", photo=4),
    sample("t4", "How many?", "2", task="counting", photo=4),
]


def run_of(folder: Path, samples: Sequence[Sample], split: dict[str, str], tune: object = None) -> RunFolder:
    run = RunFolder(folder / "run")
    run.path.mkdir(parents=True)
    run.recipe.write_text(yaml.safe_dump({"name": "r", "seed": 1, "tune": tune or {}}))
    write_part(part_path(run.folder("selected"), "0", "x" * 12), to_table(samples, Sample))
    rows = [
        Encoded(id=name, stage="instruct", split=own, length=1, trained=1, ids=b"", labels=b"")  # type: ignore[arg-type]
        for name, own in split.items()
    ]
    if rows:
        write_part(part_path(run.folder("examples"), "0", "x" * 12), to_table(rows, Encoded))
    return run


def held(*names: str) -> dict[str, str]:
    return {s.id: "held_out" if s.id in names else "train" for s in SAMPLES}


def bench(run: str = "run") -> HeldOut:
    return HeldOut(HeldOutConfig(run=run))


def test_the_first_question_of_each_held_out_sample_is_asked(tmp_path: Path) -> None:
    run_of(tmp_path, SAMPLES, held("a", "b", "c", "d"))
    found = bench().load(tmp_path)
    assert [q.id for q in found.questions] == ["a", "b", "c", "d"] and not found.lost
    first = found.questions[0]
    assert first.prompt == "<image>\nIs there a dog?" and first.references == ("No.",)
    assert first.images == (photos()[0],) and first.groups == {"task": "presence"}
    assert first.unit == found.questions[2].unit != found.questions[1].unit  # the same photo
    assert [q.extra.get("majority") for q in found.questions] == ["no", "no", "2", None]
    assert list(found.files) == ["held-out samples"] and bench().load(tmp_path).files == found.files


def test_accuracy_by_task_stands_beside_the_majority_answer_of_training(tmp_path: Path) -> None:
    run_of(tmp_path, SAMPLES, held("a", "b", "c", "d"))
    questions = bench().load(tmp_path).questions
    said = [" no", "NO.", "", "Look: [0.1, 0.1, 0.5, 0.4]"]
    rows = bench().scored([Answered(question=q, text=t) for q, t in zip(questions, said, strict=True)])
    found = {(m.name, m.group): m for m in bench().aggregate(rows)}
    assert next(iter(found)) == bench().metric == ("accuracy", "")

    def told(name: str, group: str = "") -> tuple[float | None, int, int]:
        one: Metric = found[name, group]
        return one.value, one.n, one.failures

    assert told("accuracy") == (25.0, 4, 1)
    assert told("majority answer") == (25.0, 4, 0)  # "no" is right for a alone
    assert told("accuracy", "task: presence") == (50.0, 2, 0)
    assert told("majority answer", "task: presence") == (50.0, 2, 0)
    assert told("accuracy", "task: counting") == (0.0, 1, 1)  # nothing was said: wrong, and counted
    assert told("majority answer", "task: box") == (0.0, 1, 0)  # no training sample has this task
    assert told("box IoU >= 0.5") == (100.0, 1, 0)  # 0.12 of 0.16


def test_yes_and_no_are_told_apart_whatever_the_words(tmp_path: Path) -> None:
    run_of(tmp_path, SAMPLES, held("a", "b", "c"))
    questions = bench().load(tmp_path).questions
    said = ["No, there is none.", "Nobody knows", "Yes"]
    rows = bench().scored([Answered(question=q, text=t) for q, t in zip(questions, said, strict=True)])
    found = {m.name: m for m in bench().aggregate(rows)}
    assert (found["yes or no"].value, found["yes or no"].n, found["yes or no"].failures) == (50.0, 2, 1)
    assert found["majority yes or no"].value == 50.0 and found["majority yes or no"].failures == 0
    assert found["accuracy"].value == 0.0
    assert [side(text) for text in ("(No)", "YES!", "nothing", "yes-man", "I say no", "")] == [
        "no", "yes", None, "yes", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "right"),
    [("It is at [0.3, 0.1, 0.5, 0.5].", 1), ("[0.31, 0.1, 0.5, 0.5]", 0), ("on the left", 0), ("", 0)],
)
def test_a_box_is_found_from_half_overlap_on_and_an_answer_without_one_is_wrong(
    tmp_path: Path, text: str, right: float
) -> None:
    run_of(tmp_path, SAMPLES, held("d"))
    (question,) = bench().load(tmp_path).questions
    rows = bench().scored([Answered(question=question, text=text)])
    (box,) = [m for m in bench().aggregate(rows) if "IoU" in m.name]
    assert box.value == 100 * right and box.n == 1


def test_a_photo_that_was_not_there_is_told_apart_from_a_wrong_answer(tmp_path: Path) -> None:
    run_of(tmp_path, SAMPLES, held("a", "b"))
    questions = bench().load(tmp_path).questions
    rows = [Answered(question=questions[0], problem="gone"), Answered(question=questions[1], text="yes")]
    accuracy, majority, *_ = bench().aggregate(bench().scored(rows))
    assert (accuracy.value, accuracy.unasked, accuracy.failures) == (50.0, 1, 0)
    assert majority.value == 0.0 and majority.unasked == 1


def test_images_that_no_text_places_stand_first_and_those_of_later_turns_are_left_out() -> None:
    one, two = photos()[:2]

    def of(images: tuple[Image, ...], *texts: str) -> Sample:
        roles = ("system", "user", "assistant", "user", "assistant")
        turns = tuple(Turn(role=r, text=t) for r, t in zip(roles, texts, strict=False))  # type: ignore[arg-type]
        return Sample(id="x", turns=turns, images=images)

    unplaced = question_of(of((one, two), "Be brief.", "What differs?", " The sky. "))
    assert unplaced.prompt == "<image><image>What differs?" and unplaced.images == (one, two)
    assert unplaced.extra == {"system": "Be brief."} and unplaced.references == ("The sky.",)
    later = question_of(of((one, two), "s", "<image> What?", "A dog", "<image> And here?", "A cat"))
    assert later.prompt == "<image> What?" and later.images == (one,)
    text = question_of(of((), "s", "Say <image> aloud", "No"))
    assert text.prompt == "Say <image> aloud" and not text.images


def test_examples_of_an_encoder_decoder_are_those_of_their_sample(tmp_path: Path) -> None:
    run_of(tmp_path, SAMPLES, {"a#1": "held_out", "a#2": "held_out", "t1#2": "train"})
    (question,) = bench().load(tmp_path).questions
    assert question.id == "a" and question.extra["majority"] == "no"


@pytest.mark.parametrize(("split", "said"), [({}, "has tuned nothing"), (held(), "has held out no sample")])
def test_a_run_that_held_out_nothing_says_what_to_do(tmp_path: Path, split: dict[str, str], said: str) -> None:
    run_of(tmp_path, SAMPLES, split)
    with pytest.raises(VlitError, match=said):
        bench().load(tmp_path)
    with pytest.raises(VlitError, match="no run"):
        bench("elsewhere").load(tmp_path)
    with pytest.raises(VlitError, match="no run is named"):
        HeldOut(HeldOutConfig()).load(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"), [(" Yes. ", "yes"), ("A  red\nCAR", "a red car"), ("1.5", "1.5"), ("STRASSE", "straße")]
)
def test_case_spaces_and_the_final_stop_make_no_difference(one: str, other: str) -> None:
    assert plain(one) == plain(other)


def test_other_signs_do() -> None:
    assert plain("yes!") != plain("yes") and plain("1.5") != plain("15") and plain("no..") == "no."
