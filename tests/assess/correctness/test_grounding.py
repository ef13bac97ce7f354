import pytest

from tests.assess.small import COCO, asked, obj, sample, scene
from vlit.assess.correctness.grounding import GroundedCorrectness
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part

#: Two dogs, one cat, five persons, a crowd of cars, one pair of scissors; no elephant, toaster or bus.
ROOM = scene(
    [
        obj("d1", "dog", 0), obj("d2", "dog", 30), obj("c1", "cat", 75),
        *(obj(f"p{i}", "person", 10 * i) for i in range(5)),
        obj("k", "car", crowd=True), obj("x", "scissors", 50),
    ],
    captions=["Two dogs and a cat beside a bike.", "Three men look at two dogs."],
    questions=[
        asked("What color is the dog?", ("brown", 7), ("black", 3)),
        asked("Is the cat asleep?", ("no", 9), ("yes", 1)),
        asked("Where is this?", choices=("home", "zoo"), correct=0),
    ],
)  # fmt: skip


def score(*texts, of=ROOM):
    (found,) = GroundedCorrectness(NoConfig()).score(Part([sample(*texts)], {"s1": of}), None)
    return found


def value(*texts, of=ROOM):
    return score(*texts, of=of).value


@pytest.mark.parametrize(
    "answer",
    [
        "There are two dogs in the image.",
        "2 dogs",
        "A cat.",
        "Three men stand around.",
        "dog, cat, person",
        "There are no elephants.",
        "I do not see any toaster or elephant in the picture.",
        "There isn't a bus here.",
        "An elephant is not visible in the image.",
        "Two women sit down.",
        "At least two persons are there.",
        "The image shows two dogs, a cat and five people.",
        "More than three people are visible.",
        "One of the dogs sleeps.",
        "A bike leans on the wall near the cat.",
        "dogs: 2",
        "There are twenty cars.",
    ],
)
def test_what_the_annotations_bear_out_is_not_flagged(answer):
    assert value("Describe.", answer) in (1.0, None)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ("There are three dogs in the image.", "says 3 dogs; the annotations count 2"),
        ("A couple of photos show 4 dogs on the grass.", "says 4 dogs; the annotations count 2"),
        ("In all, there are four people in the picture.", "says 4 people; the annotations count 5"),
        ("Six men stand around.", "says 6 men; the annotations count 5"),
        ("One dog sleeps. Four dogs bark.", "says 4 dogs"),
        ("An elephant stands by the road.", "mentions 'elephant'"),
        ("dog, cat, toaster", "mentions 'toaster'"),
        ("There are no dogs in the image.", "says that there is no dogs; the annotations count 2"),
        ("No, I cannot see any cat.", "says that there is no cat"),
        ("There are more cats than dogs in the image.", "more cats than dogs"),
        ("A man walks with an elephant, a cat and a dog.", "mentions 'elephant'"),
        ("dogs: 3", "says 3 dogs"),
        ("At least four dogs are there.", "says >= 4 dogs"),
        ("Twenty-one dogs", "says 21 dogs"),
        ("Two men sit down.", "says 2 men; the annotations count 5, the captions say 3"),
    ],
)
def test_contradictions_are_found_and_explained(answer, part):
    found = score("Describe.", answer)
    assert found.value is not None and found.value < 1
    assert part in found.reason


@pytest.mark.parametrize(
    "answer",
    [
        "It looks like an elephant.",
        "There might be a toaster.",
        "Is there an elephant?",
        "A statue of an elephant.",
        "It is a toaster or an elephant.",
        "The sky is orange.",
        "There are nine cars.",
        "There are three scissors.",
        "A hot-dog-shaped balloon made for an elephant.",
        "A unicorn.",
        "Nice.",
    ],
)
def test_what_cannot_be_checked_has_no_value(answer):
    found = score("Describe.", answer.replace("hot-dog", "funny"))
    assert found.value is None or found.value == 1.0


