"""Votes on whether an answer is true: planted labels, ties, unreadable replies, budgets, rules first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pydantic
import pytest

from tests.assess.judge.asked import asked_of, judge, part_of, photo, sample, sent_back, state_of, teacher_at
from tests.assess.small import COCO, obj, scene
from tests.teacher.judging import verdict
from tests.teacher.server import ScriptedTeacher
from vlit.assess.judge.verdicts import LABELS, Tally, read_vote, tally_in
from vlit.assess.judge.votes import JudgedCorrectness, JudgedCorrectnessConfig
from vlit.assess.seen import Part
from vlit.data.boxes import Box
from vlit.data.errors import VlitError
from vlit.data.sample import Sample
from vlit.data.score import Score
from vlit.teacher.journal import JournalView
from vlit.teacher.reply import Choice

Says = Callable[[dict[str, Any], str, int], str | None]
I, U, C = LABELS  # noqa: E741 - the labels of a vote


def votes(**config: Any) -> JudgedCorrectness:
    return JudgedCorrectness(JudgedCorrectnessConfig(**config), seed=3)


def planted(by_answer: Mapping[str, Sequence[str]]) -> Says:
    """Verdicts by a word of the answer, in the order of the choices."""

    def says(body: dict[str, Any], digest: str, index: int) -> str | None:
        asked = asked_of(body)
        labels = next(labels for word, labels in by_answer.items() if word in asked)
        said = labels[index % len(labels)]
        return verdict(said) if said in LABELS else said

    return says


def run(
    tmp_path: Path,
    says: Says,
    samples: list[Sample],
    scenes: Sequence[Any] = (),
    vary: bool = False,
    **config: Any,
) -> tuple[list[Score], dict[str, Any], list[Any]]:
    indicator = votes(**config)
    with ScriptedTeacher(says=says, vary=vary) as server:
        found = judge(indicator, part_of(samples, scenes), teacher_at(server.url), tmp_path / "journal")
        log = list(server.log)
    return found, orjson.loads(indicator.summarise(found).detail), log


def test_the_mode_of_planted_votes_and_what_the_set_says(tmp_path: Path) -> None:
    image = photo(tmp_path)
    plan = {"alpha": [C] * 5, "beta": [C, I, C, I, C], "gamma": [I, I, U, I, C], "delta": [U, U, C, U, I]}
    samples = [sample("What is it?", f"It is {word}.", id=word, images=(image,)) for word in plan]
    found, detail, log = run(tmp_path, planted(plan), samples)
    assert [s.value for s in found] == [1.0, 1.0, 0.0, None]
    assert [s.reason for s in found] == [
        "5 votes: 5 correct",
        "5 votes: 3 correct, 2 incorrect",
        '5 votes: 1 correct, 1 cannot tell, 3 incorrect -- the judge: "there is a boat" fails',
        "5 votes: 1 correct, 3 cannot tell, 1 incorrect",
    ]
    assert detail["c"] == pytest.approx(100 * 2 / 3)
    assert (detail["voted_on"], detail["cannot_tell"], detail["share_unparsed"]) == (4, 1, 0.0)
    # (0 + H(3/5, 2/5) + 2 H(3/5, 1/5, 1/5)) / 4, with H(.6, .4) = 0.970951 and H(.6, .2, .2) = 1.370951
    assert detail["vote_entropy"] == pytest.approx((0.970951 + 2 * 1.370951) / 4, abs=1e-6)
    # observed: (20 + 8 + 6 + 6) / 20 / 4 = 0.5; labels 5 + 3 + 1 + 1 = 10, 2 + 3 + 1 = 6, 4 of 20: chance 0.38
    assert detail["fleiss_kappa"] == pytest.approx((0.5 - 0.38) / (1 - 0.38))
    # Rows (1 1 1 1 1), (1 0 1 0 1), (0 0 .5 0 1), (.5 .5 1 .5 0) with means 1, .6, .3, .5 and .6 in all:
    # MSB = 5 (.16 + 0 + .09 + .01) / 3, MSW = (0 + 1.2 + .8 + .5) / 16
    between, within = 5 * 0.26 / 3, 2.5 / 16
    assert detail["icc_1_1"] == pytest.approx((between - within) / (between + 4 * within))
    assert detail["icc_1_5"] == pytest.approx((between - within) / between)
    assert detail["judge"] == "scripted"
    assert len(log) == 4 and all(call.n == 5 and call.pictures == 1 for call in log)


def test_a_tie_goes_to_the_lower_label() -> None:
    assert Tally.of([C, I]).mode == I
    assert Tally.of([C, U]).mode == U
    assert Tally.of([C, C, I, I, U]).mode == I
    assert Tally.of([C, C, U, U, I]).mode == U
    for tally in (Tally(1, 0, 4), Tally(0, 0, 5), Tally(2, 3, 0), Tally(1, 0, 0)):
        assert tally_in(str(tally)) == tally
        assert tally_in(f"{tally}; 1 unread") == tally
    assert tally_in("rules: correct") is None


def test_what_the_judge_does_not_say_in_the_agreed_way_is_asked_once_more_and_is_then_no_vote(
    tmp_path: Path,
) -> None:
    image = photo(tmp_path)
    plan = {"alpha": [C, "It seems fine to me.", C, C, "It seems fine to me."], "beta": ["Yes."]}
    samples = [sample("What is it?", f"It is {word}.", id=word, images=(image,)) for word in plan]

    def says(body: dict[str, Any], digest: str, index: int) -> str | None:
        if sent_back(body) and "alpha" in asked_of(body):
            return verdict(I) if index == 0 else "I keep to what I said."
        return planted(plan)(body, digest, index)

    found, detail, log = run(tmp_path, says, samples, vary=True)
    # Two equal replies are sent back by one request, which is asked for two replies: one is read, one is not.
    assert found[0].reason == "4 votes: 3 correct, 1 incorrect; 1 unread"
    assert found[0].value == 1.0
    assert found[1].value is None
    why = "the reply cannot be read: there is no line that begins with Verdict"
    assert found[1].reason == f"0 of 3 votes that are needed; 5 unread: {why}"
    assert detail["share_unparsed"] == pytest.approx(6 / 10)
    assert detail["fleiss_kappa"] is None  # no sample has all of its votes
    back = [call for call in log if call.prompt.startswith("Your last reply could not be used")]
    assert len(back) + 2 == len(log) and len(back) == 7
    assert "there is no line that begins with Verdict" in back[0].prompt


def test_a_refusal_and_an_empty_reply_are_told_as_what_they_are(tmp_path: Path) -> None:
    image = photo(tmp_path)
    plan = {"alpha": ["I'm sorry, but I can't help with that."], "beta": [""]}
    samples = [sample("What is it?", f"It is {word}.", id=word, images=(image,)) for word in plan]
    found, detail, log = run(tmp_path, planted(plan), samples)
    assert [s.value for s in found] == [None, None]
    assert "there is no line that begins with Verdict" in str(found[0].reason)
    assert "it is empty" in str(found[1].reason)
    assert detail["c"] is None and detail["share_unparsed"] == 1.0
    # An empty reply cannot be sent back as a message: what was asked is asked with the reason behind it.
    assert any("it is empty" in call.prompt and "beta" in call.prompt for call in log)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Verdict: correct", C),
        ("Observations: x\nClaims:\n- y: holds\n\n**Verdict:** Incorrect.", I),
        ("<think>\nVerdict: correct\nno, wait\n</think>\nVerdict: cannot  tell", U),
        ("verdict : CORRECT", C),
        ("Verdict: correct\nVerdict: correct", None),
        ("Verdict: mostly correct", None),
        ("Verdict: correct, but the color is off", None),
        ("The verdict is: correct", None),
        ("<think>\nVerdict: correct", None),
        ("correct", None),
        ("Verdict:", None),
        ("", None),
    ],
)
def test_only_one_line_with_a_verdict_is_a_vote(reply: str, label: str | None) -> None:
    assert getattr(read_vote(Choice(reply)), "label", None) == label


def test_the_claim_that_fails_is_told() -> None:
    for line in (
        "- two dogs: fails",
        "1. two dogs - fails (there is one)",
        "two dogs → fails",
        "- two dogs: FAILS.",
    ):
        vote = read_vote(Choice(f"Claims:\n{line}\nVerdict: incorrect"))
        assert getattr(vote, "fails", None) == "two dogs", line


def test_a_reply_that_is_cut_off_is_told_so() -> None:
    assert "breaks off" in getattr(read_vote(Choice("Observations: a", "length")), "said", "")


def test_rules_come_first_and_what_they_settle_is_not_asked(tmp_path: Path) -> None:
    image = photo(tmp_path)
    known = scene([obj(1, "dog"), obj(2, "dog")], searched=COCO)  # type: ignore[no-untyped-call]
    texts = {
        "wrong": ("How many dogs are there?", "There are three dogs."),
        "right": ("How many dogs are there?", "There are two dogs."),
        "open": ("Is it a merry scene?", "Yes, everybody laughs."),
    }
    samples = [sample(*text, id=name, images=(image,), scenes=("s1",)) for name, text in texts.items()]
    found, detail, log = run(tmp_path, planted({"": [C]}), samples, [known])
    assert [s.value for s in found] == [0.0, 1.0, 1.0]
    assert str(found[0].reason).startswith("rules: incorrect -- ")
    assert str(found[1].reason).startswith("rules: correct")
    assert found[2].reason == "5 votes: 5 correct"
    assert (detail["settled_by_rules"], detail["voted_on"], len(log)) == (2, 1, 1)
    _, detail, log = run(tmp_path / "again", planted({"": [C]}), samples, [known], rules_first=False)
    assert (detail["settled_by_rules"], detail["voted_on"], len(log)) == (0, 3, 3)


def test_each_answer_can_be_judged_by_itself(tmp_path: Path) -> None:
    image = photo(tmp_path)
    talk = sample("What is it?", "It is alpha.", "And behind it?", "That is beta.", images=(image,))

    def says(body: dict[str, Any], digest: str, index: int) -> str | None:
        return verdict(C if "Answer: It is alpha." in asked_of(body).split("Judge this")[-1] else I, "beta")

    found, detail, log = run(tmp_path, says, [talk], turns="each")
    assert found[0].value == 0.5
    assert (
        found[0].reason
        == 'turn 1: 5 votes: 5 correct | turn 2: 5 votes: 5 incorrect -- the judge: "beta" fails'
    )
    assert (detail["voted_on"], len(log)) == (2, 2)
    assert "to be understood but not judged" in log[1].prompt
    whole, detail, log = run(tmp_path / "whole", planted({"": [C]}), [talk])
    assert whole[0].value == 1.0 and len(log) == 1 and detail["voted_on"] == 1


def test_only_the_drawn_samples_are_asked_about(tmp_path: Path) -> None:
    image = photo(tmp_path)
    samples = [sample("What is it?", f"Thing {n}.", id=str(n), images=(image,)) for n in range(40)]
    found, _, log = run(tmp_path, planted({"": [C]}), samples, at=7)
    judged = {s.sample for s in found if s.value is not None}
    assert len(judged) == 7 and len(log) == 7
    assert {s.reason for s in found if s.value is None} == {"not drawn: 7 of 40 samples are judged"}
    more, _, _ = run(tmp_path / "more", planted({"": [C]}), samples[:30], at=7)
    kept = {s.sample for s in more if s.value is not None}
    assert (
        len(kept) == 7 and {s for s in judged if int(s) < 30} <= kept
    )  # the same ones, as far as they are there
    every, _, log = run(tmp_path / "every", planted({"": [C]}), samples, at=0)
    assert all(s.value == 1.0 for s in every) and len(log) == 40


def test_what_cannot_be_judged_says_why_and_costs_nothing(tmp_path: Path) -> None:
    image = photo(tmp_path)
    samples = [
        sample("What is it?", "A text.", id="no image"),
        sample("What is it?", id="no answer", images=(image,)),
        sample(id="nothing", images=(image,)),
        sample("Tell me all.", "word " * 10_000, id="long", images=(image,)),
        sample("Which?", "The third.", id="many", images=(image,) * 9),
    ]
    found, detail, log = run(tmp_path, planted({"": [C]}), samples)
    assert [s.value for s in found] == [None] * 5
    assert [str(s.reason).split(":")[0] for s in found] == [
        "the sample has no image",
        "there is no answer to judge",
        "there is no answer to judge",
        "too long to be judged",
        "9 images, and a judge is shown 8 at most",
    ]
    assert not log and detail["c"] is None


def test_a_photo_that_is_not_there_and_a_server_that_fails_cost_one_sample_each(tmp_path: Path) -> None:
    image = photo(tmp_path)
    gone = image.__class__(uri=str(tmp_path / "gone.png"), width=8, height=8)
    samples = [
        sample("What is it?", "It is alpha.", id="gone", images=(gone,)),
        sample("What is it?", "It is beta. " * 30, id="filtered", images=(image,)),
        sample("What is it?", "It is gamma.", id="good", images=(image,)),
    ]
    indicator = votes()
    longest = 6_000
    with ScriptedTeacher(says=planted({"": [C]}), longest=longest) as server:
        before = len(str(indicator.prompt.messages({})))
        samples[1] = sample("What is it?", "x" * max(longest - before // 2, 4_000), id="long", images=(image,))
        found = judge(indicator, part_of(samples), teacher_at(server.url), tmp_path / "journal")
    assert found[0].value is None and "the photo cannot be sent" in str(found[0].reason)
    assert found[1].value is None and "no reply (too_long)" in str(found[1].reason)
    assert found[2].value == 1.0


def test_several_photos_and_a_marked_region_are_shown(tmp_path: Path) -> None:
    one, two = photo(tmp_path, "1.png"), photo(tmp_path, "22.png")
    pair = sample("Which is darker?", "The first.", id="pair", images=(one, two))
    region = sample("What is in the square?", "A lamp.", id="region", images=(one,))
    region = region.__class__(
        **{f: getattr(region, f) for f in region.__struct_fields__} | {"region": Box(1, 1, 5, 5)}
    )
    found, _, log = run(tmp_path, planted({"": [C]}), [pair, region])
    assert [s.value for s in found] == [1.0, 1.0]
    assert sorted(call.pictures for call in log) == [1, 2]
    assert any("2 pictures, in their order" in call.prompt for call in log)
    assert any("A square is drawn on it" in call.prompt for call in log)


def test_scores_come_from_the_journal_alone_and_are_the_same_each_time(tmp_path: Path) -> None:
    image = photo(tmp_path)
    samples = [sample("What is it?", f"Thing {n}.", id=str(n), images=(image,)) for n in range(30)]
    part, folder = part_of(samples), tmp_path / "journal"
    with ScriptedTeacher(faults={"refusal": 0.1, "empty": 0.1, "429": 0.1}) as server:
        first = judge(votes(), part, teacher_at(server.url), folder)
        calls = len(server.log)
        again = judge(votes(), part, teacher_at(server.url), folder)  # asks again: everything is known
        assert len(server.log) == calls
    dead = judge(votes(), part, teacher_at(server.url), folder, asking=False)
    assert first == again == dead
    assert sum(s.value is not None for s in first) > 20
    in_parts = [
        score
        for start in (0, 11)
        for score in votes_of(
            Part(samples[start : 11 if start == 0 else 30]), part, teacher_at(server.url), folder
        )
    ]
    assert in_parts == first


def votes_of(some: Part, whole: Part, teacher: Any, folder: Path) -> list[Score]:
    indicator = votes()
    indicator.teacher = teacher
    state = state_of(indicator, whole)
    return list(indicator.score(Part(some.samples, replies=JournalView(folder)), state))


def test_a_budget_that_is_spent_leaves_reasons_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    image = photo(tmp_path)
    samples = [sample("What is it?", f"Thing {n}.", id=str(n), images=(image,)) for n in range(20)]
    part, folder = part_of(samples), tmp_path / "journal"
    with ScriptedTeacher() as server:
        poor = teacher_at(server.url, budget={"tokens": 20_000}, picture_tokens=600)
        few = judge(votes(max_tokens=100), part, poor, folder)
        left = [s for s in few if s.reason and "the budget was spent before" in s.reason]
        assert 0 < len(left) < 20 and all(s.value is None for s in left)
        calls = len(server.log)
        rich = teacher_at(server.url)
        all_ = judge(votes(max_tokens=100), part, rich, folder)
        assert not any("budget" in str(s.reason) for s in all_)
        done = {s.sample: s for s in few if s not in left}
        assert all(s == done.get(s.sample, s) for s in all_)
        assert len(server.log) - calls <= len(left) * 2


def test_without_a_teacher_there_are_reasons_and_no_calls() -> None:
    indicator = votes()
    part = part_of([sample("a", "b")])
    state = state_of(indicator, part)
    assert not list(indicator.asks(part, state))
    (score,) = indicator.score(part, state)
    assert score.value is None and "there is no teacher to ask" in str(score.reason)


def test_settings_that_cannot_mean_anything_are_refused() -> None:
    for wrong in ({"votes": 4}, {"votes": 5, "temperature": 0}, {"votes": 0}, {"at": -1}):
        with pytest.raises(pydantic.ValidationError):
            JudgedCorrectnessConfig(**wrong)
    JudgedCorrectnessConfig(votes=1, temperature=0)


def test_examples_of_ones_own_replace_ours_and_are_checked(tmp_path: Path) -> None:
    image = photo(tmp_path)
    file = tmp_path / "own.yaml"
    file.write_text("- {picture: A hat., dialogue: 'Question: a?\n  Answer: b.', reply: 'Verdict: correct'}\n")
    indicator = JudgedCorrectness(JudgedCorrectnessConfig(examples="own.yaml"), 3, tmp_path)
    assert len(indicator.prompt.messages({})) == 4
    assert next(iter(indicator.outside())).startswith(str(file))
    assert indicator.prompt.version != votes().prompt.version
    file.write_text("- {picture: A hat., dialogue: x, reply: 'It is right.'}\n")
    broken = JudgedCorrectness(JudgedCorrectnessConfig(examples="own.yaml"), 3, tmp_path)
    with pytest.raises(VlitError, match="breaks the form"):
        judge(broken, part_of([sample("a", "b", images=(image,))]), teacher_at(), tmp_path / "journal")


def test_agreement_is_counted_over_samples_that_have_all_votes() -> None:
    indicator = votes()
    reasons = ["5 votes: 5 correct", "4 votes: 4 correct; 1 unread", "rules: incorrect -- 5 votes: 5 correct"]
    rows = [Score(sample=str(n), indicator="x", value=1.0, reason=r) for n, r in enumerate(reasons)]
    detail = orjson.loads(indicator.summarise(rows).detail)
    assert Counter(detail["voted_on"] for _ in "x") == {2: 1}
    assert detail["settled_by_rules"] == 1 and detail["share_unparsed"] == pytest.approx(1 / 10)
    assert detail["fleiss_kappa"] is None and detail["vote_entropy"] == 0.0
    assert math.isclose(detail["c"], 100.0)


def test_batch_files_bring_the_same_scores_as_calls(tmp_path: Path) -> None:
    image = photo(tmp_path)
    samples = [sample("What is it?", f"Thing {n}.", id=str(n), images=(image,)) for n in range(6)]
    part = part_of(samples)

    def says(body: dict[str, Any], digest: str, index: int) -> str | None:
        return "I would rather not." if index == 1 and not sent_back(body) else None

    with ScriptedTeacher(says=says) as server:
        called = judge(votes(), part, teacher_at(server.url), tmp_path / "calls")
        batched = judge(votes(), part, teacher_at(server.url, batch={"poll": 0.02}), tmp_path / "batch")
        assert any(call.path == "/v1/batches" for call in server.log)
    assert batched == called
    assert all(str(score.reason).startswith("5 votes: ") for score in called)
