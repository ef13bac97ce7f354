"""A benchmark put to a model of this machine: batches, resumption, photos that are lost, limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from tests.evaluate.toy import Toy, questions
from tests.tune import tiny
from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.evaluate.answerer import About, Answerer, sample_of
from vlit.evaluate.answers import read_answers
from vlit.evaluate.benchmark import RANKED_BY, AnyBenchmark, BenchmarkConfig, RankedConfig
from vlit.evaluate.local import Local, digest_of
from vlit.evaluate.question import Answered, Question
from vlit.evaluate.rank import asked_of
from vlit.evaluate.runner import chosen, run
from vlit.run.progress import Progress

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LLaVA as ``save_pretrained`` writes it, with its chat template."""
    found = tmp_path_factory.mktemp("model")
    tiny.llava(found).save(found / "saved")
    return found / "saved"


class Heard(Progress):
    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.steps, self.lines, self.warnings = 0, list[str](), list[str]()

    def total(self, shards: int | None) -> None:
        self.totals.append(shards)

    def advanced(self) -> None:
        self.steps += 1

    def said(self, text: str) -> None:
        self.lines.append(text)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


class Parrot(Answerer):
    """Says the last word of a question; stops after some, as a killed process does."""

    name = model = "parrot"

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.asked = stop, list[str]()

    def about(self, benchmark: AnyBenchmark, example: Question) -> About:
        return About(weights="1", prompt=example.prompt)

    def answers(
        self, benchmark: AnyBenchmark, questions: Sequence[Question], progress: Progress
    ) -> Iterator[Answered]:
        for number, question in enumerate(reversed(questions)):
            if number == self.stop:
                raise KeyboardInterrupt
            self.asked.append(question.id)
            yield Answered(question=question, text=question.prompt.split()[-1], tokens=1)


def test_a_model_answers_each_question_as_it_does_alone(folder: Path, tmp_path: Path) -> None:
    from vlit.tune.answer import answers
    from vlit.tune.chat.encode import Encoder
    from vlit.tune.chat.template import Template
    from vlit.tune.models.registry import load_model

    asked = questions(9)
    toy = Toy(questions=asked)
    heard = Heard()
    local = Local(str(folder), tmp_path, batch=4)
    found = run(local, toy, toy.load(tmp_path), tmp_path / "a" / "answers.jsonl", progress=heard)
    model = load_model(str(folder))
    encoder = Encoder(model, Template.of(model.tokenizer), max_length=2048)
    prompts = [encoder.prompt(sample_of(question)) for question in asked]
    alone = answers(model, prompts, batch=1, max_new_tokens=6, stops=encoder.stops)
    assert [row.text for row in found.answers.rows] == alone and len(set(alone)) > 3
    assert [row.question for row in found.answers.rows] == asked
    assert heard.totals == [9] and heard.steps == 9 and "saved, Toy: 9 of 9" in heard.lines[-1]
    header = found.answers.header
    assert header.expected == 9 and header.weights == digest_of(folder) and not header.lost
    assert header.decoding == {"precision": "float32", "method": "greedy", "max_new_tokens": 6}
    assert header.prompt.startswith("USER: <image x4>") and header.prompt.rstrip().endswith("ASSISTANT:")


def test_photos_that_cannot_be_opened_cost_their_own_question_and_are_asked_again(
    folder: Path, tmp_path: Path
) -> None:
    asked = questions(5)
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=8, height=8, sha256="0" * 64)
    asked[1] = msgspec.structs.replace(asked[1], images=(gone,))
    asked[2] = msgspec.structs.replace(asked[2], prompt="<image><image> two places, one photo")
    toy, heard = Toy(questions=asked), Heard()
    path = tmp_path / "answers.jsonl"
    local = Local(str(folder), tmp_path, batch=4)
    rows = run(local, toy, toy.load(tmp_path), path, progress=heard).answers.rows
    assert "gone.jpg: the file is missing" in rows[1].problem and rows[1].text is None
    assert "2 <image>, and the sample has 1 images" in rows[2].problem
    assert all(row.text is not None for i, row in enumerate(rows) if i not in (1, 2))
    assert heard.warnings and "2 of 5 questions were not asked" in heard.warnings[0]
    again = run(local, toy, toy.load(tmp_path), path)
    assert again.asked == 2 and [row.problem for row in again.answers.rows] == [row.problem for row in rows]
    scored = toy.scored(rows)
    assert scored[1].parsed.failed and "not asked" in scored[1].parsed.rule and scored[1].value == 0


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    toy = Toy(questions=questions(10))
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    run(Parrot(), toy, toy.load(tmp_path), whole)
    with pytest.raises(KeyboardInterrupt):
        run(Parrot(stop=4), toy, toy.load(tmp_path), parts)
    assert [row.question.id for row in read_answers(parts).rows] == ["q9", "q8", "q7", "q6"]
    rest = Parrot()
    found = run(rest, toy, toy.load(tmp_path), parts)
    assert rest.asked == ["q5", "q4", "q3", "q2", "q1", "q0"] and found.asked == 6
    assert parts.read_bytes().split(b"\n")[1:] == whole.read_bytes().split(b"\n")[1:]
    idle = Parrot()
    assert run(idle, toy, toy.load(tmp_path), parts).asked == 0 and not idle.asked