def test_nothing_checkable_says_so():
    found = score("Describe.", "Nice.")
    assert (found.value, found.reason) == (None, "claims nothing that the annotations can check")


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("How many dogs are there? Answer with a number.", "2", "3"),
        ("How many dogs are there?", "Two.", "I count four of them."),
        ("How many elephants can you see?", "None.", "1"),
        ("Is there a dog in the image? A simple yes or no is enough.", "Yes", "No"),
        ("Check the photo for toasters. Are there any?", "No.", "Yes."),
        ("Are there two dogs in the picture?", "Yes", "No"),
        ("Are there three dogs in the picture?", "No", "Yes"),
        ("Which of these is in the image?\nA. An elephant\nB. A dog", "B", "A"),
        ("Which of these is not in the image?\nA. An elephant\nB. A dog", "A.", "(B)"),
        ("How many dogs?\n(A) 2\n(B) 4\n(C) 5", "The answer is A.", "C is correct: 5."),
        ("Pick one.\nA. A toaster\nB. A dog", "B. A dog.", "B. A toaster."),
        ("Are there more dogs than cats in the image?", "Yes", "No"),
        ("What color is the dog?", "Black.", None),
        ("Look at this. Is the cat asleep?", "No", "Yes"),
        ("Where is this?\nA. home\nB. zoo", "A", "B. Zoo."),
        ("Where is the cat?", "Upper right", "On the left side of the image."),
        ("Where is the cat? Give a box.", "[0.750, 0.100, 0.950, 0.300]", "[0.1, 0.5, 0.3, 0.9]"),
        ("What is at [0.750, 0.100, 0.950, 0.300]?", "A cat.", "A dog."),
    ],
)
def test_answers_are_read_with_their_question(question, right, wrong):
    assert value(question, right) == 1.0
    assert wrong is None or value(question, wrong) < 1


def test_how_many_of_them_means_what_was_spoken_of():
    assert value("Is there a dog?", "Yes.", "How many of them are there?", "2") == 1.0
    assert value("Is there a dog?", "Yes.", "How many of them are there?", "5") == 0.5


def test_left_and_right_by_the_boxes():
    room = scene([obj(1, "dog", 0), obj(2, "cat", 70)])
    assert value("?", "The dog is to the left of the cat.", of=room) == 1.0
    assert "on the other side" in score("?", "The cat is to the left of the dog.", of=room).reason
    assert value("Is the cat to the left of the dog?", "Yes.", of=room) == 0.0


@pytest.mark.parametrize(
    "asked", ["On which side of the dog is the table?", "Is the lamp left or right of the dog?"]
)
def test_a_side_of_something_is_no_place_in_the_picture(asked):
    room = scene([obj(1, "dog", 0), obj(2, "dining table", 70)])
    assert value(asked, "Right", of=room) is None
    assert value("Where is the dog?", "Right", of=room) == 0.0


def test_a_number_that_a_caption_gives_is_supported_whatever_the_boxes_say():
    room = scene([obj(1, "dog")], captions=["Three dogs on a couch."])
    assert value("Describe.", "Three dogs rest.", of=room) == 1.0
    assert value("Describe.", "A couch.", of=room) == 1.0


def test_absence_proves_nothing_for_labels_that_were_not_searched():
    room = scene([obj(1, "dog")], searched=())
    assert value("Describe.", "A dog and a cat.", of=room) == 1.0
    assert value("How many dogs are there?", "Seven.", of=room) is None


def test_unknown_label_sets_work():
    room = scene([obj(1, "street lamp"), obj(2, "street lamp")], searched=("street lamp", "kiosk"))
    assert value("Describe.", "There are two street lamps.", of=room) == 1.0
    assert value("Describe.", "There are two kiosks.", of=room) == 0.0


def test_samples_without_one_known_scene_have_a_reason():
    def why(s):
        (found,) = GroundedCorrectness(NoConfig()).score(Part([s], {"s1": ROOM}), None)
        assert found.value is None
        return found.reason

    assert why(sample("a", "b", images=(), scenes=())) == "the sample has no image"
    assert why(sample("a", "b", scenes=("s1", "s2"))).startswith("several images")
    assert why(sample("a", "b", scenes=("gone",))).startswith("no annotations")


def test_the_label_list_is_what_the_tests_think():
    assert {o.label for o in ROOM.objects} <= set(COCO)
