"""Graded complexity: the expectation over probabilities by hand, tokens of 10, and what is done without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judge.asked import asked_of, judge, part_of, sample, sent_back, teacher_at
from tests.teacher import odds
from tests.teacher.server import ScriptedTeacher
from vlit.assess.judge.complexity import JudgedComplexity, JudgedComplexityConfig
from vlit.assess.judge.digits import expected, read_score
from vlit.data.score import Score
from vlit.teacher.probabilities import tokens_of
from vlit.teacher.reply import Choice, Token


def token(text: str, **top: float) -> Token:
    """A token with the probabilities of what could stand there; ``_`` begins names of numbers."""
    pairs = {name.lstrip("_"): p for name, p in top.items()}
    return Token(text, math.log(pairs.get(text, 1.0)), tuple((t, math.log(p)) for t, p in pairs.items()))


def grades(**config: Any) -> JudgedComplexity:
    return JudgedComplexity(JudgedComplexityConfig(**config), seed=3)


def score_of(*tokens: Token) -> float:
    found = expected(tokens)
    assert found is not None
    return found.score


def test_the_expectation_by_hand() -> None:
    # (0.6 * 7 + 0.3 * 8) / 0.9: what is no score does not count.
    assert score_of(token("7", _7=0.6, _8=0.3, the=0.1)) == pytest.approx(6.6 / 0.9)


def test_blanks_before_a_number_do_not_count_nor_what_comes_before_it() -> None:
    row = (
        token("Score", Score=1.0),
        token(":"),
        Token(" 7", -0.7, ((" 7", math.log(0.5)), ("8", math.log(0.5)))),
    )
    assert score_of(*row) == pytest.approx(7.5)
    assert score_of(Token("▁4", 0.0, (("▁4", 0.0),))) == 4.0


def test_ten_as_one_token() -> None:
    assert score_of(token("10", _10=0.5, _9=0.3, _1=0.2)) == pytest.approx(0.5 * 10 + 0.3 * 9 + 0.2 * 1)


def test_ten_as_two_tokens_is_told_apart_from_one_by_what_follows() -> None:
    first = token("1", _1=0.6, _9=0.4)
    assert score_of(first, token("0", **{"_0": 0.75, "/": 0.25})) == pytest.approx(0.4 * 9 + 0.45 * 10 + 0.15)
    assert score_of(first, token("/", **{"/": 0.9, "_0": 0.1})) == pytest.approx(0.4 * 9 + 0.06 * 10 + 0.54)
    assert score_of(first) == pytest.approx(0.4 * 9 + 0.6)  # nothing follows


def test_a_one_that_may_go_on_is_given_to_the_nearer_end_and_told() -> None:
    high = expected([token("9", _9=0.8, _1=0.2)])
    low = expected([token("2", _2=0.8, _1=0.2)])
    assert high is not None and low is not None
    assert high.score == pytest.approx(9.2) and low.score == pytest.approx(1.8)
    assert high.unsure == low.unsure == pytest.approx(0.2)


def test_where_probabilities_do_not_tell_a_score_there_is_none() -> None:
    assert expected([]) is None
    assert expected([token("many", many=1.0)]) is None
    assert expected([Token("7", -0.1)]) is None  # no alternatives are told
    assert expected([token("7", _7=0.3, It=0.7)]) is None  # it rather meant to say something else


@pytest.mark.parametrize("kind", ["whole", "digits", "plain"])
@pytest.mark.parametrize("number", range(1, 11))
def test_every_tokenizer_gives_the_same_score(kind: str, number: int) -> None:
    told = odds.told(f"{number}/10", 20, kind)
    mean = sum(k * p for k, p in odds.spread(number).items())
    found = expected(tokens_of(told))
    assert found is not None
    if kind == "digits" and number == 9:  # 10 is hidden behind a "1" that the reply does not follow
        assert found.unsure == pytest.approx(0.2)
    assert found.score == pytest.approx(mean, abs=1e-4)


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(-50, 0)), max_size=12), st.integers(0, 12))
def test_a_score_always_lies_on_the_scale(pairs: list[tuple[str, float]], number: int) -> None:
    found = expected([Token(str(number), -0.5, tuple(pairs))])
    assert found is None or (1 <= found.score <= 10 and 0 <= found.unsure <= 1)


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("7/10", 7),
        ("7", 7),
        (" **10 / 10**.", 10),
        ("Score: 3", 3),
        ("<think>Is it 5 or 6?</think>6/10", 6),
        ("0/10", None),
        ("11/10", None),
        ("7.5/10", None),
        ("-3", None),
        ("It is a 7", None),
        ("7 or 8", None),
        ("<think>7/10", None),
        ("", None),
    ],
)
def test_only_a_score_alone_is_read(reply: str, score: int | None) -> None:
    found = read_score(Choice(reply))
    assert (found if isinstance(found, int) else None) == score


def says(numbers: dict[str, list[str]]) -> Any:
    def reply(body: dict[str, Any], digest: str, index: int) -> str:
        said = next(said for word, said in numbers.items() if word in asked_of(body))
        return said[index % len(said)]

    return reply


def run(
    tmp_path: Path, replies: Any, texts: list[str], server: dict[str, Any] | None = None, **config: Any
) -> Any:
    indicator = grades(**config)
    part = part_of([sample(text, "An answer.", id=str(n)) for n, text in enumerate(texts)])
    with ScriptedTeacher(says=replies, **(server or {})) as scripted:
        found = judge(indicator, part, teacher_at(scripted.url), tmp_path / "journal")
        log = list(scripted.log)
    dead = judge(indicator, part, teacher_at(), tmp_path / "journal", asking=False)
    assert dead == found  # from the journal alone, with nobody to ask
    return found, orjson.loads(indicator.summarise(found).detail), log


@pytest.mark.parametrize("kind", ["whole", "digits"])
def test_probabilities_over_http(tmp_path: Path, kind: str) -> None:
    replies = says({"Plan": ["8/10"], "Is it": ["1/10"], "Weigh": ["10/10"]})
    found, detail, log = run(tmp_path, replies, ["Plan it.", "Is it?", "Weigh it."], {"logprobs": kind})
    # 8: 0.5 * 8 + 0.3 * 7 + 0.2 * 9; 1: 0.8 * 1 + 0.2 * 2; 10: 0.7 * 10 + 0.3 * 9
    assert [s.value for s in found] == pytest.approx([7.9, 1.2, 9.7], abs=1e-5)
    assert {s.reason for s in found} == {"expectation over token probabilities"}
    assert (detail["by_probabilities"], detail["by_sampled_scores"]) == (3, 0)
    assert len(log) == 3 and all(call.n == 1 and "top_logprobs" in call.fields for call in log)


@pytest.mark.parametrize(
    "server",
    [{"logprobs": "none"}, {"logprobs": "chosen"}, {"refuses": ("top_logprobs",)}, {"most_logprobs": 5}],
    ids=str,
)
def test_a_server_without_probabilities_gives_the_mean_of_sampled_scores(
    tmp_path: Path, server: dict[str, Any]
) -> None:
    replies = says({"Plan": ["8/10", "7/10", "8/10", "9/10", "7/10"]})
    found, detail, _ = run(tmp_path, replies, ["Plan it."], {"vary": True} | server)
    assert found[0].value == pytest.approx(39 / 5)
    assert found[0].reason == "mean of sampled scores: 8, 7, 8, 9, 7"
    assert (detail["by_probabilities"], detail["by_sampled_scores"]) == (0, 1)


def test_fewer_alternatives_suit_servers_that_tell_five(tmp_path: Path) -> None:
    found, _, log = run(tmp_path, says({"": ["5/10"]}), ["Plan it."], {"most_logprobs": 5}, alternatives=5)
    assert found[0].value == pytest.approx(4.9, abs=1e-5) and len(log) == 1


def test_sampled_scores_can_be_asked_for_at_once(tmp_path: Path) -> None:
    found, _, log = run(tmp_path, says({"": ["5/10", "6/10"]}), ["Plan it."], alternatives=0, samples=3)
    assert found[0].value == pytest.approx(16 / 3)
    assert [call.n for call in log] == [3] and "logprobs" not in log[0].fields


def test_a_reply_that_is_no_score_is_sent_back_once(tmp_path: Path) -> None:
    def replies(body: dict[str, Any], digest: str, index: int) -> str:
        good = sent_back(body) and "Plan" in asked_of(body)
        return "6/10" if good else "It depends on many things, 3 at least."

    found, _, log = run(tmp_path, replies, ["Plan it.", "Other."], samples=1)
    assert found[0].value == 6.0 and found[0].reason == "mean of sampled scores: 6"
    assert found[1].value is None
    assert found[1].reason == "the reply cannot be read: it is not a score alone, written like 4/10"
    assert len(log) == 4


def test_instructions_that_cannot_be_graded_are_not_asked_about(tmp_path: Path) -> None:
    found, detail, log = run(tmp_path, says({"": ["5/10"]}), ["", "<image>", "word " * 10_000])
    assert [s.value for s in found] == [None, None, None]
    assert found[1].reason == "there is no instruction to grade" and "too long" in str(found[2].reason)
    assert not log and detail["by_probabilities"] == 0


def test_other_scripts_are_graded_as_well(tmp_path: Path) -> None:
    found, _, _ = run(tmp_path, says({"": ["5/10"]}), ["画像には何が写っていますか", "ما هذا؟"])
    assert [s.value for s in found] == pytest.approx([4.9, 4.9], abs=1e-5)


def test_the_set_tells_its_mean_judge_and_prompt() -> None:
    indicator = grades()
    rows = [Score(sample=str(v), indicator="x", value=v) for v in (2.0, 5.0, None)]
    found = indicator.summarise(rows)
    detail = orjson.loads(found.detail)
    assert (found.value, found.n) == (3.5, 2)
    assert (
        detail["form"] == "faithful"
        and detail["at"] == 1000
        and detail["prompt"].startswith("judged_complexity ")
    )
