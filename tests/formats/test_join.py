"""Conversations joined, split and cut."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.data.boxes import Box
from vlit.data.sample import IMAGE_TOKEN, Mark, Provenance, Sample, Turn
from vlit.data.scene import Image
from vlit.formats.join import cut, joined, rounds_of, seen_first, split, subject, words_of

DOG = Image(uri="/photos/dog.jpg", width=4, height=3)
CAT = Image(uri="/photos/cat.jpg", width=4, height=3)


def talk(*texts: str, images: tuple[Image, ...] = (DOG,), **more: Any) -> Sample:
    turns = [Turn(role=("user", "assistant")[n % 2], text=t) for n, t in enumerate(texts)]
    return Sample(id=more.pop("id", "x"), turns=tuple(turns), images=images, **more)


def with_system(sample: Sample, text: str) -> Sample:
    return msgspec.structs.replace(sample, turns=(Turn(role="system", text=text), *sample.turns))


def test_the_image_is_shown_once_and_questions_keep_their_wording() -> None:
    short = "What?\nAnswer the question using a single word or phrase.\n<image>"
    found = joined([talk("Who?\n<image>", "A dog.", "Sure?", "Yes."), talk(f"<image>\n{short[:-8]}", "Dog")])
    assert [t.text for t in found.turns] == [
        "<image>\nWho?",
        "A dog.",
        "Sure?",
        "Yes.",
        "What?\nAnswer the question using a single word or phrase.",
        "Dog",
    ]
    assert found.images == (DOG,)


def test_one_record_stays_as_it_is() -> None:
    alone = talk("Who?\n<image>", "A dog.")
    assert joined([alone]) is alone


def test_several_images_are_shown_before_the_first_question() -> None:
    pair = talk("<image>\n<image>\nSame?", "No.", images=(DOG, CAT))
    found = joined([pair, talk("Which is larger?\n<image><image>", "The dog.", images=(DOG, CAT))])
    assert found.turns[0].text == "<image>\n<image>\nSame?"
    assert sum(t.text.count(IMAGE_TOKEN) for t in found.turns) == 2


def test_what_they_were_made_from_is_united() -> None:
    mark = Mark(label="dog", box=Box(0, 0, 1, 1))
    first = talk(
        "<image>\nA?", "B.", id="1", task="counting", paradigm="self_instruct", marks=(mark,),
        provenance=Provenance(
            scenes=("s",), annotations=("1", "2"), recipe="adapt/counting", templates=("t",), seed=1,
            source="vqa", licence="CC BY 4.0", parents=("vqa:1",),
        ),
    )  # fmt: skip
    second = talk(
        "<image>\nC?", "D.", id="2", task="presence", marks=(mark,),
        provenance=Provenance(
            scenes=("s", "t"), annotations=("2", "3"), recipe="adapt/presence", templates=("t",), seed=2,
            source="gqa", licence="CC BY 4.0", parents=("gqa:2",),
        ),
    )  # fmt: skip
    found = joined([first, second])
    assert (found.id, found.task, found.paradigm, found.marks) == ("1", "joined", "data_mixing", (mark,))
    assert found.provenance == Provenance(
        scenes=("s", "t"), annotations=("1", "2", "3"), recipe="adapt/counting + adapt/presence",
        templates=("t", "t"), source="gqa + vqa", licence="CC BY 4.0", parents=("vqa:1", "gqa:2"),
    )  # fmt: skip
    alike = joined([first, msgspec.structs.replace(first, id="3")])
    assert (alike.task, alike.paradigm, alike.provenance.seed) == ("counting", "self_instruct", 1)


@pytest.mark.parametrize(
    ("sample", "can"),
    [
        (talk("<image>\nA?", "B."), True),
        (talk("A?\n<image>", "B."), True),
        (talk("<image>A?", "B.", "C?", "D."), True),
        (talk("What is <image> of?", "A dog."), False),
        (talk("<image>", "A dog."), False),
        (talk("A?", "B.", images=()), False),
        (talk("<image>\nA?", "B.", "<image>\nC?", "D.", images=(DOG, CAT)), False),
        (talk("<image>\n<image>\nA?", "B.", images=(DOG, CAT)), True),
        (talk("<image>\nA? <image>", "B.", images=(DOG, CAT)), False),
    ],
)
def test_records_whose_images_come_first_can_be_joined(sample: Sample, can: bool) -> None:
    assert (subject(sample) != 0) == can
    if sample.images:
        assert seen_first(sample) == can


def test_subjects_differ_by_images_region_and_system_turn() -> None:
    plain = talk("<image>\nA?", "B.")
    others = [
        talk("<image>\nA?", "B.", images=(CAT,)),
        talk("<image>\nA?", "B.", region=Box(0, 0, 1, 1)),
        with_system(plain, "Be brief."),
        with_system(plain, "Be kind."),
        talk("<image><image>\nA?", "B.", images=(DOG, CAT)),
        talk("<image><image>\nA?", "B.", images=(CAT, DOG)),
    ]
    assert len({subject(s) for s in (plain, *others)}) == 7
    assert subject(plain) == subject(talk("Quite another?\n<image>", "Yes.", id="y", task="z"))


def test_a_joined_conversation_keeps_its_system_turn() -> None:
    both = [
        with_system(talk("<image>\nA?", "B."), "Be brief."),
        with_system(talk("<image>\nC?", "D."), "Be brief."),
    ]
    assert [t.role for t in joined(both).turns] == ["system", *("user", "assistant") * 2]
    assert joined(both).turns[1].text == "<image>\nA?"


def test_each_part_sees_the_image() -> None:
    long = with_system(talk("A?\n<image>", "B.", "C?", "D.", "E?", "F."), "Be brief.")
    parts = split(long, 2)
    assert [[t.text for t in p.turns] for p in parts] == [
        ["Be brief.", "A?\n<image>", "B.", "C?", "D."],
        ["Be brief.", "<image>\nE?", "F."],
    ]
    assert split(long, 3) == [long]
    shown_later = talk("A?", "B.", "<image>\nC?", "D.")
    assert split(shown_later, 2) == [shown_later]
    with pytest.raises(ValueError, match="2 rounds, and one that shows images on its way cannot be split"):
        split(shown_later, 1)


def test_a_long_text_is_cut_after_a_round() -> None:
    long = talk("one two", "three", "four", "five six", "seven", "eight", images=())
    assert [t.text for t in cut(long, 7).turns] == ["one two", "three", "four", "five six"]
    assert cut(long, 8) is long
    with pytest.raises(ValueError, match="its first round has 3 words, more than 2"):
        cut(long, 2)
    shown = talk("<image>\nA?", "B.", "<image>\nC?", "D.", images=(DOG, CAT))
    assert cut(shown, 2).images == (DOG,)


@pytest.mark.parametrize("roles", [(), ("user",), ("assistant", "user"), ("user", "user"), ("system",)])
def test_turns_have_to_alternate(roles: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="have to take turns"):
        rounds_of(Sample(id="x", turns=tuple(Turn(role=r, text="a") for r in roles)))


TEXTS = st.text(st.sampled_from("ab .?\n"), min_size=1).filter(str.strip)
TALKS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5)


@given(st.lists(TALKS, min_size=1, max_size=4), st.integers(1, 6))
def test_joining_and_splitting_lose_no_round(talks: list[list[tuple[str, str]]], most: int) -> None:
    samples = []
    for rounds in talks:
        flat = [text for round_ in rounds for text in round_]
        samples.append(talk(f"<image>\n{flat[0]}", *flat[1:]))
    whole = joined(samples)
    said = Counter(t.text.removeprefix("<image>\n").strip() for s in samples for t in s.turns)
    assert Counter(t.text.removeprefix("<image>\n").strip() for t in whole.turns) == said
    parts = split(whole, most)
    assert all(len(rounds_of(p)[1]) <= most for p in parts)
    assert all(seen_first(p) for p in parts)
    assert Counter(t.text.removeprefix("<image>\n").strip() for p in parts for t in p.turns) == said
    limit = words_of(whole.turns[:2])
    assert words_of(cut(whole, limit).turns) <= limit
