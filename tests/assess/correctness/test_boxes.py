import pytest

from tests.assess.correctness.judging import outcomes
from tests.assess.small import obj, scene

#: 100 x 100 pixels: a dog on the left, a cat on the right, both 20 x 20 from the height 10.
ROOM = scene([obj(1, "dog", 0), obj(2, "cat", 75)])


def of(question, answer, room=ROOM):
    return outcomes(room, question, answer, "box")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The dog is at [0.0, 0.1, 0.2, 0.3].", ["supported"]),
        ("The dog is at [0, 10, 20, 30].", ["supported"]),  # pixels
        ("The dog is at [0, 100, 200, 300].", ["supported"]),  # thousandths
        ("A dog [0.0, 0.1, 0.2, 0.3] and a cat [0.75, 0.1, 0.95, 0.3].", ["supported"] * 2),
        ("A dog [0.75, 0.1, 0.95, 0.3] and a cat [0.75, 0.1, 0.95, 0.3].", ["contradicted", "supported"]),
        ("A dog near a cat [0.75, 0.1, 0.95, 0.3], and [0.1, 0.1, 0.2, 0.2].", ["unverifiable"] * 2),
        ("The dog is at [0.2, 0.1, 0.0, 0.3].", ["contradicted"]),  # corners
        ("The dog is at [0.0, 0.1, 0.2, 1.3].", ["contradicted"]),  # outside
        ("The dog is at [0, 10, 20, 3000].", ["contradicted"]),
        ("[0.0, 0.1, 0.2, 0.3] it is.", []),
    ],
)
def test_boxes_beside_labels(answer, expected):
    assert of("?", answer) == expected


def test_an_overlap_of_half_is_enough():
    """20 x 20 against the same moved by x: the overlap over the union is (20 - x) / (20 + x)."""
    assert of("?", "The dog is at [6, 10, 26, 30].") == ["supported"]  # 14 / 26 = 0.54
    assert of("?", "The dog is at [8, 10, 28, 30].") == ["contradicted"]  # 12 / 28 = 0.43


def test_what_was_asked_for_as_a_box_has_four_numbers():
    assert of("Give the bounding box of the dog.", "[0.0, 0.1, 0.2]") == ["contradicted"]
    assert of("Which numbers are there?", "[1, 2, 3]") == []


def test_a_label_that_nobody_searched_for_may_be_elsewhere_too():
    room = scene([obj(1, "dog", 0)], searched=())
    assert of("?", "The dog is at [0.5, 0.5, 0.9, 0.9].", room) == ["unverifiable"]
