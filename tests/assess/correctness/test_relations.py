import msgspec
import pytest

from tests.assess.correctness.judging import outcomes
from tests.assess.small import obj, scene
from vlit.data.boxes import Box
from vlit.data.scene import Relation

#: A man wears a tie and stands by a bench; a cup is high on the left, a dog low on the right.
ROOM = msgspec.structs.replace(
    scene([obj("p", "person"), obj("t", "tie"), obj("b", "bench"), obj("d", "dog", 75), obj("c", "cup")]),
    relations=(
        Relation(id="r1", subject="p", predicate="wears", object="t"),
        Relation(id="r2", subject="p", predicate="standing next to", object="b"),
        Relation(id="r3", subject="p", predicate="in front of", object="b"),
    ),
)
ROOM = msgspec.structs.replace(
    ROOM,
    objects=tuple(
        msgspec.structs.replace(o, box=Box(75, 60, 95, 90)) if o.label == "dog" else o for o in ROOM.objects
    ),
)


def of(question, answer, room=ROOM):
    return outcomes(room, question, answer, "relation")


@pytest.mark.parametrize(
    "answer",
    [
        "A person is wearing a tie.",
        "A man who wears a tie.",
        "The man is next to the bench.",
        "The man is in front of the bench.",
        "The cup is above the dog.",
        "The dog is under the cup.",
        "The cup appears higher in the image than the dog.",
    ],
)
def test_annotated_relations_and_boxes_support(answer):
    assert of("?", answer) == ["supported"]


@pytest.mark.parametrize(
    ("question", "answer", "outcome"),
    [
        ("?", "The dog is above the cup.", ["contradicted"]),
        ("?", "The dog appears higher in the image than the cup.", ["contradicted"]),
        ("?", "The man is behind the bench.", []),  # whose front?
        ("?", "The man holds a tie.", []),  # nobody wrote it down, it may be so
        ("?", "The dog jumps over the cup.", []),
        ("?", "The person is above the cup.", ["unverifiable"]),  # as high
        ("Which is higher in the image, the cup or the dog?", "The cup", ["supported"]),
        ("Which is higher in the image, the cup or the dog?", "The dog.", ["contradicted"]),
        ("What is farther to the left, the dog or the cup?", "The dog", ["contradicted"]),
        ("What is farther to the left, the dog or the cup?", "The cup", ["supported"]),
        ("On which side of the cup is the dog?", "Right", ["supported"]),
        ("On which side of the cup is the dog?", "On the left.", ["contradicted"]),
        ("Is the dog to the left or to the right of the cup?", "Left", ["contradicted"]),
        ("Relative to the dog, is the cup on the left or on the right?", "Left", ["supported"]),
        ("Is the tie to the left or to the right of the cup?", "Left", ["unverifiable"]),
    ],
)
def test_pairs(question, answer, outcome):
    assert of(question, answer) == outcome


def test_two_of_a_label_say_nothing_of_the_side():
    room = scene([obj(1, "dog", 0), obj(2, "dog", 60), obj(3, "cup", 75)])
    assert of("Is the dog to the left or to the right of the cup?", "Right", room) == ["unverifiable"]


@pytest.mark.parametrize(
    ("question", "answer", "outcome"),
    [
        ("Which is farther to the left?", "The cup is farther to the left than the dog.", ["supported"]),
        ("Which is farther to the left?", "The cup is farther to the right than the dog.", ["contradicted"]),
        (
            "Which is farther to the left, the cup or the dog?",
            "The cup is farther to the right.",
            ["contradicted"],
        ),
    ],
)
def test_the_side_that_an_answer_names_counts(question, answer, outcome):
    assert of(question, answer) == outcome
