"""Clues: the three layouts word by word, the rule by which they are cut, and what may not break them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import shared_data
from tests.generate.scenes import question, scene, shipped
from vlit.collect.stage import collect_folder
from vlit.data.boxes import Box, find_boxes
from vlit.data.errors import VlitError
from vlit.data.scene import Region, Relation, Scene, SceneText
from vlit.data.seeds import rng
from vlit.generate.instruct.clues import PARTS, Clues, render
from vlit.generate.instruct.recipe import CluesConfig


def clues(of: Scene, parts: tuple[str, ...] = PARTS, layout: str = "plain", **other: Any) -> Clues:
    region, most = (other.pop(key, None) for key in ("region", "most"))
    config = CluesConfig.model_validate({"layout": layout, "parts": parts, **other})
    return render(of, config, rng(0, of.id), most=most, region=region)


def regions(*phrases: str) -> tuple[Region, ...]:
    return tuple(
        Region(id=f"g{i}", phrase=phrase, box=Box(10.0 * i, 0.0, 10.0 * i + 10, 50.0))
        for i, phrase in enumerate(phrases)
    )


#: A 100 x 100 image with something of every kind.
FULL = msgspec.structs.replace(
    scene(
        ("dog", 10, 20, 50, 60),
        ("car", 60, 10, 90, 45),
        ("cup", 2, 78, 12, 90),
        ("cup", 22, 78, 32, 90),
        ("cup", 42, 78, 52, 90),
        ("person", 0, 0, 100, 30, "crowd"),
        captions=("A brown dog sits\nbeside a red car", "Three cups <b>before</b> a dog "),
        questions=(
            question("Is the dog  wet?", *["no"] * 7, "yes", "yes", "maybe"),
            question("What is it?", "a dog", choices=("cat", "a dog"), correct=1, rationales=("It barks",)),
        ),
        regions=regions("dog's long tail", "a shiny  bumper"),
        texts=(SceneText(id="t0", text="TAXI", box=Box(70, 12, 80, 16)),),
        relations=(Relation(id="l0", subject="o0", predicate="Sitting beside", object="o1"),),
    ),
)
FULL = msgspec.structs.replace(
    FULL,
    objects=tuple(
        msgspec.structs.replace(o, attributes={"o0": ("brown", "wet"), "o1": ("red",)}.get(o.id, ()))
        for o in FULL.objects
    ),
)

LLAVA = """\
A brown dog sits beside a red car
Three cups ‹b›before‹/b› a dog

dog: [0.100, 0.200, 0.500, 0.600]
car: [0.600, 0.100, 0.900, 0.450]
cup: [0.020, 0.780, 0.120, 0.900]
cup: [0.220, 0.780, 0.320, 0.900]
cup: [0.420, 0.780, 0.520, 0.900]
several people: [0.000, 0.000, 1.000, 0.300]"""

SVIT = """\
(1) captions:
A brown dog sits beside a red car
Three cups ‹b›before‹/b› a dog
(2) objects:
dog: [0.100, 0.200, 0.500, 0.600]
car: [0.600, 0.100, 0.900, 0.450]
cup: [0.020, 0.780, 0.120, 0.900]
cup: [0.220, 0.780, 0.320, 0.900]
cup: [0.420, 0.780, 0.520, 0.900]
several people: [0.000, 0.000, 1.000, 0.300]
(3) regions:
dog's long tail
a shiny bumper"""

PLAIN = """\
What people who looked at the picture wrote:
A brown dog sits beside a red car
Three cups ‹b›before‹/b› a dog

How many things there are:
The picture shows several people, a dog, a car and three cups.

What things are like:
The dog is brown and wet.
The car is red.

How things stand to each other:
A dog sitting beside a car.

What people wrote of parts of the picture:
dog's long tail
a shiny bumper

Words that can be read in the picture:
"TAXI"

