import msgspec
import pytest

from tests.assess.correctness.judging import looking, outcomes
from tests.assess.small import asked, obj, scene
from vlit.assess.correctness.attributes import excludes, families

ROOM = scene(
    [
        looking(1, "car", "red", "shiny"), looking(2, "dog", "black and white"), looking(3, "cup", "blue"),
        looking(4, "cup", "green", x=40), obj(5, "cat"), looking(6, "person", "white"),
        looking(7, "bus", "striped", "red"), looking(8, "toaster", "open"),
    ],
    captions=["A black cat on a sofa."],
)  # fmt: skip


def of(question, answer, room=ROOM):
    return outcomes(room, question, answer, "attribute")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("?", "A red car."),
        ("?", "A big, bright red car."),
        ("?", "The car is dark red."),
        ("What color is the car?", "It is red."),
        ("Is the car blue?", "No."),
        ("?", "A blue cup."),
        ("?", "The cat is black."),
        ("?", "A black dog."),
        ("?", "The toaster is open."),
    ],
)
def test_a_look_that_is_annotated_or_told_is_supported(question, answer):
    assert of(question, answer) == ["supported"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("?", "A green car stands there."),
        ("?", "The car is blue."),
        ("What color is the car?", "Green"),
        ("What is the color of the car?", "Green"),
        ("What colour is the car on the left?", "Green"),
        ("Is the car blue?", "Yes."),
        ("Is the car red?", "No."),
        ("?", "A red cup."),  # one is blue, the other green
        ("?", "The toaster is closed."),
    ],
)
def test_a_look_that_every_annotated_one_excludes_is_contradicted(question, answer):
    assert of(question, answer) == ["contradicted"]


@pytest.mark.parametrize(
    "answer",
    [
        "An orange car.",  # people tell red and orange apart in different ways
        "A green and red car.",
        "There is another green car.",
        "The cat is white.",  # a caption is no list of all colours
        "A blue bus.",  # striped
        "A blue dog.",  # black is near to blue
        "The car is new.",
    ],
)
def test_what_may_be_so_all_the_same_is_not_contradicted(answer):
    assert "contradicted" not in of("?", answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("?", "The dog next to the car is green."),  # the dog is, not the car
        ("?", "The car is not green."),
        ("?", "The car's door is green."),
        ("?", "Green cars."),
        ("?", "A white person."),
        ("What color is the car's door?", "Green"),
        ("What color is the shirt of the man in the car?", "Green"),
        ("Is the car green or blue?", "Green"),
    ],
)
def test_what_is_said_of_something_else_claims_nothing_of_the_car(question, answer):
    assert of(question, answer) == [] or "contradicted" not in of(question, answer)


def test_an_open_world_contradicts_only_the_one_that_is_meant():
    room = scene([looking(1, "clock", "green", "tall")], searched=())
    assert of("?", "The clock is red.", room) == ["contradicted"]
    assert of("What color is the clock?", "Red", room) == ["contradicted"]
    assert of("?", "A red clock hangs there.", room) == ["unverifiable"]  # there may be another one
    two = scene([looking(1, "clock", "green"), looking(2, "clock", "green", x=40)], searched=())
    assert of("?", "The clock is red.", two) == ["unverifiable"]
    namesake = scene([looking(1, "truck", "white"), looking(2, "work truck", "red", x=40)], searched=())
    assert of("?", "The truck is red.", namesake) == ["unverifiable"]
    plural = msgspec.structs.replace(room, questions=(asked("How many clocks are there?", ("2", 1)),))
    assert of("?", "The clock is red.", plural) == ["unverifiable"]


def test_a_text_about_the_label_with_the_same_colour_stops_a_contradiction():
    room = scene([looking(1, "car", "red")], captions=["A man in a green shirt by a car."])
    assert of("?", "The car is green.", room) == ["unverifiable"]


def test_families():
    assert families("a dark-grey and red thing") == {("colour", "grey"), ("colour", "red")}
    assert excludes(("colour", "red"), ("colour", "green"))
    assert not excludes(("colour", "red"), ("opening", "open"))
    assert not excludes(("colour", "red"), ("colour", "red"))
    assert not excludes(("colour", "white"), ("colour", "beige"))


def test_two_captions_tell_the_colour_of_the_only_one():
    red = ["A red car.", "Two brown dogs by a red car."]
    room = scene([obj(1, "car"), obj(2, "dog"), obj(3, "dog", x=40)], captions=red)
    assert of("?", "The car is green.", room) == ["contradicted"]
    assert of("?", "A blue car.", room) == ["contradicted"]
    assert of("?", "A white dog.", room) == ["unverifiable"]  # the other one may be
    alone = scene([obj(1, "car")], captions=red[:1])
    assert of("?", "The car is green.", alone) == ["unverifiable"]
    mixed = scene([obj(1, "car")], captions=[*red, "A red and green car."])
    assert of("?", "The car is green.", mixed) == ["supported"]
    other = scene([obj(1, "car")], captions=[*red, "A car before a green house."])
    assert of("?", "The car is green.", other) == ["unverifiable"]
