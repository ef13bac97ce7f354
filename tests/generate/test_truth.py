"""What the tasks may claim: only what the annotations surely tell."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.generate.scenes import SEARCHED, question, scene
from vlit.data.scene import Scene
from vlit.generate.declarative import sentence, thing
from vlit.generate.expressions import clear_box, expressions
from vlit.generate.places import PLACES, beside, place_of, wrong_places
from vlit.generate.statistics import Statistics, of_scenes, question_kind
from vlit.generate.tasks.open_vqa import OpenVqa
from vlit.generate.tasks.presence import absent
from vlit.generate.things import amount
from vlit.generate.view import Settings, View


def view(s: Scene, statistics: Statistics | None = None) -> View:
    return View(s, statistics or of_scenes([s]), Settings())


def test_a_mentioned_label_is_never_absent() -> None:
    v = view(
        scene(("dog", 0, 0, 30, 30), captions=("A man and his puppy on a couch.", "A dog with its owner."))
    )
    assert "person" not in v.absent  # "man"
    assert "dog" not in v.absent
    assert "cat" in v.absent


def test_a_synonym_in_a_question_or_a_broad_word_blocks_too() -> None:
    asked = scene(("dog", 0, 0, 30, 30), questions=(question("What is the cat doing?", "sleeping"),))
    assert "cat" not in view(asked).absent
    broad = scene(("dog", 0, 0, 30, 30), captions=("A dog under a table with drinks.",))
    assert "cup" not in view(broad).absent


def test_a_label_that_was_not_searched_for_is_never_absent() -> None:
    v = view(scene(("dog", 0, 0, 30, 30), searched=("dog", "cat")), of_scenes([scene(("tv", 0, 0, 9, 9))]))
    assert v.absent == ["cat"]


def test_a_label_that_is_easily_mixed_up_with_one_there_is_never_absent() -> None:
    assert "truck" not in view(scene(("car", 0, 0, 30, 30))).absent


def test_small_things_are_not_called_absent_where_people_crowd_or_sit() -> None:
    crowd = scene(("person", 0, 0, 50, 50, "crowd"))
    assert "cup" not in view(crowd).absent
    assert "cat" in view(crowd).absent
    assert (
        "chair" not in view(scene(("person", 0, 0, 50, 50), captions=("People seated around a table.",))).absent
    )


def test_absent_labels_are_each_given_once_and_never_one_that_is_there() -> None:
    v = view(scene(("dog", 0, 0, 30, 30), ("cup", 50, 50, 90, 90)))
    given = list(absent(v, Random(1)))
    assert len(given) == len(set(given)) == len(v.absent)
    assert not {"dog", "cup"} & set(given)


@pytest.mark.parametrize(
    ("s", "counts"),
    [
        (scene(("cup", 0, 0, 30, 30), ("cup", 50, 50, 90, 90)), {"cup": 2}),
        (scene(("cup", 0, 0, 30, 30), ("cup", 50, 50, 90, 90, "crowd")), {}),  # a crowd stands for several
        (scene(("cup", 0, 0, 30, 30), searched=("dog",)), {}),  # there may be more
        (scene(("cup", 0, 0, 30, 30), ("cup", 50, 50, 51, 51)), {}),  # where one is tiny, others were missed
        (scene(("cup", 0, 0, 30, 30), captions=("A table with two cups.",)), {}),  # the caption sees more
        (scene(("cup", 0, 0, 30, 30), captions=("Some cups here.",)), {}),
        (scene(("cup", 0, 0, 30, 30), captions=("A cup and its reflection.",)), {}),  # seen twice
        (scene(("cup", 0, 0, 9, 9), ("cup", 20, 20, 29, 29), captions=("Two cups.",)), {"cup": 2}),
        # Annotators call one vehicle a car and the next a truck, and cut fruit one banana or three.
        (scene(("car", 0, 0, 30, 30), ("truck", 50, 50, 90, 90)), {}),
        (scene(("broccoli", 0, 0, 30, 30), ("broccoli", 50, 50, 90, 90)), {}),
        (
            scene(
                ("broccoli", 0, 0, 30, 30), ("broccoli", 50, 50, 90, 90), captions=("Two pieces of broccoli.",)
            ),
            {"broccoli": 2},
        ),
        # A hand or a far silhouette: nobody who described the photo saw a person.
        (scene(("person", 0, 0, 30, 90), captions=("A bowl of sweets with marshmallows.",)), {}),
        (scene(("person", 0, 0, 30, 90), captions=("A man with a bowl.",)), {"person": 1}),
        # One thing with two names, and several that no caption speaks of.
        (scene(("cup", 0, 0, 30, 30), ("fork", 1, 0, 30, 30)), {}),
        (scene(("cup", 0, 0, 30, 30), ("cup", 50, 50, 90, 90), captions=("A shelf in a shop.",)), {}),
        # There are more in the background.
        (scene(("chair", 0, 0, 30, 30), ("chair", 50, 50, 90, 90)), {}),
        (scene(("chair", 0, 0, 30, 30), ("chair", 50, 50, 90, 90), captions=("Two chairs.",)), {"chair": 2}),
        # Boxes on each other hide more of the same.
        (scene(*(("cup", x, 0, x + 30, 30) for x in (0, 15, 40))), {}),
        (scene(*(("cup", x, 0, x + 20, 30) for x in (0, 25, 50))), {"cup": 3}),
        # In a crowd, small things are missed.
        (
            scene(*(("person", x, 0, x + 10, 50) for x in range(0, 90, 15)), ("cup", 0, 80, 9, 99)),
            {"person": 6},
        ),
    ],
)
def test_numbers_are_given_only_where_they_are_sure(s: Scene, counts: dict[str, int]) -> None:
    assert view(s).counts == counts


def test_what_stands_beside_is_not_denied() -> None:
    assert "tv" in view(scene(("dog", 0, 0, 30, 30))).absent
    assert "bottle" not in view(scene(("bicycle", 0, 0, 30, 30), searched=(*SEARCHED, "bottle"))).absent
    six = [("person", x, 0, x + 10, 50) for x in range(0, 90, 15)]
    assert "chair" not in view(scene(*six)).absent


def test_only_what_is_plainly_seen_is_spoken_of() -> None:
    hand = scene(("person", 0, 0, 30, 90), ("cup", 50, 0, 80, 30), captions=("A cup of coffee on a desk.",))
    assert view(hand).visible == ["cup"]
    van = scene(("car", 0, 0, 30, 30), ("truck", 50, 50, 58, 58))  # small, and of a kind that is mixed up
    assert view(van).visible == ["car"]
    named = scene(("car", 0, 0, 30, 30), ("truck", 50, 50, 58, 58), captions=("A car and a truck.",))
    assert view(named).visible == ["car", "truck"]


def test_one_box_of_what_captions_see_several_of_is_not_one() -> None:
    heap = view(scene(("chair", 0, 0, 60, 60), captions=("Chairs are stacked in a hall.",)))
    assert amount(heap, "chair") == "some chairs"


def test_captions_that_see_another_animal_are_not_used() -> None:
    dogs = scene(
        ("dog", 0, 0, 60, 60),
        captions=("Two cats are playing in the grass.", "A dog is running through a green field."),
    )
    assert [line.id for line in view(dogs).lines] == ["c1"]


def test_what_captions_name_otherwise_is_not_spoken_of() -> None:
    named = scene(("car", 0, 0, 30, 30), ("truck", 50, 0, 90, 30), captions=("A red car on a road.",))
    assert view(named).visible == ["car"]


def test_things_are_called_what_a_reader_would_call_them() -> None:
    plush = view(scene(("teddy bear", 0, 0, 50, 50), captions=("A toy sheep on a bed.",)))
    assert (plush.the("teddy bear"), plush.by_name(plush.visible), plush.numbers) == (
        "the stuffed animal",
        [],
        {},
    )
    bear = view(scene(("teddy bear", 0, 0, 50, 50), captions=("A teddy bear on a bed.",)))
    assert (bear.the("teddy bear"), bear.by_name(bear.visible)) == ("the teddy bear", ["teddy bear"])
    desk = scene(("tv", 0, 0, 50, 50), ("keyboard", 50, 50, 90, 90), searched=(*SEARCHED, "keyboard"))
    assert view(desk).visible == ["keyboard"]  # a computer's monitor
    toy = scene(("dog", 0, 0, 12, 12), ("cup", 40, 0, 90, 30), captions=("A cup on a desk.",))
    assert view(toy).visible == ["cup"]


def test_a_mirror_image_is_not_a_second_thing() -> None:
    cats = (("cat", 0, 0, 40, 90), ("cat", 60, 0, 100, 90))
    assert amount(view(scene(*cats, captions=("A cat in front of a mirror.",))), "cat") == "a cat"
    assert amount(view(scene(*cats)), "cat") == "two cats"


def test_wrong_places_are_not_right_as_well() -> None:
    for right in PLACES.values():
        wrong = wrong_places(right, 3, Random(right.short))
        assert len(wrong) == len({p.short for p in wrong}) == 3
        height, _, side = right.short.partition(" ")
        if side in ("left", "right"):  # what is in the upper left is on the left side, and about at the top
            beside_it = {side, "top center" if height == "upper" else "bottom center"}
            assert not {p.short for p in wrong} & beside_it
    counts = Counter(p.short for n in range(300) for p in wrong_places(PLACES[0, 0], 3, Random(n)))
    assert counts.most_common(1)[0][0] == "center"  # so that the center is not right whenever it is offered


@pytest.mark.parametrize(
    ("box", "short"),
    [
        ((0, 0, 20, 20), "upper left"),
        ((40, 40, 60, 60), "center"),
        ((80, 40, 100, 60), "right"),
        ((45, 85, 55, 100), "bottom center"),
        ((24, 40, 46, 60), None),  # neither left nor center
        ((0, 40, 90, 60), None),  # all over the image
    ],
)
def test_places_are_named_only_where_they_are_clear(box: tuple[int, ...], short: str | None) -> None:
    v = view(scene(("dog", *box)))
    place = place_of(v, v.scene.objects[0])
    assert (place.short if place else None) == short


def test_beside_needs_a_clear_margin() -> None:
    v = view(scene(("dog", 0, 0, 20, 20), ("cat", 60, 0, 90, 20)))
    assert [(p.a.label, p.b.label) for p in beside(v, v.scene.objects)] == [("dog", "cat")]
    close = view(scene(("dog", 0, 0, 50, 20), ("cat", 10, 0, 60, 20)))
    assert beside(close, close.scene.objects) == []


def test_expressions_fit_one_object_alone() -> None:
    v = view(
        scene(("dog", 0, 0, 20, 20), ("cup", 0, 50, 10, 60), ("cup", 40, 50, 60, 70), ("cup", 80, 50, 90, 60))
    )
    texts = {e.text: e.object.id for e in expressions(v)}
    assert texts == {
        "the dog": "o0",
        "the leftmost cup": "o1",
        "the rightmost cup": "o3",
        "the largest cup": "o2",
    }
    level = view(scene(("cup", 40, 0, 50, 10), ("cup", 42, 50, 52, 60)))
    assert expressions(level) == []  # neither is clearly to the left, neither is larger


def test_a_box_that_another_thing_fills_is_not_asked_about() -> None:
    v = view(scene(("person", 20, 0, 60, 60), ("bicycle", 15, 20, 65, 70), ("cup", 80, 80, 95, 95)))
    assert [clear_box(v, o) for o in v.scene.objects] == [False, False, True]


@pytest.mark.parametrize(
    ("asked", "answer", "said"),
    [
        ("What are the picture frames made of?", "wood", "The picture frames are made of wood."),
        ("What color is the man's shirt?", "blue", "The man's shirt is blue."),
        ("Are the drinking glasses full or empty?", "empty", "The drinking glasses are empty."),
        ("How many people are wearing black?", "1", "One person is wearing black."),
        ("How many pets are present?", "2", "Two pets are present."),
        ("How many buses are there?", "1", "There is one bus."),
        ("How many dogs are there in the picture?", "12", "There are 12 dogs in the picture."),
        ("How many dogs are there?", "0", "There are no dogs."),
        ("Is this a real image?", "no", "No, this is not a real image."),
        ("Are they celebrating a birthday?", "yes", "Yes, they are celebrating a birthday."),
        ("Is there a dog?", "no", "No, there is not."),
        ("Is the man wearing a hat?", "no", "No, the man is not wearing a hat."),
        ("Is the living room tidy?", "yes", "Yes, it is."),
        ("Is the tennis player tall?", "yes", None),  # "he", "she" or "they" cannot be told
        ("Is it day or night?", "yes", None),
        ("Was this photo taken at night?", "yes", "Yes, it was."),
        ("Was this photo taken during the day?", "no", "No, it was not."),
        ("Is this person surfing?", "yes", "Yes, this person is surfing."),
        ("Are these people related?", "no", "No, they are not."),
        ("Is this in color?", "no", "No, this is not in color."),
        ("Does the dog have a collar?", "yes", "Yes, it does."),
        ("Do the people look happy?", "no", "No, they do not."),
        ("Has the pizza been eaten?", "no", "No, it has not."),
        ("Can you see the sky?", "no", "No, I cannot."),
        ("Is the chef happy?", "yes", None),  # "it" would be rude
        ("What color is his pants?", "green", None),  # "his pants is green"
        ("What color are the doors painted?", "white", None),
        ("How many people are wearing hats?", "1", None),  # "one person is wearing hats"
        ("How many dogs are in the park?", "12", None),  # a sentence does not begin with digits
        ("How many giraffes can be seen?", "2", "Two giraffes can be seen."),
        ("How many birds do you see in the tree?", "1", "One bird can be seen in the tree."),
        ("What is the man holding?", "tennis racket", None),  # needs an article
        ("What time is it?", "11:43", None),
    ],
)
def test_answers_become_sentences_only_by_a_sure_rule(asked: str, answer: str, said: str | None) -> None:
    assert sentence(asked, answer) == said


@pytest.mark.parametrize(
    ("asked", "answer", "said"),
    [
        ("What is the man holding?", "tennis racket", "a tennis racket"),
        ("What is he standing on?", "ground", "the ground"),
        ("What animal is this?", "sheep", "a sheep"),
        ("What is in the bowl?", "apples", "apples"),
        ("What color is it?", "orange", "orange"),
        ("What does the sign say?", "bus", "bus"),
        ("What is the man doing?", "surfing", "surfing"),
    ],
)
def test_things_get_their_article_where_the_question_asks_for_a_thing(
    asked: str, answer: str, said: str
) -> None:
    assert thing(asked, answer) == said


def test_questions_need_a_clear_majority_and_an_answer_that_says_something() -> None:
    def asked(*answers: str) -> list[str | None]:
        v = view(scene(questions=(question("What is it made of?", *answers),)))
        return [f.short for f in OpenVqa().facts(v, Random(0))]

    assert asked(*["wood"] * 8, "metal", "steel") == ["wood"]
    assert asked(*["wood"] * 5, *["metal"] * 5) == []
    assert asked(*["can't tell"] * 10) == []
    assert asked(*["paris"] * 10) == ["Paris"]


def test_statistics_do_not_depend_on_the_order_of_scenes() -> None:
    scenes = [
        scene(("dog", 0, 0, 9, 9), ("cup", 0, 0, 9, 9)),
        scene(("dog", 0, 0, 9, 9), ("cup", 0, 0, 9, 9)),
        scene(("dog", 0, 0, 9, 9), ("tv", 0, 0, 9, 9)),
        scene(("cat", 0, 0, 9, 9)),
    ]
    one, other = of_scenes(scenes), of_scenes(scenes[::-1])
    assert one.labels == other.labels
    assert one.labels[0] == "dog"
    assert one.scenes["dog"] == 3
    assert one.companions == other.companions
    # Of the TV nothing is kept: to be there once together is chance.
    assert one.companions == {"dog": {"cup": 0.6667}, "cup": {"dog": 1.0}, "cat": {}, "tv": {}}
    assert set(one.labels) == set(SEARCHED)


def test_questions_of_one_kind_begin_alike() -> None:
    assert question_kind("What color is the dog?") == question_kind("What color are the walls?")
    assert question_kind("What is the man doing?") != question_kind("Where is the man?")
