"""``vlit evaluate`` and ``vlit score``: tables of 80 columns, scores from answers alone, comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from vlit.cli import group
from vlit.cli.evaluate import _settings
from vlit.cli.score import one_line
from vlit.evaluate.answers import AnswersFile, Header, read_answers
from vlit.evaluate.contamination import Contamination
from vlit.evaluate.question import Answered, Question
from vlit.evaluate.registry import BENCHMARKS
from vlit.evaluate.scores import Number, Scores

pytest.importorskip("torch")

PHOTOS = ("000000000790.jpg", "000000078499.jpg", "000000084284.jpg", "000000107438.jpg")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six questions of the toy benchmark; the working folder is theirs."""
    monkeypatch.setitem(BENCHMARKS._builtin, "file_toy", "tests.evaluate.toy:FileToy")
    monkeypatch.chdir(tmp_path)
    records = [
        {"id": f"q{n}", "question": f"What is number {n}?", "answer": str(n), "image": PHOTOS[n % 4]}
        for n in range(6)
    ]
    (tmp_path / "toy.json").write_text(json.dumps(records))
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(one) for one in arguments])


def evaluated(model: Path, demo: Path, *more: object) -> Result:
    return call("evaluate", model, "--benchmark", "file_toy=toy.json", "--images", demo / "images", *more)


def said(result: Result) -> str:
    """What was printed; no line of it is longer than 80 columns, but for paths."""
    lines = result.output.splitlines()
    assert not [line for line in lines if len(line) > 80 and "/" not in line]
    return result.output


def rewritten(path: Path, texts: list[str]) -> None:
    """The same answers with other texts."""
    head, *lines = path.read_text().splitlines()
    rows = [json.loads(line) | {"text": text} for line, text in zip(lines, texts, strict=True)]
    path.write_text("\n".join([head, *map(json.dumps, rows)]) + "\n")


def test_a_model_is_evaluated_and_its_answers_are_scored_again_alone(
    model: Path, toy: Path, demo: Path
) -> None:
    first = evaluated(model, demo)
    assert first.exit_code == 0, first.exception
    assert "all 6 questions" in said(first) and "card.md" in first.output
    folder = toy / "runs" / "tiny-evaluated" / "evaluation" / "tiny" / "file_toy"
    answers = toy / "moved.jsonl"
    shutil.copy(folder / "answers.jsonl", answers)
    shutil.rmtree(toy / "runs")
    (toy / "toy.json").unlink()
    rewritten(answers, ["0", "1", "two or three", "", "4", "7"])
    scored = call("score", answers)
    assert scored.exit_code == 0 and "50.00" in said(scored)
    assert "2 answers not understood (33.3%): they count as wrong" in scored.output
    beside = answers.with_name("contamination.json")
    for questions, told in ((6, True), (5, False)):
        beside.write_bytes(msgspec.json.encode(Contamination({"0": ()}, questions, 9).record()))
        assert (f"1 of {questions} questions are in the 9" in said(call("score", answers))) is told
    beside.unlink()
    card = call("score", answers, "--card")
    assert card.exit_code == 0 and "| Not understood | 2:" in card.output and "USER: <image x4>" in card.output