def test_a_limit_takes_whole_units_and_may_grow(tmp_path: Path) -> None:
    asked = questions(20)
    few = chosen(asked, 6, seed=1)
    assert len(few) == 6 and few == [q for q in asked if q in few]
    assert all(sum(q.unit == one.unit for q in few) == 2 for one in few)
    assert few == [q for q in asked if q in chosen(asked[::-1], 6, seed=1)]
    assert {q.id for q in few} <= {q.id for q in chosen(asked, 10, seed=1)}
    assert chosen(asked, 6, seed=2) != few and len(chosen(asked, 1, seed=1)) == 2
    assert chosen(asked, 20, 1) == chosen(asked, None, 1) == asked
    toy, path = Toy(questions=asked), tmp_path / "answers.jsonl"
    first = run(Parrot(), toy, toy.load(tmp_path), path, limit=6)
    assert len(first.answers.rows) == 6 and first.answers.header.expected == 20
    assert run(Parrot(), toy, toy.load(tmp_path), path, limit=10).asked == 4


def test_what_is_scored_under_a_limit_does_not_depend_on_what_was_asked_before(tmp_path: Path) -> None:
    asked = questions(20)
    toy, path, fresh = Toy(questions=asked), tmp_path / "answers.jsonl", tmp_path / "fresh.jsonl"
    run(Parrot(), toy, toy.load(tmp_path), path)
    for limit, seed in ((6, 1), (4, 2), (1, 3)):
        run(Parrot(), toy, toy.load(tmp_path), fresh, limit=limit, seed=seed)
        few = run(Parrot(), toy, toy.load(tmp_path), path, limit=limit, seed=seed)
        assert few.asked == 0 and list(few.answers.rows) == list(read_answers(fresh).rows)
        assert {row.question.id for row in few.answers.rows} == {q.id for q in chosen(asked, limit, seed)}
    whole = run(Parrot(), toy, toy.load(tmp_path), path)
    assert whole.asked == 0 and len(whole.answers.rows) == 20


def test_answers_of_another_model_are_kept_aside_where_the_caller_wants_it(tmp_path: Path) -> None:
    toy, path, heard = Toy(questions=questions(4)), tmp_path / "answers.jsonl", Heard()
    run(Parrot(), toy, toy.load(tmp_path), path)
    before = path.read_bytes()
    other = Parrot()
    other.about = lambda *_: About(weights="2")  # type: ignore[method-assign]
    with pytest.raises(VlitError, match="weights of the model: 1 there, 2 now"):
        run(other, toy, toy.load(tmp_path), path)
    score = tmp_path / "scores.json"
    score.write_text("of the answers before")
    assert run(other, toy, toy.load(tmp_path), path, aside=[score], progress=heard).asked == 4
    assert (tmp_path / "answers-1.jsonl").read_bytes() == before and "kept as answers-1" in heard.warnings[0]
    assert not score.exists()


def test_ids_that_stand_twice_are_refused(tmp_path: Path) -> None:
    toy = Toy(questions=[*questions(3), questions(1)[0]])
    with pytest.raises(VlitError, match="1 ids stand twice"):
        run(Parrot(), toy, toy.load(tmp_path), tmp_path / "a.jsonl")


def test_a_model_of_few_positions_is_told_apart_from_a_wrong_answer(folder: Path, tmp_path: Path) -> None:
    asked = questions(3)
    asked[1] = msgspec.structs.replace(asked[1], prompt="<image>" + "long " * 2000)
    asked[2] = msgspec.structs.replace(asked[2], prompt="<image>" + "long " * 2001)
    toy, heard = Toy(questions=asked), Heard()
    local = Local(str(folder), tmp_path)
    rows = run(local, toy, toy.load(tmp_path), tmp_path / "a.jsonl", progress=heard).answers.rows
    assert "and there is room for 4,090" in rows[1].problem and rows[0].text is not None
    assert "2 of 3 questions were not asked; 2 x the prompt has … tokens" in heard.warnings[0]


def test_ranking_gives_a_loss_for_each_option_and_the_lowest_is_the_answer(
    folder: Path, tmp_path: Path
) -> None:
    toy = Toy(BenchmarkConfig(protocol="ranking"), questions(3))
    found = run(Local(str(folder), tmp_path), toy, toy.load(tmp_path), tmp_path / "a.jsonl")
    for row, scored in zip(found.answers.rows, toy.scored(found.answers.rows), strict=True):
        assert len(row.losses) == 4 and row.text is None
        assert scored.parsed.value == "ABCD"[row.losses.index(min(row.losses))]
    assert read_answers(tmp_path / "a.jsonl").header.decoding["method"] == "ranking by likelihood"


def test_the_loss_of_an_option_is_what_the_recipe_says_and_the_card_is_told(
    folder: Path, tmp_path: Path
) -> None:
    from vlit.tune.chat.encode import Encoder
    from vlit.tune.chat.template import Template
    from vlit.tune.models.registry import load_model

    found = {}
    for name in get_args(RankedConfig.model_fields["option_loss"].annotation):
        toy = Toy(RankedConfig(protocol="ranking", option_loss=name), questions(2))
        ran = run(Local(str(folder), tmp_path), toy, toy.load(tmp_path), tmp_path / f"{name}.jsonl")
        found[name] = np.array([row.losses for row in ran.answers.rows])
        assert ran.answers.header.decoding["option loss"] == RANKED_BY[name]
    assert set(found) == set(RANKED_BY)
    model = load_model(str(folder))
    encoder = Encoder(model, Template.of(model.tokenizer), max_length=2048)
    whole, short = (
        np.array([[len(option) for option in asked_of(encoder, q, end=end).options] for q in questions(2)])
        for end in (True, False)
    )
    assert (whole - short > 0).all()
    assert np.allclose(found["sum"], found["mean"] * whole, rtol=1e-4)
    assert np.allclose(found["sum_without_end"], found["mean_without_end"] * short, rtol=1e-4)
    assert (found["sum"] > found["sum_without_end"]).all()
