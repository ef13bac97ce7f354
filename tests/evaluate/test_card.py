"""Scores that say what they leave out, and cards that show how they came about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.evaluate.toy import Toy, questions
from vlit.data.errors import VlitError
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.evaluate.answers import Answers, Header
from vlit.evaluate.benchmark import BenchmarkConfig
from vlit.evaluate.card import as_json, card, markdown
from vlit.evaluate.contamination import contaminated
from vlit.evaluate.question import Answered
from vlit.evaluate.scores import Evaluated, compared, read_scores, scores_of, write_scores

ASKED = questions(8)
HEADER = Header(
    benchmark="toy",
    protocol="word",
    files={"toy.json": "0" * 32},
    expected=8,
    model="m",
    weights="abc",
    template="vicuna, 12",
    decoding={"method": "greedy", "max_new_tokens": 6},
    prompt="USER: <image x4>↵\nWhat? ``` ASSISTANT:",
    date="2024-05-06T07:08:09+00:00",
    vlit="1.0",
)


def evaluated(texts: list[str | None], header: Header = HEADER, **more: object) -> Evaluated:
    """Answers to the first questions; ``None`` for one whose photo is gone."""
    rows = [
        Answered(question=q, problem="x.jpg: the file is missing")
        if text is None
        else Answered(question=q, text=text)
        for q, text in zip(ASKED, texts, strict=False)
    ]
    toy = Toy(BenchmarkConfig(protocol=header.protocol))
    return Evaluated(toy, Answers(header, rows, **more), toy.scored(rows))  # type: ignore[arg-type]


def whole() -> Evaluated:
    return evaluated(["A", "A", "A", "B", "A or B", "", "A", "A"])


def test_scores_tell_value_interval_failures_and_that_they_are_whole() -> None:
    found = scores_of(whole())
    main = found.main()
    assert main is not None and main.value == 62.5 and main.n == 8 and main.failures == 2
    assert main.interval is not None and main.interval[0] < 62.5 < main.interval[1]
    assert [m.group for m in found.metrics] == ["", "kind: even", "kind: odd"]
    assert (found.failures, found.unasked, found.answered, found.partial) == (2, 0, 8, False)
    assert found.whole() == "all 8 questions"
    assert scores_of(whole()) == found and scores_of(whole(), seed=1).metrics[0].value == 62.5


@pytest.mark.parametrize(
    ("texts", "header", "said"),
    [
        (["A"] * 5, HEADER, "PARTIAL: 5 of 8 questions"),
        (["A"] * 7 + [None], HEADER, "PARTIAL: 7 of 8 questions, 1 could not be asked"),
        (
            ["A"] * 8,
            msgspec.structs.replace(HEADER, expected=10, lost={"photo: gone": 2}),
            "PARTIAL: 8 of 10 questions, 2 cannot be asked of these files",
        ),
    ],
)
def test_a_part_never_passes_for_the_whole(texts: list[str | None], header: Header, said: str) -> None:
    own = evaluated(texts, header)
    found = scores_of(own)
    assert found.partial and found.whole() == said
    assert said in markdown(card(own, found)) and not card(own, found)["questions"]["whole"]


def test_answers_without_a_verdict_are_left_out_and_make_it_partial() -> None:
    own = whole()
    rows = [replace(row, value=None) if i == 0 else row for i, row in enumerate(own.rows)]
    found = scores_of(replace(own, rows=rows))
    assert found.unscored == 1 and found.partial
    assert found.whole() == "PARTIAL: 7 of 8 questions, 1 without reference answers here"
    main = found.main()
    assert main is not None and main.n == 7


def test_no_answer_at_all_has_no_number() -> None:
    own = evaluated([])
    found = scores_of(own)
    assert found.main() is None and found.metrics == () and found.whole() == "PARTIAL: 0 of 8 questions"
    assert "No score: PARTIAL" in markdown(card(own, found))


def test_scores_come_back_from_their_file_and_the_file_says_that_it_is_a_part(tmp_path: Path) -> None:
    found = scores_of(evaluated(["A", None]))
    write_scores(tmp_path / "scores.json", found)
    assert read_scores(tmp_path / "scores.json") == found
    assert json.loads((tmp_path / "scores.json").read_text())["partial"] is True
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(VlitError, match="no scores"):
        read_scores(tmp_path / "other.json")


def test_a_card_holds_everything_by_which_a_score_can_be_repeated_or_refused() -> None:
    own = evaluated(["A", "A | A", "A", "B", "A or B", "", "x " * 400, None], repeated=("q1",), damaged=2)
    found = scores_of(own, unknown=3)
    page, values = markdown(card(own, found)), json.loads(as_json(card(own, found)))
    for part in (
        "**accuracy: 25.00 (95 %: ",
        "PARTIAL: 7 of 8 questions, 1 could not be asked",
        "toy.json` 00000000000000000000000000000000",
        "| Weights | abc |",
        "| Chat template | vicuna, 12 |",
        "| Decoding | method greedy, max_new_tokens 6 |",
        "| Parser | One word alone. |",
        "| Not understood | 4: nothing could be made of these answers, and nothing is guessed: they count"
        " as wrong |",
        "| Answers left out | 1 repeated ids, 3 unknown ids, 2 damaged lines |",
        "| Date | 2024-05-06T07:08:09+00:00 |",
        "````\nUSER: <image x4>",  # a fence that the prompt does not end
        "- `q7`: x.jpg: the file is missing",
        "- `q1`: not one word",
    ):
        assert part in page, part
    assert "Judge" not in page
    assert values["score"]["value"] == 25.0 and values["failures"]["number"] == 4
    assert [one["id"] for one in values["failures"]["examples"]] == ["q1", "q4", "q5", "q6"]
    assert len(values["failures"]["examples"][-1]["answer"]) <= 500


def test_questions_that_were_trained_on_are_told_with_the_score_without_them() -> None:
    sample = Sample(id="s", turns=(Turn(role="user", text="?"),), images=ASKED[1].images)
    leaked = contaminated(ASKED, [sample])
    assert set(leaked.found) == {"q1", "q6"}  # the same photo
    own = evaluated(["A", "A", "A", "B", "A", "B", "B", "B"])
    found = scores_of(own, contamination=leaked)
    main = found.main()
    assert main is not None and main.value == 50.0 and found.contaminated == 2
    assert found.clean is not None and found.clean.value == 50.0 and found.clean.n == 6
    page = markdown(card(own, found))
    assert "2 of 8 questions are in the 1 training samples" in page and "| Score without them | 50.00" in page
    assert "not looked for: no training samples are known" in markdown(card(own, scores_of(own)))
    assert scores_of(own, contamination=contaminated(ASKED, [])).clean is None


def test_two_models_are_compared_on_what_both_were_asked() -> None:
    first = evaluated(["B", "A", "B", "A", "A"])
    second = evaluated(["A", "A", "A", "B", None, "A"])
    pair = compared(first, second)
    assert (pair.n, pair.better, pair.worse, pair.difference) == (4, 2, 1, 25.0)
    other = evaluated(["A"], msgspec.structs.replace(HEADER, protocol="ranking"))
    with pytest.raises(VlitError, match="different protocols: word and ranking"):
        compared(first, other)
    with pytest.raises(VlitError, match="share no question"):
        compared(evaluated([]), second)


def test_settings_that_change_what_is_asked_are_told_and_places_are_not() -> None:
    settings = {"questions": "/data/toy.json", "images": "/data", "limit": 5, "option_loss": "sum"}
    own = evaluated(["A"] * 8, msgspec.structs.replace(HEADER, settings=settings))
    page = markdown(card(own, scores_of(own)))
    assert "| Settings | option_loss: sum |" in page and "/data" not in page
    assert "| Settings |" not in markdown(card(whole(), scores_of(whole())))


PHOTO = Image(uri="a.jpg", width=1, height=1, sha256="a")


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ({}, {"prompt": "Else?"}, "words"),
        ({}, {"references": ("B",)}, "right answers"),
        ({"options": ("x", "y")}, {"options": ("y", "x")}, "options"),
        ({"images": (PHOTO,)}, {"images": (msgspec.structs.replace(PHOTO, sha256="b"),)}, "photos"),
        ({"images": (PHOTO,)}, {"images": (PHOTO, PHOTO)}, "photos"),
        ({"images": (PHOTO,)}, {"images": (msgspec.structs.replace(PHOTO, uri="moved.jpg"),)}, ""),
    ],
)
def test_questions_of_one_id_are_compared_only_where_they_are_the_same(
    before: dict[str, object], after: dict[str, object], what: str
) -> None:
    own = evaluated(["A"])
    one, other = (
        replace(own, answers=replace(own.answers, rows=[Answered(question=q, text="A")]))
        for q in (
            msgspec.structs.replace(ASKED[0], **before),
            msgspec.structs.replace(ASKED[0], **(before | after)),
        )
    )
    if not what:
        assert compared(one, other).n == 1
        return
    with pytest.raises(VlitError, match=f"1 questions are not the same in both: q0 has other {what}"):
        compared(one, other)


def test_answers_that_other_judges_scored_are_not_compared() -> None:
    own = whole()
    today, then = (replace(own, judge=f"gpt-9, prompt ab, {day}") for day in ("2026-01-02", "2025-01-02"))
    assert compared(today, then).difference == 0.0
    with pytest.raises(VlitError, match="judged differently: gpt-9, prompt ab; other, prompt ab"):
        compared(today, replace(own, judge="other, prompt ab, 2026-01-02"))