What people were asked about the picture, and what they said:
Asked "Is the dog wet?", 7 of 10 people answered "no", 2 "yes" and 1 "maybe".
Asked "What is it?", someone answered "a dog". Of "cat" and "a dog", the right one is "a dog". Why: It barks."""

REGION = """\
The part of the picture that is marked with a square:
The square marks a car.
What is marked is red.
A dog sitting beside a car.
It is in the upper right of the picture.
It takes up 10 % of the picture.
Within the square one can read "TAXI"."""


class TestLayouts:
    def test_llava(self) -> None:
        assert clues(FULL, ("captions", "objects"), "llava").text == LLAVA

    def test_svit(self) -> None:
        assert clues(FULL, ("captions", "objects", "regions"), "svit").text == SVIT

    def test_svit_with_the_boxes_of_regions(self) -> None:
        text = clues(FULL, ("captions", "objects", "regions"), "svit", region_boxes=True).text
        assert text.endswith("(3) regions:\ndog's long tail: [0.000, 0.000, 0.100, 0.500]\n"
                             "a shiny bumper: [0.100, 0.000, 0.200, 0.500]")  # fmt: skip

    def test_svit_keeps_empty_parts(self) -> None:
        of = scene(("dog", 10, 20, 50, 60))
        assert clues(of, ("captions", "objects", "regions"), "svit").text == (
            "(1) captions:\n(2) objects:\ndog: [0.100, 0.200, 0.500, 0.600]\n(3) regions:"
        )

    def test_plain(self) -> None:
        parts = ("captions", "counts", "attributes", "relations", "regions", "texts", "questions")
        assert clues(FULL, parts).text == PLAIN

    def test_marked_region(self) -> None:
        assert clues(FULL, ("region",), region=Box(60, 10, 90, 45)).text == REGION

    def test_other_parts_are_worded_in_every_layout(self) -> None:
        assert '(2) texts:\n"TAXI"' in clues(FULL, ("captions", "texts"), "svit").text
        assert clues(FULL, ("captions", "texts"), "llava").text.endswith('picture:\n"TAXI"')

    def test_absent_things_are_drawn_by_the_seed_alone(self) -> None:
        one, again = (clues(FULL, ("absent",)).text for _ in range(2))
        assert one == again
        assert re.search(r"^The picture shows no .+ or .+\.$", one, re.MULTILINE)
        assert not re.search(r"\b(dogs|cars|cups|people)\b", one)

    def test_numbers_are_told_only_where_they_are_sure(self) -> None:
        unsearched = scene(("tree", 0, 0, 20, 20), ("tree", 40, 0, 60, 20), ("sky", 0, 0, 99, 9), searched=())
        assert "shows some sky and some trees." in clues(unsearched, ("counts",)).text
        crowd = scene(("person", 0, 0, 99, 30, "crowd"))
        assert "shows several people." in clues(crowd, ("counts",)).text

    def test_alike_objects_share_a_line(self) -> None:
        of = scene(("dog", 5, 5, 30, 30), ("dog", 50, 5, 80, 30), ("cup", 5, 60, 20, 80))
        of = msgspec.structs.replace(
            of, objects=tuple(msgspec.structs.replace(o, attributes=("white",)) for o in of.objects)
        )
        assert clues(of, ("attributes",)).text.endswith("Two dogs are white.\nThe cup is white.")
        of = msgspec.structs.replace(of, searched=())
        assert clues(of, ("attributes",)).text.endswith("Some dogs are white.\nThe cup is white.")


class TestEvidence:
    def test_ids_and_boxes_of_what_is_told(self) -> None:
        told = clues(FULL, ("captions", "objects", "regions"), "svit", region_boxes=True)
        assert told.evidence == ("c0", "c1", "o0", "o1", "o2", "o3", "o4", "o5", "g0", "g1")
        assert told.boxes == tuple(find_boxes(told.text))
        assert told.boxes[0] == (0.1, 0.2, 0.5, 0.6)

    def test_what_is_cut_is_no_evidence(self) -> None:
        told = clues(FULL, ("captions", "objects"), "llava", most=120)
        assert told.cut == ("objects: 5",)
        assert told.evidence == ("c0", "c1", "o0")
        assert told.boxes == ((0.1, 0.2, 0.5, 0.6),)

    def test_needs(self) -> None:
        bare = scene(("dog", 10, 20, 50, 60))
        told = clues(bare, ("captions", "objects", "regions"), "svit", needs=("captions", "objects"))
        assert told.missing == ("captions",)
        told = clues(bare, ("captions", "objects", "regions"), "svit", needs=("captions or regions",))
        assert told.missing == ("captions or regions",)
        told = clues(bare, ("captions", "objects"), "llava", needs=("captions or objects",))
        assert told.missing == ()
        assert clues(FULL, ("region",), needs=("region",)).missing == ("region",)

    def test_a_scene_without_anything(self) -> None:
        told = clues(scene(searched=()), needs=())
        assert (told.text, told.cut, told.boxes, told.evidence) == ("", (), (), ())

    def test_no_parts(self) -> None:
        assert clues(FULL, ()) == Clues("")

    def test_without_a_size_there_are_no_boxes(self) -> None:
        image = msgspec.structs.replace(FULL.image, width=0, height=0)
        of = msgspec.structs.replace(FULL, image=image)
        parts = ("captions", "objects", "regions")
        told = clues(of, parts, "svit", region_boxes=True, needs=("objects",))
        assert told.text.endswith("a dog\n(2) objects:\n(3) regions:")
        assert told.cut == ("objects: 6", "regions: 2")
        assert told.missing == ("objects",)
        assert clues(of, PARTS, region=of.objects[0].box).boxes == ()  # nothing else divides by it


class TestCut:
    parts = ("captions", "objects", "regions")

    def test_the_last_part_goes_first_and_its_last_lines(self) -> None:
        whole = clues(FULL, self.parts, "svit")
        told = clues(FULL, self.parts, "svit", most=len(whole.text) - 1)
        assert told.text == whole.text.removesuffix("\na shiny bumper")
        assert told.cut == ("regions: 1",)

    def test_the_configured_part_goes_first_then_the_others_from_the_end(self) -> None:
        told = clues(FULL, self.parts, "svit", most=60, cut=("objects",))
        assert told.cut == ("objects: 6", "regions: 2", "captions: 1")
        assert told.text == "(1) captions:\nA brown dog sits beside a red car\n(2) objects:\n(3) regions:"

    def test_a_part_that_is_not_told_need_not_be_cut(self) -> None:
        told = clues(FULL, self.parts, "svit", most=60, cut=("texts", "objects"))
        assert told == clues(FULL, self.parts, "svit", most=60, cut=("objects",))

    def test_an_emptied_part_takes_its_heading_along(self) -> None:
        told = clues(FULL, ("captions", "texts"), most=130)
        assert told.cut == ("texts: 1",)
        assert told.text.endswith("Three cups ‹b›before‹/b› a dog")

    def test_the_last_line_stays_however_long_it_is(self) -> None:
        of = scene(captions=("word " * 100,))
        assert clues(of, ("captions",), "llava", most=100).text == ("word " * 100).strip()

    def test_a_needed_part_that_was_cut_away_is_missing(self) -> None:
        told = clues(FULL, self.parts, "svit", most=70, needs=("regions",))
        assert told.missing == ("regions",)

    def test_most_of_the_config(self) -> None:
        of = scene(captions=tuple(f"This is sentence {i} of many." for i in range(20)))
        told = clues(of, ("captions",), "llava", cut=())
        assert len(told.text.splitlines()) == 20
        config = CluesConfig(layout="llava", parts=("captions",), most=100)
        assert render(of, config, rng(0)).cut == ("captions: 17",)


TEXT = st.text(min_size=1, max_size=40)
SCENES = st.builds(
    lambda captions, phrases, boxes: scene(
        *(("dog", 0, 0, 9, 9) for _ in range(boxes)), captions=tuple(captions), regions=regions(*phrases)
    ),
    st.lists(TEXT, max_size=6),
    st.lists(TEXT, max_size=6),
    st.integers(0, 5),
)
LAYOUTS = st.sampled_from(["llava", "svit", "plain"])
ORDER = st.permutations(("captions", "objects", "regions"))


@given(SCENES, LAYOUTS, ORDER, st.integers(0, 3), st.integers(1, 400))
def test_cut_text_is_whole_lines_short_enough_and_counted(
    of: Scene, layout: str, order: list[str], named: int, most: int
) -> None:
    cut = tuple(order[:named])
    whole = clues(of, ("captions", "objects", "regions"), layout, cut=cut, region_boxes=True)
    told = clues(of, ("captions", "objects", "regions"), layout, cut=cut, region_boxes=True, most=most)
    assert whole.cut == ()
    rest = iter(whole.text.split("\n"))
    assert all(line in rest for line in told.text.split("\n"))  # a subsequence of whole lines
    assert len(told.text) <= most or len(told.evidence) <= 1
    lost = sum(int(entry.rpartition(" ")[2]) for entry in told.cut)
    assert len(whole.evidence) - len(told.evidence) == lost
    assert set(told.boxes) <= set(whole.boxes)
    names = [entry.partition(":")[0] for entry in told.cut]
    expected = [*cut, *(part for part in ("regions", "objects", "captions") if part not in cut)]
    assert names == [part for part in expected if part in names]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"parts": ("captoins",)}, "did you mean 'captions'"),
        ({"parts": ("captions",), "needs": ("objects",)}, "not among `parts`"),
        ({"parts": ("captions",), "needs": ("captions or objects",)}, "not among `parts`"),
        ({"parts": ("captions",), "cut": ("boxes",)}, "no such part"),
        ({"parts": ("captions", "captions")}, "twice"),
    ],
)
def test_a_wrong_part_is_told(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(VlitError, match=says):
        clues(FULL, **changes)


@pytest.fixture(scope="module")
def scenes(demo: Path) -> list[Scene]:
    return shipped(demo)


class TestRealScenes:
    @pytest.mark.parametrize("layout", ["llava", "svit", "plain"])
    def test_every_annotation_is_told(self, scenes: list[Scene], layout: str) -> None:
        for of in scenes:
            told = clues(of, ("captions", "objects", "regions", "questions"), layout)
            assert told == clues(of, ("captions", "objects", "regions", "questions"), layout)
            assert set(told.evidence) == set(of.annotation_ids())
            assert told.boxes == tuple(find_boxes(told.text))
            assert all(0 <= value <= 1 for box in told.boxes for value in box)
            assert not told.cut

    def test_marked_regions(self, scenes: list[Scene]) -> None:
        checked = 0
        for of in scenes:
            for o in of.objects:
                told = clues(of, ("region",), region=o.box, needs=("region",))
                assert o.id in told.evidence
                assert "The square marks " in told.text
                assert not told.missing
                checked += 1
        assert checked > 500

    def test_visual_genome_is_cut_to_whole_phrases(self) -> None:
        found, _ = collect_folder(shared_data("visual-genome"))
        parts = ("captions", "objects", "regions")
        for of in found:
            whole = clues(of, parts, "svit", region_boxes=True, most=10**6)
            told = clues(of, parts, "svit", region_boxes=True, most=8000)
            assert len(whole.text) > 8000 >= len(told.text) > 7800
            assert whole.text.startswith(told.text + "\n")
            lost = len(whole.boxes) - len(told.boxes)
            assert told.cut == (f"regions: {lost}",)
            assert told.text.startswith("(1) captions:\n(2) objects:\n")

    def test_absent_things_are_not_annotated(self, scenes: list[Scene]) -> None:
        for of in scenes:
            text = clues(of, ("absent",)).text.lower()
            assert not any(re.search(rf"\b{o.label}s?\b", text) for o in of.objects)
