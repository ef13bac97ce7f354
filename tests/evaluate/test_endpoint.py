"""A benchmark put to a server: what is sent, what is kept, and what is told where no reply comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.evaluate.toy import Toy, questions
from tests.teacher.asking import config
from tests.teacher.judging import words_of
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import BenchmarkConfig
from vlit.evaluate.endpoint import Endpoint
from vlit.evaluate.runner import Ran, run
from vlit.teacher.config import TeacherConfig
from vlit.teacher.message import Picture, Text


def number(body: dict[str, Any], digest: str, index: int) -> str:
    """The number that a question names."""
    return words_of(body["messages"][-1]).split("number ")[1].split("?")[0]


def as_is(settings: TeacherConfig) -> TeacherConfig:
    return settings.model_copy(update={"longest_side": None})


def asked(folder: Path, settings: TeacherConfig, toy: Toy) -> Ran:
    return run(Endpoint(settings, folder / "journal"), toy, toy.load(folder), folder / "answers.jsonl")


def test_each_question_is_asked_once_with_its_photo_and_answers_stand_by_their_ids(tmp_path: Path) -> None:
    toy = Toy(questions=questions(12))
    with ScriptedTeacher(says=number) as server:
        found = asked(tmp_path, as_is(config(server.url)), toy)
        again = asked(tmp_path, as_is(config(server.url)), toy)
        assert len(server.log) == 12 and again.asked == 0
        assert sum(call.pictures for call in server.log) == 9
        assert {call.max_tokens for call in server.log} == {6}
        assert all("temperature" in call.fields for call in server.log)
    assert [row.text for row in found.answers.rows] == [str(n) for n in range(12)]
    assert again.answers.rows == found.answers.rows
    header = found.answers.header
    assert header.model == "scripted" and header.template == "the server's own" and not header.weights
    assert header.prompt == "user: <image>\nWhat is number 0?"


def test_text_and_photos_are_sent_in_the_order_of_the_prompt(tmp_path: Path) -> None:
    one = questions(2)
    photos = (one[0].images[0], one[1].images[0])
    both = msgspec.structs.replace(one[0], images=photos, prompt="First <image>, then <image>: what changed?")
    endpoint, toy = Endpoint(as_is(config("http://127.0.0.1:1/v1")), tmp_path), Toy()
    (message,) = endpoint.request(toy, both).messages
    assert [p.text if isinstance(p, Text) else p.sha256 for p in message.parts] == [
        "First", photos[0].sha256, ", then", photos[1].sha256, ": what changed?",
    ]  # fmt: skip
    unplaced = msgspec.structs.replace(both, prompt="What changed?", extra={"system": "Be brief."})
    system, user = endpoint.request(toy, unplaced).messages
    assert system.text == "Be brief." and [isinstance(p, Picture) for p in user.parts] == [True, True, False]


def test_what_the_server_refuses_is_no_answer_and_the_others_go_on(tmp_path: Path) -> None:
    own = questions(4)
    own[1] = msgspec.structs.replace(own[1], prompt=own[1].prompt + " at length" * 400)
    toy = Toy(questions=own)
    with ScriptedTeacher(says=number, longest=1000) as server:
        rows = asked(tmp_path, as_is(config(server.url)), toy).answers.rows
    assert rows[1].problem.startswith("too_long: ") and rows[1].text is None
    assert [row.text for row in rows] == ["0", None, "2", "3"] and toy.scored(rows)[1].value == 0.0


def test_a_server_that_is_not_there_stops_it_and_the_same_call_goes_on_later(tmp_path: Path) -> None:
    toy = Toy(questions=questions(4))
    with pytest.raises(VlitError, match="has not answered"):
        asked(tmp_path, as_is(config("http://127.0.0.1:1/v1", deadline=0.3, attempts=1)), toy)
    with ScriptedTeacher(says=number) as server:
        found = asked(tmp_path, as_is(config(server.url)), toy)
    assert found.asked == 4 and [row.text for row in found.answers.rows] == list("0123")


def test_photos_and_replies_that_are_not_there_cost_their_own_question(tmp_path: Path) -> None:
    own = questions(5)
    gone = msgspec.structs.replace(own[0].images[0], uri=str(tmp_path / "gone.jpg"))
    own[0] = msgspec.structs.replace(own[0], images=(gone,))
    own[1] = msgspec.structs.replace(own[1], prompt="<image><image> What is number 1?")
    toy = Toy(questions=own)
    with ScriptedTeacher(says=lambda *a: "" if number(*a) == "2" else number(*a)) as server:
        rows = asked(tmp_path, as_is(config(server.url)), toy).answers.rows
    assert "missing" in rows[0].problem and "2 <image>, and there are 1 images" in rows[1].problem
    assert rows[2].text == "" and not rows[2].problem  # said nothing: an answer, and a wrong one
    assert [row.text for row in rows[3:]] == ["3", "4"]
    assert toy.scored(rows)[2].parsed.failed


def test_the_budget_ends_the_asking_and_what_was_not_asked_is_told(tmp_path: Path) -> None:
    toy = Toy(questions=[q for q in questions(160) if not q.images])
    with ScriptedTeacher(says=number) as server:
        settings = as_is(config(server.url, concurrency=1, budget={"tokens": 200}))
        rows = asked(tmp_path, settings, toy).answers.rows
    spent = [row for row in rows if row.problem]
    assert 0 < len(spent) < len(rows) and {row.problem for row in spent} == {"the budget was spent before"}


def test_a_server_cannot_rank(tmp_path: Path) -> None:
    toy = Toy(BenchmarkConfig(protocol="ranking"), questions(2))
    with pytest.raises(VlitError, match="cannot rank options"):
        asked(tmp_path, config("http://127.0.0.1:1/v1"), toy)