def test_intervals_are_drawn_by_the_seed_of_the_answers(toy: Path) -> None:
    settings = {"path": "toy.json"}
    header = Header(benchmark="file_toy", protocol="word", settings=settings, expected=150, model="m", seed=17)
    rows = [
        Answered(question=Question(id=str(i), prompt="?", references=("a",)), text="ab"[i % 3 > 0])
        for i in range(150)
    ]
    lines = [msgspec.json.encode(one) for one in ({"header": header}, *rows)]
    (toy / "answers.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    told = call("score", "answers.jsonl").output
    assert "33.33" in told and told == call("score", "answers.jsonl", "--seed", 17).output
    assert told != call("score", "answers.jsonl", "--seed", 3).output


def test_two_models_are_compared(model: Path, toy: Path, demo: Path) -> None:
    evaluated(model, demo)
    one = toy / "runs" / "tiny-evaluated" / "evaluation" / "tiny" / "file_toy" / "answers.jsonl"
    other = toy / "other.jsonl"
    shutil.copy(one, other)
    rewritten(one, ["0", "-", "-", "-", "-", "5"])
    rewritten(other, ["0", "1", "2", "3", "-", "-"])
    found = call("score", one, other)
    assert found.exit_code == 0, found.output
    assert "  6 questions that both answered\n  accuracy +33.33, 95 % -33.33 to +83.33" in found.output
    assert "better on 3, worse on 1; McNemar p = 0.62" in found.output
    assert "the difference may be chance" in found.output
    same = call("score", one, one)
    assert "accuracy +0.00\n" in same.output and "no answer is worth more or less" in same.output
    lines = other.read_bytes().splitlines(keepends=True)
    other.write_bytes(b"".join(lines[:4]))
    part = call("score", one, other).output
    assert "PARTIAL: 3 of 6 questions" in part
    assert "  3 questions that both answered (6 and 3 are in the files)\n" in part


def test_a_limit_makes_a_partial_score_that_says_so_and_more_can_be_asked_later(
    model: Path, toy: Path, demo: Path
) -> None:
    few = evaluated(model, demo, "--limit", 2)
    assert few.exit_code == 0 and "PARTIAL: 2 of 6 questions" in said(few)
    whole = evaluated(model, demo)
    assert "all 6 questions" in said(whole) and "already done" not in whole.output
    assert "already done" in evaluated(model, demo).output
    again = evaluated(model, demo, "--again")
    assert again.exit_code == 0 and "already done" not in again.output
    (path,) = toy.glob("runs/*/evaluation/*/*/answers.jsonl")
    assert len(read_answers(path).rows) == 6


@pytest.mark.parametrize(
    ("kind", "key"),
    [("seed", "questions"), ("scienceqa", "problems"), ("mmbench", "table"), ("gqa", "questions"),
     ("llava_bench_wild", "questions"), ("mmvet", "questions"), ("coco_captions", "annotations"),
     ("chair", "instances"), ("held_out", "run")],
)  # fmt: skip
def test_the_file_of_a_benchmark_is_its_first_key_that_is_one(kind: str, key: str) -> None:
    assert list(_settings(kind, "", "file.json", None, None)) == [key]


def test_a_terminal_shows_the_parts_that_papers_quote_and_says_that_there_are_more(
    tmp_path: Path,
) -> None:
    asked = [
        Question(id=f"{s}/{n}", prompt="Is there a cat?", references=("yes",), groups={"setting": s}, extra={})
        for s in ("random", "popular", "adversarial")
        for n in range(2)
    ]
    header = Header(benchmark="pope", protocol="short", settings={"images": "."}, expected=6, model="m")
    rows = [Answered(question=q, text="I see a kitchen" if q.id.endswith("1") else "Yes") for q in asked]
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, header, {q.id: q for q in asked}) as file:
        for row in rows:
            file.append(row)
    scored = call("score", path)
    assert scored.exit_code == 0, scored.exception
    said = scored.output
    assert " by setting" in said and "F1, popular" in said and "recall, popular" not in said
    assert "more numbers of parts are in the card" in said
    assert "3 answers not understood (50.0%): yes by the official rule, wrong by the whole" in said
    card = " ".join(call("score", path, "--card").output.split())
    assert "nothing is guessed: yes by the official rule" in card and "recall | setting: popular" in card


def test_where_the_whole_has_no_number_a_line_tells_that_of_the_parts_that_are_there() -> None:
    number = Number(name="F1", group="", value=None, scale=100, n=2, failures=0, unasked=0, interval=None)
    part = msgspec.structs.replace(number, group="1 of 3 settings", value=46.15)
    random = msgspec.structs.replace(part, group="setting: random", value=50)
    scores = Scores(
        benchmark="pope", title="POPE", protocol="short", model="m", headline=("F1", ""),
        metrics=(number, part, random), expected=2, answered=2, unasked=0, lost=0, failures=0,
    )  # fmt: skip
    assert one_line(scores) == "POPE: F1, 1 of 3 settings 46.1, all 2 questions"
    alone = msgspec.structs.replace(scores, metrics=(number, random))
    assert one_line(alone) == "POPE: no score, all 2 questions"


def test_a_dry_run_says_what_would_be_asked(model: Path, toy: Path, demo: Path) -> None:
    found = evaluated(model, demo, "--dry-run", "--limit", 3)
    assert found.exit_code == 0 and "1 model on file_toy, 3 questions of each" in said(found)
    assert not (toy / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--benchmark", "pop=x"], "did you mean 'pope'?"),
        ([], "has no held-out samples"),
        (["--images", "."], "name one"),
        (["--benchmark", "file_toy=none.json"], "no file"),
        (["--benchmark", "file_toy=toy.json", "--protocol", "loud"], "no protocol 'loud'"),
        (["--benchmark", "held_out", "--images", "."], "takes no folder of photos"),
        (["--benchmark", "held_out"], "this run has tuned nothing"),
        (["--benchmark", "file_toy.file=toy.json"], "unknown key"),
        (["--key", "KEY"], "--key is of an --endpoint"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_do(
    model: Path, toy: Path, arguments: list[str], told: str
) -> None:
    found = call("evaluate", model, *arguments)
    assert found.exit_code and told in f"{found.output} {found.exception}"


def test_what_is_left_out_of_a_file_is_told_beside_its_score(model: Path, toy: Path, demo: Path) -> None:
    evaluated(model, demo)
    (path,) = toy.glob("runs/*/evaluation/*/*/answers.jsonl")
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\nno json\n")
    found = said(call("score", path))
    assert "1 ids stood twice among the answers; the first counts" in found
    assert "1 lines of the file were no answers" in found


def test_what_is_no_answers_file_is_told(toy: Path) -> None:
    found = call("score", "toy.json")
    assert found.exit_code and "does not begin with a header of answers" in str(found.exception)
