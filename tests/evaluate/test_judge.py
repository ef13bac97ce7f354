"""Tests of asking a judge: a real scripted server, a real journal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.teacher.asking import config
from tests.teacher.server import ScriptedTeacher
from vlit.data.errors import VlitError
from vlit.evaluate.benchmark import Loaded
from vlit.evaluate.judge import (
    Ask,
    JudgedBenchmark,
    JudgedConfig,
    JudgePrompt,
    Said,
    judge,
    read_judged,
    write_judged,
)
from vlit.evaluate.metric import Metric, accuracy
from vlit.evaluate.parsing.judged import unit_score
from vlit.evaluate.question import Answered, Parsed, Question, Scored


class Small(JudgedBenchmark[JudgedConfig]):
    """A benchmark of one number."""

    name = "small"
    title = "Small"
    source = "this test"
    protocols: ClassVar[tuple[str, ...]] = ("plain",)
    judge_prompt = JudgePrompt("small", "Grade.", "{answer}", "Again: {flaw}")
    Config = JudgedConfig

    def load(self, base: Path) -> Loaded:
        return Loaded([], {})

    def asks(self, row: Answered) -> Sequence[Ask]:
        return [Ask("grade", row.text or "", r) for r in range(self.config.rounds)] if row.text else []

    def parse(self, question: Question, text: str) -> Parsed:
        return unit_score(text)

    def score(self, question: Question, parsed: Parsed) -> float:
        return float(parsed.value or 0)

    def verdict(self, row: Answered, said: Sequence[tuple[Said, Parsed]]) -> Scored:
        failed = next((parsed for _, parsed in said if parsed.failed), None)
        if failed:
            return Scored(row, failed, None)
        value = sum(self.score(row.question, parsed) for _, parsed in said) / max(len(said), 1)
        return Scored(row, Parsed(f"{value:g}"), value)

    def aggregate(self, rows: Sequence[Scored]) -> list[Metric]:
        return [accuracy(rows)]


def row(id: str, text: str | None, problem: str = "") -> Answered:
    return Answered(question=Question(id=id, prompt="What?"), text=text, problem=problem)


def says(body: dict[str, Any], _: str, __: int) -> str | None:
    first, last = body["messages"][1]["content"], body["messages"][-1]["content"]
    again = len(body["messages"]) > 2
    return {
        "good": "Score: 0.75",
        "mended": "Score: 0.5" if again and "no number" in last else "fine",
        "never": "well",
        "seeds": f"Score: 0.{body['seed']}",
    }.get(first, "Score: 0")


def test_replies_are_read_sent_back_once_and_never_guessed(tmp_path: Path) -> None:
    rows = [row("a", "good"), row("b", "mended"), row("c", "never"), row("d", ""), row("e", None, "no photo")]
    bench = Small(JudgedConfig())
    with ScriptedTeacher(says=says, models=("scripted",)) as server:
        judged = judge(bench, rows, config(server.url), tmp_path / "journal")
        calls = len(server.log)
        assert calls == 5  # good; mended twice; never twice; the empty one needs no judge
        again = judge(bench, rows, config(server.url), tmp_path / "journal")
        assert len(server.log) == calls  # nothing is paid twice
    assert again == judged
    scored = bench.scored_by(rows, judged)
    assert [one.value for one in scored] == [0.75, 0.5, None, 0.0, None]
    assert scored[2].parsed.rule == "judge: no number between 0 and 1"
    assert scored[4].parsed.rule == "not asked: no photo"
    assert judged.judgements["b"].said[0].first == "fine"
    assert judged.header.told == {"replies": 3, "sent back": 2, "unreadable": 1, "missing": 0}
    assert judged.header.judge == "scripted"
    assert judged.header.prompt == f"small {Small.judge_prompt.version}"
    assert len(judged.header.dates) == 2 and judged.header.dates[0] >= "2024"


def test_rounds_have_seeds_of_their_own(tmp_path: Path) -> None:
    bench = Small(JudgedConfig(rounds=3, judge_seed=2))
    with ScriptedTeacher(says=says) as server:
        judged = judge(bench, [row("a", "seeds")], config(server.url), tmp_path)
    assert [said.text for said in judged.judgements["a"].said] == ["Score: 0.2", "Score: 0.3", "Score: 0.4"]
    assert bench.scored_by([row("a", "seeds")], judged)[0].value == pytest.approx(0.3)


def test_calls_that_fail_are_told_and_not_averaged(tmp_path: Path) -> None:
    rows = [row(str(i), f"answer {i}") for i in range(20)]
    bench = Small(JudgedConfig())
    with ScriptedTeacher(says=lambda *_: "1.0", faults={"filter_400": 0.4}, seed=3) as server:
        judged = judge(bench, rows, config(server.url), tmp_path)
    scored = bench.scored_by(rows, judged)
    missing = [one for one in scored if one.value is None]
    assert 0 < len(missing) < 20 and judged.header.told["missing"] == len(missing)
    assert all("no reply (filtered)" in one.parsed.rule for one in missing)
    assert bench.aggregate(scored)[0].value == 100.0
    assert bench.aggregate(scored)[0].n == 20 - len(missing)


def test_a_number_that_was_cut_at_the_length_of_the_reply_is_no_score(tmp_path: Path) -> None:
    bench = Small(JudgedConfig(judge_tokens=16))
    long = "so " * 14 + "Score: 0. 5"  # the server ends it behind the sixteenth word, "0."
    with ScriptedTeacher(says=lambda *_: long) as server:
        judged = judge(bench, [row("a", "x")], config(server.url), tmp_path)
    said = judged.judgements["a"].said[0]
    assert (said.first, said.text) == ("so " * 14 + "Score: ",) * 2
    assert bench.scored_by([row("a", "x")], judged)[0].value is None


def test_what_is_not_asked_for_want_of_money_is_told(tmp_path: Path) -> None:
    bench = Small(JudgedConfig())
    with ScriptedTeacher(says=lambda *_: "1.0") as server:
        settings = config(server.url, budget={"tokens": 0})
        judged = judge(bench, [row("a", "x")], settings, tmp_path)
    assert "budget" in bench.scored_by([row("a", "x")], judged)[0].parsed.rule


def test_file_of_the_judge_holds_all_that_scores_need(tmp_path: Path) -> None:
    rows = [row("a", "good"), row("b", "never")]
    bench = Small(JudgedConfig())
    with ScriptedTeacher(says=says) as server:
        judged = judge(bench, rows, config(server.url), tmp_path / "journal")
    write_judged(tmp_path / "judged.jsonl", judged)
    assert read_judged(tmp_path / "judged.jsonl") == judged
    other = [row("a", "good, but another answer"), row("new", "good")]
    assert [(one.value, one.parsed.rule) for one in bench.scored_by(other, judged)] == [
        (None, "the judge saw another answer"),
        (None, "it was not judged"),
    ]


def test_the_file_says_how_was_judged_also_where_all_is_as_by_default(tmp_path: Path) -> None:
    with ScriptedTeacher(says=says) as server:
        judged = judge(Small(JudgedConfig()), [row("a", "good")], config(server.url), tmp_path / "journal")
    write_judged(tmp_path / "judged.jsonl", judged)
    header = json.loads((tmp_path / "judged.jsonl").read_text().splitlines()[0])["header"]
    assert {key: header[key] for key in ("judge", "seed", "temperature", "rounds")} == {
        "judge": "scripted",
        "seed": 1,
        "temperature": 0.2,
        "rounds": 1,
    }


def test_days_are_those_of_the_replies_and_not_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, rows = Small(JudgedConfig()), [row("a", "good"), row("b", "mended")]
    with ScriptedTeacher(says=says) as server:
        settings = config(server.url)
        for day, some in ((1_700_000_000, rows[:1]), (1_700_200_000, rows)):
            monkeypatch.setattr("vlit.teacher.journal._now", lambda day=day: float(day))
            judged = judge(bench, some, settings, tmp_path)
        assert judged.header.dates == ("2023-11-14", "2023-11-17")
        monkeypatch.undo()
        assert judge(bench, rows, settings, tmp_path).header.dates == ("2023-11-14", "2023-11-17")
        assert judge(bench, rows[:1], settings, tmp_path).header.dates == ("2023-11-14", "2023-11-14")


MANY = [row(f"q{n}", f"answer {n}") for n in range(40)]


def many(url: str, folder: Path) -> None:
    """Two replies to each of 40 answers, of which a tenth is sent back: 88 calls, four at once."""
    judged = judge(Small(JudgedConfig(rounds=2)), MANY, config(url, concurrency=4), folder / "journal")
    write_judged(folder / "judged.jsonl", judged)


def test_a_judge_that_is_killed_goes_on_and_pays_again_for_what_was_under_way_alone(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[bytes]:
        code = (
            "import sys; from tests.evaluate.test_judge import Path, many; many(sys.argv[1], Path(sys.argv[2]))"
        )
        return subprocess.Popen([sys.executable, "-c", code, server.url, str(tmp_path / "killed")])

    def asks(body: dict[str, Any], *_: Any) -> str:
        return "well" if body["messages"][1]["content"].endswith("3") else f"Score: 0.{body['seed']}"

    with ScriptedTeacher(says=asks, latency=0.04) as server:
        child = start()
        while len(server.log) < 40 and child.poll() is None:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert start().wait() == 0
        calls = len(server.log)
        many(server.url, tmp_path / "whole")
        assert len(server.log) - calls == 88
        assert 88 <= calls <= 88 + 4 + 4, "four calls, and four replies on their way to the disk"
    killed, whole = (read_judged(tmp_path / name / "judged.jsonl") for name in ("killed", "whole"))
    assert killed.judgements == whole.judgements
    assert killed.header.told == whole.header.told
    assert whole.header.told == {"replies": 80, "sent back": 8, "unreadable": 8, "missing": 0}


@pytest.mark.parametrize("text", ["", "{}\n", '{"header": {}}\n', '{"benchmark": 1}\n'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "judged.jsonl").write_text(text)
    with pytest.raises(VlitError, match=r"line 1"):
        read_judged(tmp_path / "judged.jsonl")


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    header = '{"header":{"benchmark":"small","protocol":"plain","judge":"j","prompt":"p"}}\n'
    (tmp_path / "judged.jsonl").write_text(header + '{"id":"a","answer":"x"}\n' * 2)
    with pytest.raises(VlitError, match=r"twice[\s\S]*line 3"):
        read_judged(tmp_path / "judged.jsonl")


def test_without_a_judge_nothing_is_scored() -> None:
    with pytest.raises(VlitError, match="scored by a judge"):
        Small(JudgedConfig()).scored_by([row("a", "x")], None)
