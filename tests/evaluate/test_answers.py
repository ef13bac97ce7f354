"""Answers are kept as they come: half a line is none, nothing foreign gets in, equal ones give equal bytes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.evaluate.toy import questions
from vlit.data.errors import VlitError
from vlit.evaluate.answers import AnswersFile, Header, read_answers
from vlit.evaluate.question import Answered

ASKED = questions(6)
KNOWN = {question.id: question for question in ASKED}
HEADER = Header(
    benchmark="toy", protocol="word", files={"toy.json": "ab"}, expected=6, model="m", weights="w", date="then"
)


def row(number: int, text: str = "dog") -> Answered:
    return Answered(question=ASKED[number], text=text, tokens=1)


def filled(path: Path, *numbers: int) -> Path:
    with AnswersFile(path, HEADER, KNOWN) as file:
        for number in numbers:
            file.append(row(number, f"answer {number}\nof two lines"))
    return path


def test_what_is_written_is_read_with_its_questions_and_header(tmp_path: Path) -> None:
    found = read_answers(filled(tmp_path / "a" / "answers.jsonl", 3, 0))
    assert found.header == HEADER and not found.repeated and not found.damaged
    assert list(found.rows) == [row(3, "answer 3\nof two lines"), row(0, "answer 0\nof two lines")]


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_half_a_line_is_no_answer_and_writing_goes_on_behind_the_last_whole_one(
    tmp_path: Path, cut: int
) -> None:
    path = filled(tmp_path / "answers.jsonl", 0, 1, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert [r.question.id for r in read_answers(path).rows] == ["q0", "q1"]
    with AnswersFile(path, HEADER, KNOWN) as file:
        assert set(file.found) == {"q0", "q1"}
        file.append(row(2, "answer 2\nof two lines"))
    assert path.read_bytes() == whole


def test_answers_are_on_the_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, HEADER, KNOWN) as file:
        file.append(row(4))
        assert [r.question.id for r in read_answers(path).rows] == ["q4"]


def test_the_same_answers_in_another_order_settle_to_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name, numbers in (("a", (0, 1, 2)), ("b", (2, 0, 1))):
        with AnswersFile(tmp_path / name, HEADER, KNOWN) as file:
            for number in numbers:
                file.append(row(number))
            file.settle(KNOWN)
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]


def test_an_id_that_stands_twice_is_named_and_its_first_answer_counts(tmp_path: Path) -> None:
    path = filled(tmp_path / "answers.jsonl", 0)
    with path.open("ab") as handle:
        handle.write(msgspec.json.encode(row(0, "another")) + b"\n{}\nno json\n")
    found = read_answers(path)
    assert found.repeated == ("q0",) and found.damaged == 2
    assert [r.text for r in found.rows] == ["answer 0\nof two lines"]


def test_one_that_could_not_be_asked_is_replaced_by_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, HEADER, KNOWN) as file:
        file.append(Answered(question=ASKED[0], problem="the photo is missing"))
        file.append(row(0, "there"))
    found = read_answers(path)
    assert [r.text for r in found.rows] == ["there"] and not found.repeated


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": "other"}, "weights of the model: other there, w now"),
        ({"protocol": "ranking"}, "protocol: ranking there"),
        ({"decoding": {"max_new_tokens": 3}}, "max_new_tokens 3 there, none now"),
        ({"files": {"toy.json": "cd"}}, "toy.json cd there, toy.json ab now"),
    ],
)
def test_answers_of_another_evaluation_are_refused_by_what_differs(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, msgspec.structs.replace(HEADER, **change), KNOWN) as file:
        file.append(row(1))
    before = path.read_bytes()
    with pytest.raises(VlitError, match=said):
        AnswersFile(path, HEADER, KNOWN)
    assert path.read_bytes() == before


def test_a_question_that_was_reworded_is_refused_and_a_photo_that_was_moved_is_not(tmp_path: Path) -> None:
    path = filled(tmp_path / "answers.jsonl", 0, 1)
    replace = msgspec.structs.replace
    moved = replace(ASKED[0], images=tuple(replace(i, uri="/elsewhere.jpg") for i in ASKED[0].images))
    assert set(AnswersFile(path, HEADER, {**KNOWN, "q0": moved}).found) == {"q0", "q1"}
    with pytest.raises(VlitError, match="1 of 2 questions, such as q1, differ"):
        AnswersFile(path, HEADER, {**KNOWN, "q1": replace(ASKED[1], prompt="?")})


def test_answers_stay_when_what_they_are_scored_by_is_put_right(tmp_path: Path) -> None:
    path = filled(tmp_path / "answers.jsonl", 0, 1)
    right = msgspec.structs.replace(ASKED[0], references=("B",), groups={"kind": "odd"}, extra={"x": 1})
    with AnswersFile(path, HEADER, {**KNOWN, "q0": right}) as file:
        assert file.found["q0"].question == right and file.found["q0"].text == "answer 0\nof two lines"
    assert read_answers(path).rows[0].question == right
    other = msgspec.structs.replace(ASKED[0], options=("a dog",))
    with pytest.raises(VlitError, match="1 of 2 questions, such as q0, differ"):
        AnswersFile(path, HEADER, {**KNOWN, "q0": other})


def test_answers_to_ids_that_the_benchmark_has_not_are_counted_and_put_aside(tmp_path: Path) -> None:
    path = filled(tmp_path / "answers.jsonl", 0, 1, 2)
    with AnswersFile(path, HEADER, {"q0": ASKED[0]}) as file:
        assert file.unknown == ("q1", "q2")
    assert [r.question.id for r in read_answers(path).rows] == ["q0"]
    spare = tmp_path / "answers.spare.jsonl"
    assert [r.question.id for r in read_answers(spare).rows] == [
        "q0",
        "q1",
        "q2",
    ]  # before any leaves the other
    with AnswersFile(path, HEADER, {"q0": ASKED[0]}) as file:
        assert file.unknown == ()
        file.settle(["q0"])
    assert [r.question.id for r in read_answers(spare).rows] == ["q1", "q2"]
    with AnswersFile(path, HEADER, KNOWN) as file:
        assert [file.found[f"q{n}"].text for n in range(3)] == [f"answer {n}\nof two lines" for n in range(3)]
        file.settle(KNOWN)
    assert len(read_answers(path).rows) == 3 and not spare.exists()


def test_a_kill_while_answers_change_files_loses_none_and_doubles_none(tmp_path: Path) -> None:
    path = filled(tmp_path / "answers.jsonl", 0, 1, 2)
    with AnswersFile(path, HEADER, KNOWN) as file:
        file.settle(["q1"])
    alone = path.read_bytes()
    spare = (tmp_path / "answers.spare.jsonl").read_bytes()
    both = filled(tmp_path / "whole.jsonl", 0, 1, 2).read_bytes()
    for main, beside in ((both, spare), (both, both), (alone, both)):  # whatever was written last
        path.write_bytes(main)
        (tmp_path / "answers.spare.jsonl").write_bytes(beside)
        with AnswersFile(path, HEADER, KNOWN) as file:
            assert set(file.found) == {"q0", "q1", "q2"} and not file.repeated and not file.unknown
            file.settle(["q1"])
        assert path.read_bytes() == alone
        assert {r.question.id for r in read_answers(tmp_path / "answers.spare.jsonl").rows} == {"q0", "q2"}
    path.unlink()  # who deletes it wants to begin anew
    assert not AnswersFile(path, HEADER, KNOWN).found


def test_the_date_is_that_of_the_first_answers_and_the_rest_of_the_header_is_as_now(tmp_path: Path) -> None:
    path = filled(tmp_path / "answers.jsonl", 0)
    with AnswersFile(path, msgspec.structs.replace(HEADER, date="now", vlit="9"), KNOWN):
        pass
    assert read_answers(path).header == msgspec.structs.replace(HEADER, vlit="9")


@pytest.mark.parametrize("content", [b"", b"\n", b'{"id": 1}\n', b"\xff\xfe\n"])
def test_what_is_no_file_of_answers_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(VlitError, match="does not begin with a header"):
        read_answers(path)
    with pytest.raises(VlitError, match="No such file"):
        read_answers(tmp_path / "none.jsonl")


def test_files_that_were_put_together_are_refused(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "one.jsonl", 0, 1), filled(tmp_path / "other.jsonl", 2)
    both = tmp_path / "both.jsonl"
    both.write_bytes(one.read_bytes() + other.read_bytes())
    with pytest.raises(VlitError, match="a second header"):
        read_answers(both)
    head, *rows = one.read_bytes().splitlines(keepends=True)
    both.write_bytes(head.replace(b'"expected":6', b'"expected":1') + b"".join(rows))
    with pytest.raises(VlitError, match="2 answers, and its header tells of 1 questions"):
        read_answers(both)
