"""Exchanges round by round: what is asked, sent back, shortened, given up; driven by hand, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.generate.scenes import RICH
from vlit.data.errors import VlitError
from vlit.data.scene import Scene
from vlit.generate.instruct.exchange import Exchanging, Outcome, exchange
from vlit.generate.instruct.recipe import Prompt, PromptRecipe
from vlit.generate.instruct.unit import Asker
from vlit.teacher.config import TeacherConfig
from vlit.teacher.exchange import Told, Wanted
from vlit.teacher.reply import Choice, Failure

TEACHER = TeacherConfig.model_validate({"model": "m", "endpoints": [{"url": "http://localhost:1/v1"}]})
GOOD = "Question: What is next to the cups?\nAnswer: A dog is next to them."
BARE: dict[str, Any] = {
    "task": "conversation",
    "about": "a test",
    "system": "Write about the image. {format}",
    "clues": {"parts": ["captions"]},
    "rounds": 2,
}


def asker(folder: Path = Path(), **changes: Any) -> Asker:
    return Asker(Prompt("own", PromptRecipe.model_validate(BARE | changes), folder), TEACHER, seed=3)


def drive(exchanging: Exchanging, *told: Told) -> tuple[list[Wanted], Outcome]:
    """Send what was told, in order; all that was wanted, and the outcome."""
    wanted = [next(exchanging)]
    try:
        for answer in told:
            wanted.append(exchanging.send(answer))  # noqa: PERF401 `extend` would swallow its end
    except StopIteration as end:
        return wanted, end.value
    raise AssertionError(f"it wants more: {wanted[-1].request.messages}")


def start(ask: Asker, scene: Scene = RICH) -> Exchanging:
    (unit,) = ask.units(scene)
    return exchange(ask, unit)


def choice(text: str, finish: str = "stop") -> tuple[Choice, ...]:
    return (Choice(text, finish),)


def test_a_good_reply_becomes_a_sample_that_leads_back() -> None:
    wanted, outcome = drive(start(asker()), choice(GOOD))
    (sample,) = outcome.samples
    assert [t.text for t in sample.turns] == [
        "<image>\nWhat is next to the cups?",
        "A dog is next to them.",
    ]
    assert sample.id == "s/own/0/0" and sample.paradigm == "self_instruct"
    assert sample.provenance.annotations == ("c0", "c1", "c2")
    assert sample.provenance.reply == wanted[0].request.key
    assert sample.provenance.teacher == "m" and sample.provenance.recipe == "instruct/own"
    assert [row.outcome for row in outcome.exchanges] == ["kept"] and not outcome.quarantine
    assert "a dog near some cups" in wanted[0].request.messages[-1].text


def test_a_flawed_reply_is_sent_back_with_the_reason() -> None:
    wanted, outcome = drive(start(asker()), choice("As the caption says, hm."), choice(GOOD))
    *first, reply, why = wanted[1].request.messages
    assert tuple(first) == wanted[0].request.messages
    assert reply.role == "assistant" and reply.text == "As the caption says, hm."
    assert why.role == "user" and "no question with an answer" in why.text
    (row,) = outcome.exchanges
    assert row.outcome == "kept" and len(row.flaws) == 1 and len(row.requests) == 2


def test_only_the_last_flawed_reply_is_sent_back() -> None:
    wanted, _ = drive(start(asker()), choice("one"), choice("two"), choice(GOOD))
    assert [m.text for m in wanted[2].request.messages if m.role == "assistant"] == ["two"]


def test_an_empty_reply_is_not_put_into_the_mouth_of_the_assistant() -> None:
    wanted, _ = drive(start(asker()), choice(""), choice(GOOD))
    roles = [m.role for m in wanted[1].request.messages]
    assert roles == ["system", "user"]
    assert wanted[1].request.key != wanted[0].request.key


def test_after_the_last_round_the_reply_is_quarantined() -> None:
    wanted, outcome = drive(start(asker()), choice("no"), choice("nein"), choice("non"))
    assert not outcome.samples
    (lost,), (row,) = outcome.quarantine, outcome.exchanges
    assert lost.value == "non" and lost.record == "s/own/0" and "in all 3 rounds" in lost.reason
    assert outcome.exchanges[0].requests[-1] == wanted[-1].request.key
    assert row.outcome == row.flaws[-1] and len(row.flaws) == 3


def test_a_context_that_is_too_long_is_shortened_once() -> None:
    too_long = Failure("too_long", "400: at most 10 tokens")
    wanted, outcome = drive(start(asker()), too_long, choice(GOOD))
    long, short = (len(w.request.messages[-1].text) for w in wanted)
    assert short < long
    assert outcome.exchanges[0].cut == ("captions: 2",) and outcome.samples[0].provenance.annotations == ("c0",)
    _, outcome = drive(start(asker()), too_long, too_long)
    assert (
        outcome.exchanges[0].outcome == "too_long" and "400: at most 10 tokens" in outcome.quarantine[0].reason
    )


def test_what_was_not_asked_is_quarantined() -> None:
    _, outcome = drive(start(asker()), None)
    assert outcome.exchanges[0].outcome == "not_asked" and "budget" in outcome.quarantine[0].reason


def test_generations_that_share_a_request_are_asked_at_once() -> None:
    replies = tuple(Choice(GOOD.replace("dog", name), "stop") for name in ("dog", "cat", "cup"))
    wanted, outcome = drive(start(asker(generations=3)), replies, replies, replies)
    assert {w.request.key for w in wanted} == {wanted[0].request.key} and {w.n for w in wanted} == {3}
    answers = [s.turns[1].text for s in outcome.samples]
    assert answers == ["A dog is next to them.", "A cat is next to them.", "A cup is next to them."]
    assert [s.id for s in outcome.samples] == ["s/own/0/0", "s/own/1/0", "s/own/2/0"]


def test_equal_flawed_generations_get_a_reply_of_their_own() -> None:
    flawed = (Choice("bad", "stop"), Choice("bad", "stop"))
    again = (Choice(GOOD, "stop"), Choice(GOOD.replace("dog", "cat"), "stop"))
    wanted, outcome = drive(start(asker(generations=2)), flawed, again[:1], flawed, again)
    assert wanted[1].request.key == wanted[3].request.key and (wanted[1].n, wanted[3].n) == (1, 2)
    assert [s.turns[1].text[:5] for s in outcome.samples] == ["A dog", "A cat"]


def write_pool(folder: Path, replies: list[str]) -> None:
    (folder / "pool.yaml").write_text(
        json.dumps([{"clues": f"clue {n}", "reply": r} for n, r in enumerate(replies)])
    )


def test_an_example_that_breaks_the_contract_is_refused(tmp_path: Path) -> None:
    write_pool(tmp_path, [GOOD, "Question: What is said?\nAnswer: The caption says that a dog sits there."])
    with pytest.raises(VlitError, match=r"breaks the contract of 'own'.*\n.*pool\.yaml, entry 2"):
        list(start(asker(tmp_path, examples={"pool": "pool"})))


def test_equal_generations_are_refused() -> None:
    with pytest.raises(ValueError, match="are the same reply"):
        asker(generations=2, sampling={"temperature": 0})


def test_each_call_draws_its_own_examples(tmp_path: Path) -> None:
    write_pool(tmp_path, [GOOD.replace("dog", f"dog no. {n}") for n in range(10)])
    ask = asker(tmp_path, examples={"pool": "pool", "draw": 2}, generations=5)
    wanted, _ = drive(start(ask), *[choice(GOOD)] * 5)
    drawn = [tuple(m.text for m in w.request.messages if m.role == "assistant") for w in wanted]
    assert len(set(drawn)) > 1 and all(len(set(pair)) == 2 for pair in drawn) and {w.n for w in wanted} == {1}
    again, _ = drive(start(ask), *[choice(GOOD)] * 5)
    assert [w.request.key for w in again] == [w.request.key for w in wanted]


def test_a_scene_without_the_clues_is_passed_over() -> None:
    ask = asker(clues={"parts": ["captions", "texts"], "needs": ["texts"]})
    (unit,) = ask.units(RICH)
    try:
        next(exchange(ask, unit))
    except StopIteration as end:
        (row,) = end.value.exchanges
        assert row.outcome == "no_clues" and row.cut == ("texts: missing",)
    else:
        raise AssertionError("it was asked")


def test_a_slot_that_a_caption_brings_is_left_as_it_is() -> None:
    from tests.generate.scenes import scene

    odd = scene(captions=("a sign that says {format} and {clues} on a wall",))
    wanted, _ = drive(start(asker(), odd), choice(GOOD))
    assert "{format} and {clues}" in wanted[0].request.messages[-1].text


def test_a_reference_becomes_a_mark_with_its_annotation() -> None:
    dog = "<st>dog<ed> [0.050, 0.050, 0.250, 0.250]"
    text = f"Question: Where is {dog}?\nAnswer: The {dog} is at the top."
    ask = asker(reply={"boxes": "tagged"}, clues={"parts": ["objects"], "layout": "svit"})
    _, outcome = drive(start(ask), choice(text))
    (mark,) = outcome.samples[0].marks
    assert mark.label == "dog" and mark.annotation == "o0" and round(mark.box.x2) == 25


def test_regions_are_drawn_and_each_asked_about() -> None:
    ask = asker(unit="region", units_per_scene=2, clues={"parts": ["region"], "needs": ["region"]})
    units = list(ask.units(RICH))
    assert [u.id for u in units] == ["s/own/r0", "s/own/r1"] and units == list(ask.units(RICH))
    _, outcome = drive(exchange(ask, units[0]), choice(GOOD))
    assert outcome.samples[0].region == units[0].region
