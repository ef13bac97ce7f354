import pytest

from tests.assess.correctness.judging import looking
from tests.assess.small import asked, obj, sample, scene
from vlit.assess.correctness.judged import judge_sample

ROOM = scene(
    [obj(1, "dog", 0), obj(2, "dog", 40), obj(3, "cat", 75), looking(4, "car", "red")],
    questions=[asked("Is the cat asleep?", ("no", 9), ("yes", 1))],
)


def judged(*texts, room=ROOM, **more):
    return judge_sample(sample(*texts, **more), {"s1": room})


@pytest.mark.parametrize(
    "texts",
    [
        ("Describe.", "There are two dogs, a cat and a red car in the image."),
        ("Is there a dog?", "Yes."),
        ("How many dogs are there?", "2"),
        ("Is the cat asleep?", "No."),
        ("Is there a dog?", "Yes.", "Is there an elephant in the picture?", "No, there is no elephant."),
        ("Where is the cat?", "Upper right"),
    ],
)
def test_settled_where_the_rules_account_for_every_word(texts):
    assert judged(*texts).outcome == "supported"


@pytest.mark.parametrize(
    ("texts", "unread"),
    [
        (("Describe.", "Two dogs chase a cat."), ("chase",)),
        (("How many dogs are sleeping?", "2"), ("sleeping",)),  # two there are, but do they sleep?
        (("Is there a dog on the roof?", "Yes."), ("on", "roof")),
        (("Describe.", "Nice."), ("nice",)),
        (("Is it raining?", "No."), ()),
    ],
)
def test_open_where_something_is_left_for_eyes(texts, unread):
    found = judged(*texts)
    assert found.outcome == "open"
    assert found.unread == unread


def test_one_contradiction_decides():
    found = judged("Describe.", "A dog chases an elephant.")
    assert found.outcome == "contradicted"
    assert [(c.kind, c.said, c.outcome) for c in found.claims] == [
        ("present", "dog", "supported"),
        ("present", "elephant", "contradicted"),
    ]


def test_what_cannot_be_decided_is_named():
    found = judged("Describe.", "A dog and a cat.", room=scene([obj(1, "dog")], searched=()))
    assert (found.outcome, found.unread) == ("open", ("cat",))
    found = judged("Describe.", "A blue car.", room=scene([obj(1, "car")]))
    assert [c.said for c in found.left] == ["blue car"]


def test_without_a_scene_it_is_open_and_says_why():
    assert judged("a", "b", scenes=("gone",)).reason == "no annotations are known for its image"
    assert judged("a", "b", scenes=("gone",)).outcome == "open"


def test_it_is_what_the_conversation_spoke_of():
    """The cat's box is centred at 85 % of the width and 20 % of the height."""
    asked_first = ("Is there a cat?", "Yes.", "Where is it?")
    assert judged(*asked_first, "It is in the upper right of the image.").outcome == "supported"
    assert judged(*asked_first, "It is in the lower left of the image.").outcome == "contradicted"
    assert (
        judged("Where is the cat?", "It can be found on the left side of the image.").outcome == "contradicted"
    )
    assert judged("Where is the dog?", "It is on the left side of the image.").outcome == "open"  # which one?
